"""What a turn looks like in Gradio's chat: calls and thoughts folded, words escaped. Knows turns; no event."""

from __future__ import annotations

from typing import Any

from workbench.chat.desk import Turn
from workbench.chat.shown import address
from workbench.render.markup import escape, visible
from workbench.templates.thoughts import parted
from workbench.texts import text

WAITING = "…"
# How a conversation is set: no Markdown and no tags, so that nothing can be fetched or run from an answer. Gradio still
# sets it as HTML: what is shown is escaped (:func:`as_text`), and its sanitizer stays on behind that.
PLAIN: dict[str, Any] = {
    "render_markdown": False,
    "allow_tags": False,
    "sanitize_html": True,
    "latex_delimiters": [],
    "buttons": ["copy", "copy_all"],
    "feedback_options": None,
    "allow_file_downloads": False,
    "height": "52vh",
    "min_height": 240,
    "elem_classes": "wb-chat",
}


def turn_bubbles(turn: Turn, lang: str, *, going: bool = False, noted: bool = False) -> list[dict[str, Any]]:
    """A question with its pictures, the calls on the way, and the answer; words as text, whatever they look like. With
    ``noted`` the page's own note stands below."""
    shown = [{"role": "user", "content": turn.question}, *calls(turn, lang)]
    shown += answer_bubbles(turn.answer, WAITING if going else "–", lang)
    if noted and turn.note:
        shown.append({"role": "assistant", "content": f"({turn.note})"})
    return [*picture_bubbles(turn, lang), *({**one, "content": as_text(one["content"])} for one in shown)]


def picture_bubbles(turn: Turn, lang: str) -> list[dict[str, Any]]:
    """A bubble for each picture that was shown, as we drew it anew."""
    import gradio as gr

    frame = f'<img class="wb-shown" alt="{escape(text("web.page.shown", lang))}" src="{{}}">'
    return [{"role": "user", "content": gr.HTML(frame.format(address(one)))} for one in turn.images]


def calls(turn: Turn, lang: str) -> list[dict[str, Any]]:
    """A folded bubble for each call, as Gradio shows what an agent does, with the words before it."""
    shown: list[dict[str, Any]] = []
    for number, card in enumerate(turn.cards):
        if card.words and (not number or turn.cards[number - 1].round != card.round):
            shown.append({"role": "assistant", "content": card.words})
        folded = {"title": card.title(lang), "status": "done" if card.result is not None else "pending"}
        shown.append({"role": "assistant", "content": card.body(lang), "metadata": folded})
    return shown


def answer_bubbles(answer: str, nothing: str, lang: str) -> list[dict[str, Any]]:
    """An answer's bubbles: what was thought before it, folded, and the answer."""
    spoken = parted(answer)
    shown: list[dict[str, Any]] = []
    if spoken.thought:
        folded = {"title": text("render.thinking" if spoken.going else "render.thought", lang), "status": "done"}
        shown = [{"role": "assistant", "content": spoken.thought, "metadata": folded}]
    return [*shown, {"role": "assistant", "content": spoken.answer or nothing}]


def as_text(said: str) -> str:
    """Words as HTML that shows them, whatever they look like; quotes stay, since the copy button copies this."""
    return visible(said).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
