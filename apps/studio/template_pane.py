"""Step two on the page: which tokens of a conversation are trained. Knows Gradio and the template step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from workbench.data.conversation import Conversation
from workbench.render import mask_html
from workbench.render.markup import escape
from workbench.steps.template import LOSS_ON
from workbench.templates.thoughts import THINKING
from workbench.texts import text

from .data_pane import samples
from .parts import Pane, Studio, click, resting, shown
from .workspaces import Workspace


def build(lang: str) -> tuple[Pane, Any]:
    """The pane and its parts."""
    pane = Pane("template", 2)
    with gr.Column(elem_classes="wb-step", elem_id="step-template"):
        pane.head(lang)
        with gr.Row(elem_classes="wb-pair"):
            with gr.Column(elem_classes="wb-form"):
                question = pane.make(gr.Textbox, lang, say={"label": "data.question"}, max_length=1000, lines=2)
                answer = pane.make(gr.Textbox, lang, say={"label": "data.answer"}, max_length=2000, lines=2)
                settings = _settings(pane, lang)
                pane.main = look = pane.act(lang, "look", "template.look", variant="primary")
                pane.tell(lang)
            with gr.Column(elem_classes="wb-preview"):
                out = gr.HTML(_nothing(lang), elem_id="out-template", padding=False)
    inputs = [question, answer, *settings]
    pane.shown = [*inputs, out]
    pane.state = _state
    return pane, (look, inputs, out)


def _settings(pane: Pane, lang: str) -> list[Any]:
    """What only the expert view shows: template, what is trained, the system text, thoughts."""

    def make(kind: Any, name: str, *given: Any, **how: Any) -> Any:
        say = {"label": f"template.{name}", "info": f"template.{name}_info"}
        return pane.make(kind, lang, *given, say=say, min_width=180, elem_classes="wb-expert", **how)

    return [
        make(gr.Dropdown, "template", _templates()),
        make(gr.Radio, "loss_on", _losses(lang)),
        make(gr.Textbox, "system", max_length=1000),
        make(gr.Radio, "thinking", _thoughts(lang)),
    ]


def connect(studio: Studio, pane: Pane, parts: Any, lang: Any) -> Any:
    """What the click does; returns its event."""
    look, inputs, out = parts
    quick: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_id": "work"}
    return resting(look.click(click(studio, _looked, 1), [lang, *inputs], [out, pane.note], **quick), "look")


def _nothing(lang: str) -> str:
    return shown(f'<p class="wb-empty">{escape(text("studio.template.nothing", lang))}</p>', lang)


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
        return [mask_html(step.view(), lang=lang, alive=False)]


def _state(ws: Workspace, lang: str) -> list[Any]:
    step = ws.project.template
    made = ws.project.data.made
    conversation = step.settings.conversation
    if made and made.own and conversation == step.samples[0]:
        conversation = _plainest(samples(made.own, lang))
    losses = gr.update(value=step.settings.loss_on, choices=_losses(lang))
    mask = mask_html(step.view(), lang=lang, alive=False) if ws.looked else _nothing(lang)
    settings = step.settings
    system = "" if settings.system == "keep" else settings.system
    thoughts = gr.update(value=settings.thinking, choices=_thoughts(lang))
    template = settings.template or "chat_template"
    return [_last_question(conversation), conversation.answer, template, losses, system, thoughts, mask]


def _plainest(conversations: Sequence[Conversation]) -> Conversation:
    """The first of one question and its answer, which is all that the pane has room for; else the first."""
    return next((c for c in conversations if sum(m.role == "user" for m in c.messages) == 1), conversations[0])


def _last_question(conversation: Conversation) -> str:
    """What is asked before the last answer."""
    return next((m.content for m in reversed(conversation.messages) if m.role == "user"), "")


def _templates() -> list[str]:
    from workbench.templates import names

    return ["chat_template", *names()]


def _losses(lang: str) -> list[tuple[str, str]]:
    return [(text(f"studio.template.loss.{one}", lang), one) for one in LOSS_ON]


def _thoughts(lang: str) -> list[tuple[str, str]]:
    return [(text(f"widgets.mask.thinking_as.{name}", lang), name) for name in THINKING]
