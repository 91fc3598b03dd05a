"""A call as it is shown: its name, its arguments, its result or error, its time. Knows texts; no screen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from workbench.data.conversation import Message
from workbench.texts import text
from workbench.tools.schema import NAME
from workbench.tools.values import Call, Result

ENDS = ("repeated", "rounds", "repairs", "late", "stopped")
"""Why an answer ended without one: keys under ``tools.trouble``."""


@dataclass(frozen=True, slots=True)
class Card:
    """Hold a call and what came of it.

    Args:
        number: counted from 1 in an answer.
        round: of the answer that it stands in, counted from 1; the calls of one round stand in one message.
        call: JSON text, as conversations hold it; empty where it could not be read.
        raw: the text of a call that could not be read.
        words: what the model said before the calls of this round.
        result: what the model is told; None while the tool runs.
        trouble: why it failed, a key under ``tools.trouble``.
        seconds: that it took.
    """

    number: int
    round: int
    call: str = ""
    raw: str = ""
    words: str = ""
    result: str | None = None
    trouble: str = ""
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """Return the tool's name; empty where it could not be read."""
        return str(json.loads(self.call)["function"]["name"]) if self.call else ""

    @property
    def arguments(self) -> str:
        """Return the arguments as JSON text, or what could not be read."""
        return str(json.loads(self.call)["function"]["arguments"]) if self.call else self.raw

    def done(self, result: Result) -> Card:
        """Return the card with what came of the call."""
        return replace(self, result=result.text, trouble=result.trouble, seconds=result.seconds)

    def title(self, lang: str | None = None) -> str:
        """Return which tool is called, and whether it did what it was asked."""
        known = NAME.fullmatch(self.name)  # what a model calls a tool may be anything
        name = text("tools.card.calls", lang, name=self.name) if known else text("tools.card.unread", lang)
        if self.result is None:
            return f"{name} {text('tools.card.running', lang)}"
        mark = "✗" if self.trouble else "✓"
        return f"{mark} {name} · {text('tools.card.seconds', lang, seconds=self.seconds)}"

    def body(self, lang: str | None = None) -> str:
        """Return arguments and result, a line each, and a sentence where it failed."""
        lines = [self.arguments]
        if self.result is not None:
            kind = "error" if self.trouble else "result"
            lines.append(f"{text(f'tools.card.{kind}', lang)}: {self.result.removeprefix('error: ')}")
        if self.trouble:
            lines.append(text(f"tools.trouble.{self.trouble}", lang))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class End:
    """Say of an answer that it ended before it was one.

    Args:
        trouble: one of :data:`ENDS`.
        n: the limit that was met.
    """

    trouble: str
    n: float = 0

    def says(self, lang: str | None = None) -> str:
        """Return the reason as a sentence."""
        return text(f"tools.trouble.{self.trouble}", lang, n=f"{self.n:g}")


def card_of(number: int, turn: int, call: Call, words: str) -> Card:
    """Return the card of a call that is about to run."""
    return Card(number, turn, "" if call.raw else call.json, call.raw, words)


def messages_of(cards: Iterable[Card]) -> list[Message]:
    """Return the messages that cards stand for: of each round its calls in one message, then their results."""
    rounds: dict[int, list[Card]] = {}
    for card in cards:
        if card.result is not None:
            rounds.setdefault(card.round, []).append(card)
    messages: list[Message] = []
    for group in rounds.values():
        messages += [_spoken(group), *(Message("tool", str(card.result)) for card in group)]
    return messages


def _spoken(group: Sequence[Card]) -> Message:
    calls = tuple(card.call for card in group if card.call)
    return Message("assistant", group[0].words + "".join(card.raw for card in group), tool_calls=calls)
