"""What a turn looks like in Gradio's chat: calls and thoughts folded, words escaped. Knows turns; no event."""

from __future__ import annotations

from typing import Any

from workbench.chat.desk import Turn
from workbench.render.markup import visible
from workbench.templates.thoughts import parted
from workbench.texts import text


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
