"""A question and its answer as a page keeps them, with the calls on the way. Knows messages and cards; no page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from workbench.data.conversation import Message
from workbench.tools.cards import Card, End, messages_of


@dataclass(frozen=True, slots=True)
class Turn:
    """Hold a question and what was answered so far.

    Args:
        question: as asked.
        answer: so far.
        base: the base's answer so far; None where it was not asked.
        note: a sentence of the page itself: stopped, cut, in trouble.
        cards: the calls of tools so far.
    """

    question: str
    answer: str = ""
    base: str | None = None
    note: str = ""
    cards: tuple[Card, ...] = ()


class Calls:
    """Hear of the calls of one answer.

    Args:
        lang: of the sentence that tells where their limits ended it.
    """

    def __init__(self, lang: str | None) -> None:
        self.lang = lang
        self.cards: dict[int, Card] = {}
        self.ended = ""
        self._fresh = False

    def options(self, tools: str) -> Mapping[str, Any]:
        """Return what an assistant is asked with, so that it may call ``tools`` and is heard here."""
        return {"tools": tools, "on_card": self._card, "on_end": self._end}

    def _card(self, card: Card) -> None:
        self._fresh = self._fresh or card.number not in self.cards
        self.cards[card.number] = card

    def _end(self, end: End) -> None:
        self.ended = end.says(self.lang)

    def grown(self, turn: Turn, piece: str) -> Turn:
        """Return the turn with one more piece; the words before a call stand on its card, and no more in the answer."""
        answer = "" if self._fresh else turn.answer
        self._fresh = False
        return replace(turn, answer=answer + piece, cards=tuple(self.cards.values()))


def to_messages(turns: tuple[Turn, ...], system: str = "") -> list[Message]:
    """Return the messages of a conversation; a question without an answer is left out, and no system message is sent
    empty."""
    messages = [Message("system", system)] if system.strip() else []
    for turn in turns:
        if turn.answer:
            messages += [Message("user", turn.question), *messages_of(turn.cards), Message("assistant", turn.answer)]
    return messages
