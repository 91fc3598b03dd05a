"""OpenAI's ``messages``, with Anthropic's ``system`` beside them. Knows the fields of this one format."""

from __future__ import annotations

from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import Location
from workbench.data.formats.base import MARK, Format
from workbench.data.turns import OPENAI, Shape, keep_extras, message, system_beside, take_turns


def _marks(row: dict[str, Any]) -> int:
    return MARK if "messages" in row else 0


def _parse(remaining: dict[str, Any], location: Location, extras: dict[str, Any]) -> list[Message]:
    if "tools" not in remaining and remaining.get("functions") is not None:
        remaining["tools"] = remaining.pop("functions")
    turns = [(field, dict(turn)) for field, turn in take_turns(remaining, "messages", location)]
    messages = [message(rest, Shape("role", "content", OPENAI), location, field) for field, rest in turns]
    system = system_beside(remaining, messages, location, parts=True)
    for index, (_, rest) in enumerate(turns, len(system)):
        keep_extras(extras, index, rest)
    return system + messages


def _as_xtuner(remaining: dict[str, Any], location: Location, extras: dict[str, Any]) -> list[Message]:
    """XTuner's reading of messages knows no system text beside them."""
    aside = {"system": remaining.pop("system")} if "system" in remaining else {}
    messages = _parse(remaining, location, extras)
    remaining |= aside
    return messages


FORMAT = Format("messages", "messages: [{role, content}]", _marks, _parse, ("messages",), _as_xtuner)
