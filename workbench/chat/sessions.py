"""What the desk keeps of one visitor: the conversation, and the question that waits. Knows turns; no model."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from workbench.chat.turns import Turn

LAPSE = 900.0  # seconds after which a question that nobody fetched the answer of counts no more


@dataclass(slots=True, eq=False)
class Session:
    """Hold one visitor's conversation.

    Args:
        turns: what was said.
        earlier: conversations that were put aside, the latest first.
        asked: the question that waits for its answer; while that is written, with what has come of it.
        stop: whether the answer is to end.
        used, since: when it was last used, and when ``asked`` was taken in, in seconds of the monotonic clock.
        number: of questions asked so far.
        answering: the number of the question that is being answered; 0 for none.
        pages: the visitors' pages that show it now.
    """

    turns: tuple[Turn, ...] = ()
    earlier: tuple[tuple[Turn, ...], ...] = ()
    asked: Turn | None = None
    stop: bool = False
    used: float = field(default_factory=time.monotonic)
    since: float = 0.0
    number: int = 0
    answering: int = 0
    pages: set[str] = field(default_factory=set)

    @property
    def waits(self) -> bool:
        """Tell whether a question waits for its answer, or is being answered."""
        if self.asked is None:
            return False
        return self.answering == self.number or time.monotonic() - self.since < LAPSE
