"""Plain text: one assistant's message and nothing else. Knows its one field."""

from __future__ import annotations

from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import Location, clean, required
from workbench.data.formats.base import TEXT, Format
from workbench.data.turns import is_role

_SPEAKERS = ("role", "from", "speaker", "author")


def is_turn(row: dict[str, Any]) -> bool:
    """Tell whether a row with a text also says who speaks it: one message of a conversation that others make whole."""
    return any(isinstance(row.get(key), str) and is_role(row[key]) for key in _SPEAKERS)


def _marks(row: dict[str, Any]) -> int:
    return TEXT if "text" in row and not is_turn(row) else 0


def _parse(remaining: dict[str, Any], location: Location, _: dict[str, Any]) -> list[Message]:
    content = clean(required(remaining, "text", location), location, "text")
    del remaining["text"]
    return [Message("assistant", content)]


FORMAT = Format("text", "text", _marks, _parse, ("text",), plain=True)
