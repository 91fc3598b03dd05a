"""ShareGPT's ``conversations``, and the same turns under the other names that sets give the list."""

from __future__ import annotations

from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import Location
from workbench.data.formats.base import MARK, Format
from workbench.data.turns import SHAREGPT, Shape, keep_extras, message, system_beside, take_turns

LISTS = ("conversations", "conversation", "dialogue", "dialog", "turns", "chat")


def turns_key(row: dict[str, Any]) -> str:
    """Return the name of the list of turns; ``''`` where there is none. Only ``conversations`` needs no look at the
    turns."""
    if "conversations" in row:
        return "conversations"
    return next((key for key in LISTS if _speaks(row.get(key))), "")


def _speaks(turns: object) -> bool:
    """Whether a list's first turn names its speaker."""
    first = turns[0] if isinstance(turns, list) and turns else None
    return isinstance(first, dict) and bool({"from", "value", "role"} & first.keys())


def _marks(row: dict[str, Any]) -> int:
    key = turns_key(row)
    return MARK if key and "image" not in row and not misspelt_llava(row) else 0


def misspelt_llava(row: dict[str, Any]) -> bool:
    """Return LLaVA's list misspelt as a well-known course spells it: ``conversation`` with ``from`` and ``value``."""
    turns = row.get("conversation")
    return "conversations" not in row and _speaks(turns) and "role" not in turns[0]  # type: ignore[index]


def parse(remaining: dict[str, Any], location: Location, extras: dict[str, Any]) -> list[Message]:
    """Return the messages of a row's turns, ``from`` and ``value`` or ``role`` and ``content``, with the system text
    first."""
    turns = [
        (field, dict(turn)) for field, turn in take_turns(remaining, turns_key(remaining) or "conversations", location)
    ]
    messages = []
    for field, rest in turns:
        names = ("role", "content") if "from" not in rest and "role" in rest else ("from", "value")
        messages.append(message(rest, Shape(*names, SHAREGPT), location, field))
    system = system_beside(remaining, messages, location)
    for index, (_, rest) in enumerate(turns, len(system)):
        keep_extras(extras, index, rest)
    return system + messages


FORMAT = Format("sharegpt", "conversations: [{from, value}]", _marks, parse, ("conversations",))
