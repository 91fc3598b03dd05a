"""XTuner's ``conversation`` of pairs, and pairs of the same kind under other names. Knows no other format."""

from __future__ import annotations

from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import Location, clean, optional_text, required
from workbench.data.flags import message_flag
from workbench.data.formats.base import MARK, Format
from workbench.data.formats.sharegpt import turns_key
from workbench.data.turns import keep_extras, take_turns

_PAIRS = (("input", "output"), ("human", "assistant"), ("user", "assistant"), ("human", "bot"))


def _marks(row: dict[str, Any]) -> int:
    return MARK if "conversation" in row and not turns_key(row) else 0


def _parse(remaining: dict[str, Any], location: Location, extras: dict[str, Any]) -> list[Message]:
    messages: list[Message] = []
    for field, turn in take_turns(remaining, "conversation", location):
        asking, answering = next((pair for pair in _PAIRS if turn.keys() >= set(pair)), _PAIRS[0])
        question = clean(required(turn, asking, location, f"{field}."), location, f"{field}.{asking}")
        answer = clean(required(turn, answering, location, f"{field}."), location, f"{field}.{answering}")
        system = optional_text(turn, "system", location, f"{field}.")
        rest = {k: v for k, v in turn.items() if k not in (asking, answering, "system", "need_eos_token", "sep")}
        train = message_flag(rest, "assistant", location, field)
        if system:
            messages.append(Message("system", system))
        messages += [Message("user", question), Message("assistant", answer, train=train)]
        keep_extras(extras, len(messages) - 1, rest)
    return messages


FORMAT = Format("xtuner", "conversation: [{input, output}]", _marks, _parse, ("conversation",))
