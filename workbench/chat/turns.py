"""A question and its answer as a page keeps them, with the calls on the way. Knows messages and cards; no page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from workbench.data.conversation import Conversation, Message
from workbench.data.picture import Picture
from workbench.data.pictures import illustrated
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
        images: the pictures that were shown with it.
    """

    question: str
    answer: str = ""
    base: str | None = None
    note: str = ""
    cards: tuple[Card, ...] = ()
    images: tuple[Picture, ...] = ()

    @property
    def asked(self) -> Message:
        """Return the question as a message, its pictures before the words."""
        return illustrated(self.question, self.images)


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
            messages += [turn.asked, *messages_of(turn.cards), Message("assistant", turn.answer)]
    return messages


def conversation_of(turns: tuple[Turn, ...], system: str = "", tools: str = "") -> Conversation:
    """Return what was said as a conversation that can be trained: with its calls and their results, the system message,
    and the tools that were offered; without messages where nothing was answered.

    Args:
        turns: what was said.
        system: the system message; empty for none.
        tools: names of the tools that were offered.
    """
    from workbench.tools.registry import chosen

    if not any(turn.answer for turn in turns):
        return Conversation(())
    schemas = tuple(tool.schema for tool in chosen(tools)) if tools else ()
    return Conversation(tuple(to_messages(turns, system)), tools=schemas)


def row_of(turns: tuple[Turn, ...], system: str = "", tools: str = "") -> str:
    """Return the same as a line of JSON; empty where nothing was answered."""
    from workbench.data.fields import Location
    from workbench.data.writing import to_row

    conversation = conversation_of(turns, system, tools)
    if not conversation.messages:
        return ""
    return json.dumps(to_row(conversation, Location("conversation.jsonl", 1)), ensure_ascii=False) + "\n"
