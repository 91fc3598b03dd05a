"""A picture and its caption in two columns, as folders of pictures have them. Knows these columns; opens no picture."""

from __future__ import annotations

from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import Location, clean, required
from workbench.data.formats.base import NAMES, Format
from workbench.data.formats.sharegpt import turns_key
from workbench.data.pictures import PICTURE

_PICTURES = ("file_name", "image", "image_path", "filename", "file")
_CAPTIONS = ("text", "caption", "title")
_ANOTHERS = ("messages", "instruction", "prompt", "question", "query", "answer", "output", "response")


def _named(row: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((name for name in names if row.get(name) is not None), "")


def _marks(row: dict[str, Any]) -> int:
    if any(row.get(name) is not None for name in _ANOTHERS) or turns_key(row):
        return 0
    return NAMES if _named(row, _PICTURES) and _named(row, _CAPTIONS) else 0


def _parse(remaining: dict[str, Any], location: Location, _: dict[str, Any]) -> list[Message]:
    picture = _named(remaining, _PICTURES) or "file_name"
    caption = _named(remaining, _CAPTIONS) or "text"
    title = clean(required(remaining, caption, location), location, caption)
    remaining["image"] = required(remaining, picture, location)
    for name in {picture, caption} - {"image"}:
        remaining.pop(name)
    return [Message("user", PICTURE), Message("assistant", title)]


FORMAT = Format("captions", "file_name, text", _marks, _parse, ("file_name", "caption"))
