"""Step five on the page: the same question before and after. Knows Gradio and the chat step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from workbench.errors import BadInput
from workbench.render.markup import answered, escape, spoken_html, thought
from workbench.steps import ChatStep, Model

from .parts import Pane, Studio, click, flow, shown
from .workspaces import Workspace

MOST = 4  # models side by side
PACE = 0.08


def build(lang: str) -> tuple[Pane, Any]:
    """The pane and its parts."""
    pane = Pane("chat", 5)
    with gr.Column(elem_classes="wb-step", elem_id="step-chat"):
        pane.head(lang)
        models = pane.make(gr.CheckboxGroup, lang, [], say={"label": "chat.models"}, elem_id="models")
        with gr.Row():
            question = pane.make(
                gr.Dropdown, lang, [], say={"label": "data.question"}, allow_custom_value=True, scale=5, min_width=240,
                elem_id="ask",
            )  # fmt: skip
            ask = pane.make(
                gr.Button, lang, say={"value": "chat.ask"}, variant="primary", elem_id="ask-button", min_width=100
            )
            stop = pane.make(gr.Button, lang, say={"value": "chat.stop"}, min_width=100, elem_id="stop-chat")
        out = gr.HTML("", elem_id="out-chat", padding=False)
    pane.shown = [models, question, out]
    pane.state = _state
    return pane, (models, question, ask, stop, out)


def connect(studio: Studio, pane: Pane, parts: Any, lang: Any) -> None:
    """What the clicks do."""
    models, question, ask, stop, out = parts
    how: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    def answer(ws: Workspace, spoken: str, asked: Any, labels: Any) -> Iterator[list[Any]]:
        yield from _asked(studio, ws, spoken, asked, labels)

    def end(ws: Workspace, _: str) -> list[Any]:
        ws.project.chat.cancel()
        return []

    ask.click(flow(studio, answer, 1), [lang, question, models], [out, pane.note], concurrency_id="chat", **how)
    stop.click(click(studio, end, 0), lang, [pane.note], queue=False, **how)


def _asked(studio: Studio, ws: Workspace, lang: str, asked: Any, labels: Any) -> Iterator[list[Any]]:
    step = ws.project.chat
    if not isinstance(asked, str) or not asked.strip():
        raise BadInput("steps.no_question")
    if len(asked) > 2000:
        raise BadInput("web.long_question", length=len(asked), limit=2000)
    step.refresh()
    step.change(shown=tuple(str(one) for one in labels or ())[:MOST] or ("base",))
    last = 0.0
    yield [_columns(step, lang, dict.fromkeys(step.settings.shown, ""))]
    with _shared_base(studio, step):
        for _ in step.ask(asked.strip()):
            if time.monotonic() - last >= PACE:
                last = time.monotonic()
                yield [_columns(step, lang, step.answers)]
    yield [_columns(step, lang, step.answers)]


@contextmanager
def _shared_base(studio: Studio, step: ChatStep) -> Iterator[None]:
    """While it lasts, the base is the one that is loaded for everybody."""
    base = step.models.get("base")
    if not isinstance(base, Model) or base.adapter or base.template:
        yield
        return
    step.models = {**step.models, "base": studio.rooms.base(base.model)}
    try:
        yield
    finally:
        step.models = {**step.models, "base": base}


def _state(ws: Workspace, lang: str) -> list[Any]:
    step = ws.project.chat
    if ws.project.train.run is not None and (step.run is None or step.run.path != ws.project.train.run.path):
        step.use(ws.project.train.run)
    elif not step.answering:
        step.refresh()
    choices = [(step.label_text(label, lang), label) for label in step.labels]
    after = [label for label in ("merged", "best") if label in step.labels][:1]
    shown_now = ["base", *after] if after else ["base"]
    questions = [*ChatStep(lang=lang).questions()]
    asked = step.asked or questions[0]
    answers = _columns(step, lang, step.answers) if step.answers else ""
    return [gr.update(choices=choices, value=shown_now), gr.update(choices=questions, value=asked), answers]


def _columns(step: ChatStep, lang: str, answers: dict[str, str]) -> str:
    """Each model's answer in a column; on a phone one below the other."""
    cells = "".join(
        f'<div class="wb-card"><p class="wb-soft">{escape(step.label_text(label, lang))}</p>'
        f'<p class="wb-answer" data-label="{escape(label)}">{answered(answer)}</p>{thought(answer, lang)}</div>'
        for label, answer in answers.items()
    )
    question = f"<p><strong>{spoken_html(step.settings.question)}</strong></p>"
    return shown(f'{question}<div class="wb-cards">{cells}</div>', lang)
