"""How a visitor may be answered, and wants to be. Knows ranges; nothing of sessions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from workbench.chat.assistant import Sampling


@dataclass(frozen=True, slots=True)
class Limits:
    """Limit what one visitor may ask for.

    Args:
        characters: of a question, and of a system message.
        new_tokens: of an answer.
        at_once: answers that are written at the same time.
        waiting: visitors who may wait for a turn; the next one is told that it is busy.
        sessions: conversations that are kept; beyond that the one that rested longest is forgotten.
        messages: of one conversation; beyond that a new one must be begun.
    """

    characters: int = 8000
    new_tokens: int = 1024
    at_once: int = 4
    waiting: int = 100
    sessions: int = 1000
    messages: int = 400


@dataclass(frozen=True, slots=True)
class Wish:
    """Say how a visitor wants to be answered; whatever the page sends is brought within its range.

    Args:
        compare: whether the base answers the same, beside it.
    """

    system: str = ""
    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 256
    seed: int = 0
    compare: bool = False

    def sampling(self, limits: Limits) -> Sampling:
        """Give the same as settings of the draw."""
        return Sampling(
            max_new_tokens=int(_within(self.max_new_tokens, 1, limits.new_tokens)),
            temperature=_within(self.temperature, 0.0, 2.0),
            top_p=_within(self.top_p, 0.01, 1.0),
            seed=int(_within(self.seed, 0, 2**31 - 1)),
        )


def _within(number: Any, low: float, high: float) -> float:
    """A number that a page sent, within its range; the lower end where it is none."""
    try:
        value = float(number)
    except (TypeError, ValueError, OverflowError):
        return low
    return low if math.isnan(value) else min(max(value, low), high)
