"""Plain text: one assistant's message and nothing else. Knows its one field."""

from __future__ import annotations

from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import Place, clean, required
from workbench.data.formats.base import TEXT, Format


def _marks(row: dict[str, Any]) -> int:
    return TEXT if "text" in row else 0


def _parse(left: dict[str, Any], place: Place, _: dict[str, Any]) -> list[Message]:
    words = clean(required(left, "text", place), place, "text")
    del left["text"]
    return [Message("assistant", words)]


FORMAT = Format("text", "text", _marks, _parse, ("text",), plain=True)
