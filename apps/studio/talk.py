"""What a visitor says with several models: a conversation with each, kept in memory. Knows turns; no page, no model.

A bad answer becomes a row to train on: what was said before it, with every call, and the better answer in its place.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from workbench.chat.turns import Turn, conversation_of, row_of, to_messages
from workbench.data.conversation import Conversation, Message
from workbench.errors import BadInput

MOST = 40  # turns that are kept; of longer conversations a small model sees only the end anyway


@dataclass(eq=False)
class Talk:
    """Hold the conversations of one workspace, by the label of the model.

    Args:
        turns: what was said with each.
        going: the answers that are being written.
        last: the label of the model whose answer is mended: the last of those that are no base.
    """

    turns: dict[str, tuple[Turn, ...]] = field(default_factory=dict)
    going: dict[str, Turn] = field(default_factory=dict)
    last: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __bool__(self) -> bool:
        return any(self.turns.values())

    def before(self, labels: Iterable[str]) -> Mapping[str, list[Message]]:
        """What each model is told of what was said with it."""
        return {label: to_messages(self.turns.get(label, ())) for label in labels}

    def write(self, turns: Mapping[str, Turn]) -> None:
        """Take over how far the answers have come."""
        with self._lock:
            self.going = dict(turns)

    def keep(self) -> None:
        """What was being written has ended, however that came."""
        with self._lock:
            for label, turn in self.going.items():
                if turn.answer or turn.cards or turn.note:
                    self.turns[label] = (*self.turns.get(label, ()), turn)[-MOST:]
            after = [label for label in self.going if label != "base"]
            self.last = (after or list(self.going) or [self.last])[-1]
            self.going = {}

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self.turns, self.last = {}, ""

    def all(self, label: str) -> tuple[Turn, ...]:
        """What was said with a model, with what is being written."""
        going = self.going.get(label)
        return (*self.turns.get(label, ()), *([going] if going else ()))

    def answer(self) -> str:
        """The last answer of the model that is mended."""
        turns = self.turns.get(self.last, ())
        return turns[-1].answer if turns else ""

    def mended(self, better: str, system: str, tools: str) -> Conversation:
        """The conversation with the better answer in the place of the last one.

        Raises:
            BadInput: nothing was said yet, or the better answer is empty.
        """
        turns = self.turns.get(self.last, ())
        if not turns:
            raise BadInput("steps.no_question")
        if not better.strip():
            raise BadInput("studio.no_better")
        return conversation_of((*turns[:-1], replace(turns[-1], answer=better.strip())), system, tools)

    def row(self, system: str, tools: str) -> str:
        """The conversation as a line of JSON that can be trained; empty where nothing was said."""
        return row_of(self.turns.get(self.last, ()), system, tools)
