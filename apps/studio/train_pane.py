"""Step three on the page: start, watch, stop, go on. Knows Gradio, the training step and the line for the device.

Training is a process of its own; the page only reads the run folder, so that a reload finds everything again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from workbench.errors import BadInput, WorkbenchError
from workbench.render import curves_html, curves_of, samples_html, samples_of, styles
from workbench.render.gallery import gallery_html
from workbench.render.markup import disclosure, escape
from workbench.runs import list_runs
from workbench.steps import TrainStep, field
from workbench.texts import lookup, text
from workbench.training.gallery import gallery

from .parts import Pane, Studio, alert, card, click, of_a_terminal, resting, shown, visitor
from .progress import bar, left_words, minutes_left
from .way import outdated, unlearnt
from .workspaces import Workspace

# the settings that the page offers, and how far a visitor may turn each of them
OFFERED: dict[str, tuple[float, float]] = {
    "schedule.num_train_epochs": (0.1, 20),
    "optimizer.learning_rate": (1e-6, 0.1),
    "adapter.r": (1, 64),
    "schedule.per_device_train_batch_size": (1, 64),
}

SIMPLE = ("schedule.num_train_epochs",)  # those that the simple view shows too


def build(lang: str) -> tuple[Pane, Any]:
    """The pane and its parts."""
    pane = Pane("train", 3)
    with gr.Column(elem_classes="wb-step", elem_id="step-train"):
        pane.head(lang)
        with gr.Row(elem_classes="wb-pair"):
            with gr.Column(elem_classes="wb-form"):
                numbers = [_number(key, lang) for key in OFFERED]
                pane.main = start = pane.act(lang, "start", "train.start", variant="primary")
                stop = pane.act(lang, "stop-train", "train.stop", visible=False)
                resume = pane.act(lang, "resume", "train.resume", visible=False)
                pane.tell(lang)
            with gr.Column(elem_classes="wb-preview"):
                status = gr.HTML("", elem_id="status", padding=False)
                curves = gr.HTML("", elem_id="curves", padding=False)
                samples = gr.HTML("", elem_id="samples", padding=False)
        timer = gr.Timer(1.0)
    pane.shown = [*numbers, resume, status, curves, samples, start, stop]
    return pane, (numbers, start, stop, resume, [status, curves, samples], timer)


def _number(key: str, lang: str) -> Any:
    """A setting under a name that people understand; that of the recipe stands small below it."""
    name = field(key).name
    return gr.Number(
        label=_label(name, lang), info=_info(key, lang), min_width=160, elem_id=name,
        elem_classes=() if key in SIMPLE else "wb-expert",
    )  # fmt: skip


def _label(name: str, lang: str) -> str:
    return text(f"studio.train.names.{name}", lang)


def _info(key: str, lang: str) -> str:
    setting = field(key)
    words = setting.words(lang)
    ends = [lookup(f"settings.words.{end}", lang).format(words[end]) for end in ("high", "low") if end in words]
    return f"`{setting.name}` {text('render.summary.space', lang).join([words['does'], *ends])}"


def connect(studio: Studio, pane: Pane, parts: Any, lang: Any) -> Any:
    """What the clicks and the clock do; returns the clock's event."""
    pane.state = lambda ws, spoken: _state(studio, ws, spoken)
    numbers, start, stop, resume, drawn, timer = parts
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    watched = [resume, *drawn, start, stop]
    outputs = [*watched, pane.note]

    def begin(ws: Workspace, spoken: str, *values: Any) -> list[Any]:
        with ws.alone():
            _take_over(ws, values, spoken)
            ws.project.save()
            ws.project.train.owner = ws.name  # fair by visitor, though one account trains for them all
            studio.line.join(ws.name, ws.project.train.start)
        return _drawn(studio, ws, spoken)

    def end(ws: Workspace, spoken: str) -> list[Any]:
        if not studio.line.leave(ws.name):
            ws.project.train.stop()
        return _drawn(studio, ws, spoken)

    def go_on(ws: Workspace, spoken: str) -> list[Any]:
        if ws.project.train.run is None:
            raise BadInput("steps.nothing_to_resume")
        ws.project.train.owner = ws.name
        studio.line.join(ws.name, ws.project.train.resume)
        return _drawn(studio, ws, spoken)

    resting(start.click(click(studio, begin, 6), [lang, *numbers], outputs, **quick), "start")
    resting(stop.click(click(studio, end, 6), lang, outputs, **quick), "stop-train")
    resting(resume.click(click(studio, go_on, 6), lang, outputs, **quick), "resume")

    def look(request: gr.Request, spoken: str) -> list[Any]:
        """Every second: only what is new of the run is drawn again; the note stays, for somebody may be reading it."""
        try:
            ws = studio.rooms.of(visitor(request))
        except BadInput:
            return [gr.skip()] * 6
        if ws.speaks(visitor(request)) != spoken:
            return [gr.skip()] * 6
        return _news(studio, ws, visitor(request), spoken)

    return timer.tick(look, lang, watched, **quick)


