"""Step two on the page: which tokens of a conversation are trained. Knows Gradio and the template step."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.render import mask_html
from workbench.steps.template import LOSS_ON
from workbench.templates.thoughts import THINKING
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
        with gr.Row():
            system = pane.make(gr.Textbox, lang, say={"label": "template.system"}, max_length=1000, min_width=220)
            thinking = pane.make(gr.Radio, lang, _thoughts(lang), say={"label": "template.thinking"}, min_width=220)
            look = pane.button(lang, "template.look", variant="primary", elem_id="look")
        out = gr.HTML("", elem_id="out-template", padding=False)
    inputs = [question, answer, template, loss_on, system, thinking]
    pane.shown = [*inputs, out]
    pane.state = _state
    return pane, (look, inputs, out)


def connect(studio: Studio, pane: Pane, parts: Any, lang: Any) -> None:
    """What the click does."""
    look, inputs, out = parts
    quick: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private", "concurrency_id": "work"}
    look.click(click(studio, _looked, 1), [lang, *inputs], [out, pane.note], **quick)


def _looked(ws: Workspace, lang: str, *values: Any) -> list[Any]:
    question, answer, template, loss_on, system, thinking = (str(value or "") for value in values)
    step = ws.project.template
    with ws.alone():
        step.change(
            template=template or None,
            loss_on=loss_on or step.settings.loss_on,  # nothing is chosen until the page has filled its controls
            system=system[:1000].strip() or "keep",
            thinking=thinking or step.settings.thinking,
        )
        step.ask(question[:1000], answer[:2000])
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
    settings = step.settings
    system = "" if settings.system == "keep" else settings.system
    thoughts = gr.update(value=settings.thinking, choices=_thoughts(lang))
    template = settings.template or "chat_template"
    return [conversation.question, conversation.answer, template, losses, system, thoughts, mask]


def _templates() -> list[str]:
    from workbench.templates import names

    return ["chat_template", *names()]


def _losses(lang: str) -> list[tuple[str, str]]:
    return [(text(f"studio.template.loss.{one}", lang), one) for one in LOSS_ON]


def _thoughts(lang: str) -> list[tuple[str, str]]:
    return [(text(f"widgets.mask.thinking_as.{name}", lang), name) for name in THINKING]
