"""LLaVA's turns with a picture. Knows that they are ShareGPT's; the pictures are placed for all formats alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import Location
from workbench.data.formats.base import MARK, Format
from workbench.data.formats.sharegpt import misspelt_llava, parse, turns_key
from workbench.data.pictures import PICTURE


def _marks(row: dict[str, Any]) -> int:
    return MARK if misspelt_llava(row) or ("image" in row and turns_key(row)) else 0


def _as_xtuner(remaining: dict[str, Any], location: Location, extras: dict[str, Any]) -> list[Message]:
    """XTuner moves a question's picture before its words, with a line break between, and leaves out what the assistant
    says before the first question."""
    messages = parse(remaining, location, extras)
    begins = next((index for index, message in enumerate(messages) if message.role != "assistant"), len(messages))
    return [_moved(message) for message in messages[begins:]]


def _moved(message: Message) -> Message:
    if message.role != "user" or PICTURE not in message.content:
        return message
    text = message.content.replace(PICTURE, "").strip()
    return replace(message, content=f"{PICTURE}\n{text}".strip())


FORMAT = Format("llava", "image, conversations: [{from, value}]", _marks, parse, as_xtuner=_as_xtuner)
