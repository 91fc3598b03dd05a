"""Step two on the page: which tokens of a conversation are trained. Knows Gradio and the template step."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.render import mask_html
from workbench.steps.template import LOSS_ON
from workbench.texts import text

from .parts import Pane, Studio, click
from .workspaces import Workspace


def build(lang: str) -> tuple[Pane, Any]:
    """The pane and its parts."""
    pane = Pane("template", 2)
    with gr.Column(elem_classes="wb-step", elem_id="step-template"):
        pane.head(lang)
        with gr.Row():
            question = pane.make(gr.Textbox, lang, say={"label": "data.question"}, max_length=1000, min_width=220)
            answer = pane.make(gr.Textbox, lang, say={"label": "data.answer"}, max_length=2000, min_width=220)
        with gr.Row():
            template = pane.make(gr.Dropdown, lang, _templates(), say={"label": "template.template"}, min_width=180)
            loss_on = pane.make(gr.Radio, lang, _losses(lang), say={"label": "template.loss_on"}, min_width=220)
            look = pane.button(lang, "template.look", variant="primary", elem_id="look")
        out = gr.HTML("", elem_id="out-template", padding=False)
    pane.shown = [question, answer, template, loss_on, out]
    pane.state = _state
    return pane, (look, [question, answer, template, loss_on], out)


def connect(studio: Studio, pane: Pane, parts: Any, lang: Any) -> None:
    """What the click does."""
    look, inputs, out = parts
    quick: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private", "concurrency_id": "work"}
    look.click(click(studio, _looked, 1), [lang, *inputs], [out, pane.note], **quick)


def _looked(ws: Workspace, lang: str, question: Any, answer: Any, template: Any, loss_on: Any) -> list[Any]:
    step = ws.project.template
    with ws.alone():
        step.change(template=str(template or "") or None, loss_on=str(loss_on))
        step.ask(str(question or "")[:1000], str(answer or "")[:2000])
        ws.looked = True
        return [mask_html(step.view(), lang=lang)]


def _state(ws: Workspace, lang: str) -> list[Any]:
    step = ws.project.template
    made = ws.project.data.made
    conversation = step.settings.conversation
    if made and made.own and conversation == step.samples[0]:
        conversation = made.own[0]
    losses = gr.update(value=step.settings.loss_on, choices=_losses(lang))
    mask = mask_html(step.view(), lang=lang) if ws.looked else ""
    return [conversation.question, conversation.answer, step.settings.template or "chat_template", losses, mask]


def _templates() -> list[str]:
    from workbench.templates import names

    return ["chat_template", *names()]


def _losses(lang: str) -> list[tuple[str, str]]:
    return [(text(f"studio.template.loss.{one}", lang), one) for one in LOSS_ON]