def _take_over(ws: Workspace, values: tuple[Any, ...], lang: str) -> None:
    """The numbers of the page, each within what is offered."""
    for (key, (low, high)), value in zip(OFFERED.items(), values, strict=True):
        bounds = {"key": _label(field(key).name, lang), "low": f"{low:g}", "high": f"{high:g}"}
        if value is None:
            raise BadInput("studio.no_number", **bounds)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
            raise BadInput("studio.out_of_range", given=value, **bounds)
        ws.project.train.set(key, int(value) if field(key).kind == "whole" else float(value))


def _state(studio: Studio, ws: Workspace, lang: str) -> list[Any]:
    numbers = [
        gr.update(value=ws.project.train.value(key), label=_label(field(key).name, lang), info=_info(key, lang))
        for key in OFFERED
    ]
    return [*numbers, *_drawn(studio, ws, lang)]


def _drawn(studio: Studio, ws: Workspace, lang: str) -> list[Any]:
    """Whether one can go on, where it stands, the curves, the answers, and which of start and stop is seen."""
    step = ws.project.train
    step.poll()
    return [_resumable(studio, ws), _status(studio, ws, lang), *_pictures(step, lang), *_buttons(studio, ws)]


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
    return [_resumable(studio, ws), _status(studio, ws, lang), *pictures, *_buttons(studio, ws)]


def _buttons(studio: Studio, ws: Workspace) -> list[Any]:
    """Start while nothing goes on, else stop."""
    going = studio.line.starting(ws.name) or ws.project.train.busy
    return [gr.update(visible=not going), gr.update(visible=going)]


def _resumable(studio: Studio, ws: Workspace) -> Any:
    state = ws.project.train.state()
    able = state.status in ("stopped", "died", "failed") and bool(ws.project.train.checkpoints())
    return gr.update(visible=able and not studio.line.starting(ws.name))


def _status(studio: Studio, ws: Workspace, lang: str) -> str:
    """Where it stands: in the line, running at a step, ended, or dead, with what to do."""
    if studio.line.starting(ws.name):
        return _line(text("studio.train.status.starting", lang))
    trouble = studio.line.trouble(ws.name)
    if trouble is not None:
        return card(trouble, lang)
    step = ws.project.train
    state = step.state()
    if step.run is None:
        return shown(f'<p class="wb-empty">{escape(text("studio.train.none", lang))}</p>', lang)
    said, remedy = step.words(lang)
    if state.status in ("died", "failed"):
        after = text(f"studio.train.after.{'resume' if step.checkpoints() else 'start'}", lang)
        reason = text("studio.train.died", lang) if state.status == "died" else said
        return alert((reason, "" if of_a_terminal(remedy) else remedy, after), lang)
    if step.busy:
        return _going(step, said, lang)
    notes = "".join(f'<p class="wb-soft">{escape(note)}</p>' for note in step.history.said(lang))
    told = text(f"studio.train.status.{state.status}", lang)
    at = text("studio.train.at", lang, step=max(state.step, step.history.step), total=state.total_steps or "?")
    gap = text("render.summary.space", lang)
    return shown(f"{_line(f'{told}{gap}{at}')}{outdated(ws, lang)}{unlearnt(ws, lang)}{notes}", lang)


def _going(step: TrainStep, said: str, lang: str) -> str:
    """Its place in the line; how far it is: a bar, per cent, steps, minutes left, and the last word of the worker."""
    state, history = step.state(), step.history
    if state.status == "waiting":
        return shown(_line(said), lang)
    total, now = int(state.total_steps or history.total_steps), int(max(state.step, history.step))
    told = text(f"studio.train.status.{state.status}", lang)
    parts = [told] if total <= 0 else [
        f"{told}{text('render.summary.space', lang)}{text('studio.train.at', lang, step=now, total=total)}",
        f"{min(100, 100 * now // total)}%",
        left_words(minutes_left(history, total), lang),
    ]  # fmt: skip
    words = " · ".join(filter(None, parts))
    worker = f'<p class="wb-soft">{escape(said)}</p>' if said else ""
    notes = "".join(f'<p class="wb-soft">{escape(note)}</p>' for note in history.said(lang))
    return shown(f"{_line(words)}{bar(now, total, text('studio.train.head', lang))}{worker}{notes}", lang)


def _line(said: str) -> str:
    return f'<p role="status"><strong>{escape(said)}</strong></p>'


def _pictures(step: TrainStep, lang: str) -> list[str]:
    if step.run is None:
        return ["", ""]
    events = step.run.events.all()
    curves = curves_of(events, step.best_step(), lang)
    drawn = (curves_html(curves, lang=lang) if curves.train else "") + _gallery(step, lang)
    samples = samples_of(events)
    return [shown(drawn, lang), shown(samples_html(samples, lang=lang), lang) if samples else ""]


def _gallery(step: TrainStep, lang: str) -> str:
    """All runs of this workspace on one plot, folded; only where there are several, and none is going on."""
    runs = [] if step.run is None or step.busy else list_runs(step.run.path.parent)
    if len(runs) < 2:
        return ""
    try:
        several = gallery(runs)
    except WorkbenchError:  # in none of them anything was recorded
        return ""
    label = text("studio.train.all_runs", lang, count=len(several.exhibits))
    drawn = gallery_html(replace(several, unread=()), alive=False, lang=lang)  # what names folders stays here
    return disclosure(escape(label), styles("theatre.css", "gallery.css") + drawn)
