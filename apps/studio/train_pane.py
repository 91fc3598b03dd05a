"""Step three on the page: start, watch, stop, go on. Knows Gradio, the training step and the line for the device.

Training is a process of its own; the page only reads the run folder, so that a reload finds everything again.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.errors import BadInput
from workbench.render import curves_html, curves_of, samples_html, samples_of
from workbench.render.markup import escape
from workbench.steps import TrainStep, field
from workbench.texts import text

from .parts import Pane, Studio, alert, card, click, shown, visitor
from .workspaces import Workspace

# the settings that the page offers, and how far a visitor may turn each of them
OFFERED: dict[str, tuple[float, float]] = {
    "schedule.num_train_epochs": (0.1, 20),
    "optimizer.learning_rate": (1e-6, 0.1),
    "adapter.r": (1, 64),
    "schedule.per_device_train_batch_size": (1, 64),
}


def build(lang: str) -> tuple[Pane, Any]:
    """The pane and its parts."""
    pane = Pane("train", 3)
    with gr.Column(elem_classes="wb-step", elem_id="step-train"):
        pane.head(lang)
        with gr.Row():
            numbers = [
                gr.Number(
                    label=field(key).name, info=field(key).words(lang)["does"], min_width=160, elem_id=field(key).name
                )
                for key in OFFERED
            ]
        with gr.Row():
            start = pane.make(
                gr.Button, lang, say={"value": "train.start"}, variant="primary", elem_id="start", min_width=120
            )
            stop = pane.make(gr.Button, lang, say={"value": "train.stop"}, elem_id="stop-train", min_width=120)
            resume = pane.make(
                gr.Button, lang, say={"value": "train.resume"}, elem_id="resume", min_width=120, visible=False
            )
        status = gr.HTML("", elem_id="status", padding=False)
        curves = gr.HTML("", elem_id="curves", padding=False)
        samples = gr.HTML("", elem_id="samples", padding=False)
        timer = gr.Timer(1.0)
    pane.shown = [*numbers, resume, status, curves, samples]
    return pane, (numbers, start, stop, resume, [status, curves, samples], timer)


def connect(studio: Studio, pane: Pane, parts: Any, lang: Any) -> Any:
    """What the clicks and the clock do; returns the clock's event."""
    pane.state = lambda ws, spoken: _state(studio, ws, spoken)
    numbers, start, stop, resume, drawn, timer = parts
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    outputs = [resume, *drawn, pane.note]

    def begin(ws: Workspace, spoken: str, *values: Any) -> list[Any]:
        with ws.alone():
            _take_over(ws, values)
            ws.project.save()
            studio.line.join(ws.name, ws.project.train.start)
        return _drawn(studio, ws, spoken)

    def end(ws: Workspace, spoken: str) -> list[Any]:
        if not studio.line.leave(ws.name):
            ws.project.train.stop()
        return _drawn(studio, ws, spoken)

    def go_on(ws: Workspace, spoken: str) -> list[Any]:
        if ws.project.train.run is None:
            raise BadInput("steps.nothing_to_resume")
        studio.line.join(ws.name, ws.project.train.resume)
        return _drawn(studio, ws, spoken)

    start.click(click(studio, begin, 4), [lang, *numbers], outputs, **quick)
    stop.click(click(studio, end, 4), lang, outputs, **quick)
    resume.click(click(studio, go_on, 4), lang, outputs, **quick)

    def look(request: gr.Request, spoken: str) -> list[Any]:
        """Every second: only what is new of the run is drawn again; the note stays, for somebody may be reading it."""
        try:
            ws = studio.rooms.of(visitor(request))
        except BadInput:
            return [gr.skip()] * 4
        return _news(studio, ws, visitor(request), spoken)

    return timer.tick(look, lang, [resume, *drawn], **quick)


def _take_over(ws: Workspace, values: tuple[Any, ...]) -> None:
    """The numbers of the page, each within what is offered."""
    for (key, (low, high)), value in zip(OFFERED.items(), values, strict=True):
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
            raise BadInput("studio.out_of_range", key=field(key).name, given=value, low=f"{low:g}", high=f"{high:g}")
        ws.project.train.set(key, int(value) if field(key).kind == "whole" else float(value))


def _state(studio: Studio, ws: Workspace, lang: str) -> list[Any]:
    numbers = [gr.update(value=ws.project.train.value(key), info=field(key).words(lang)["does"]) for key in OFFERED]
    return [*numbers, *_drawn(studio, ws, lang)]


def _drawn(studio: Studio, ws: Workspace, lang: str) -> list[Any]:
    """Whether one can go on, where it stands, the curves, the answers."""
    step = ws.project.train
    step.poll()
    return [_resumable(studio, ws), _status(studio, ws, lang), *_pictures(step, lang)]


def _news(studio: Studio, ws: Workspace, page_of: str, lang: str) -> list[Any]:
    step = ws.project.train
    step.poll()
    mark = (
        step.run.path if step.run else None,
        step.history.step,
        len(step.history.samples),
        step.state().status,
        lang,
    )
    seen, ws.seen[page_of] = ws.seen.get(page_of), mark
    pictures = [gr.skip(), gr.skip()] if seen == mark else _pictures(step, lang)
    return [_resumable(studio, ws), _status(studio, ws, lang), *pictures]


def _resumable(studio: Studio, ws: Workspace) -> Any:
    state = ws.project.train.state()
    able = state.status in ("stopped", "died", "failed") and bool(ws.project.train.checkpoints())
    return gr.update(visible=able and not studio.line.place(ws.name))


def _status(studio: Studio, ws: Workspace, lang: str) -> str:
    """Where it stands: in the line, running at a step, ended, or dead, with what to do."""
    place = studio.line.place(ws.name)
    if place:
        return _line(text("studio.train.waiting", lang, n=place))
    trouble = studio.line.trouble(ws.name)
    if trouble is not None:
        return card(trouble, lang)
    step = ws.project.train
    state = step.state()
    if step.run is None:
        return _line(text("studio.train.none", lang))
    said, remedy = step.words(lang)
    if state.status in ("died", "failed"):
        return alert((said, remedy), lang)
    total = state.total_steps or step.history.total_steps
    at = text("studio.train.at", lang, step=max(state.step, step.history.step), total=total or "?")
    told = text(f"studio.train.status.{state.status}", lang)
    bar = f'<progress max="{int(total)}" value="{int(step.history.step)}"></progress>' if total and step.busy else ""
    notes = "".join(f'<p class="wb-soft">{escape(note)}</p>' for note in step.history.said(lang))
    return _line(f"{told} {at}") + bar + notes


def _line(said: str) -> str:
    return f'<p role="status"><strong>{escape(said)}</strong></p>'


def _pictures(step: TrainStep, lang: str) -> list[str]:
    if step.run is None:
        return ["", ""]
    events = step.run.events.all()
    curves = curves_of(events, step.best_step(), lang)
    drawn = curves_html(curves, lang=lang) if curves.train else ""
    samples = samples_of(events)
    return [shown(drawn, lang), shown(samples_html(samples, lang=lang), lang) if samples else ""]
