"""OpenAI's ``messages``, with Anthropic's ``system`` beside them. Knows the fields of this one format."""

from __future__ import annotations

from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import Place
from workbench.data.formats.base import MARK, Format
from workbench.data.turns import OPENAI, Shape, keep_extras, message, system_beside, take_turns


def _marks(row: dict[str, Any]) -> int:
    return MARK if "messages" in row else 0


def _parse(left: dict[str, Any], place: Place, extras: dict[str, Any]) -> list[Message]:
    if "tools" not in left and left.get("functions") is not None:
        left["tools"] = left.pop("functions")
    turns = [(field, dict(turn)) for field, turn in take_turns(left, "messages", place)]
    messages = [message(rest, Shape("role", "content", OPENAI), place, field) for field, rest in turns]
    system = system_beside(left, messages, place, parts=True)
    for index, (_, rest) in enumerate(turns, len(system)):
        keep_extras(extras, index, rest)
    return system + messages


def _as_xtuner(left: dict[str, Any], place: Place, extras: dict[str, Any]) -> list[Message]:
    """XTuner's reading of messages knows no system text beside them."""
    aside = {"system": left.pop("system")} if "system" in left else {}
    messages = _parse(left, place, extras)
    left |= aside
    return messages


FORMAT = Format("messages", "messages: [{role, content}]", _marks, _parse, ("messages",), _as_xtuner)
