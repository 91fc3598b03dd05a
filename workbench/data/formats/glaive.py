"""Glaive's function calls: all turns in one text, calls after ``<functioncall>``. Knows that text and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

from workbench.data.calls import call
from workbench.data.conversation import Message, Role
from workbench.data.fields import BadRow, Location, clean, optional_text, shorten
from workbench.data.formats.base import MARK, Format

_TURN = re.compile(r"(?:\A|\n)\s*(USER|ASSISTANT|FUNCTION RESPONSE):[ \t]*")
_ROLES: dict[str, Role] = {"USER": "user", "ASSISTANT": "assistant", "FUNCTION RESPONSE": "tool"}
_CALL, _END = "<functioncall>", "<|endoftext|>"


def _marks(row: dict[str, Any]) -> int:
    chat = row.get("chat")
    return MARK if isinstance(chat, str) and "USER:" in chat and "ASSISTANT:" in chat else 0


def _parse(left: dict[str, Any], location: Location, _: dict[str, Any]) -> list[Message]:
    text = clean(left.pop("chat"), location, "chat")
    system = optional_text(left, "system", location).strip().removeprefix("SYSTEM:").strip()
    left.pop("system", None)
    tools = _objects(system)
    messages = [Message("system", system)] if system and not tools else []
    if tools:
        left["tools"] = tools
    head, *parts = _TURN.split(text)
    if head.strip() or not parts:
        raise BadRow("data.json_field", location, field="chat", given=shorten(text))
    for speaker, words in zip(parts[::2], parts[1::2], strict=True):
        messages.append(_message(_ROLES[speaker], words.replace(_END, "").strip(), location))
    return messages


def _message(role: Role, words: str, location: Location) -> Message:
    if role != "assistant" or _CALL not in words:
        return Message(role, words)
    before, *bodies = words.split(_CALL)
    calls = tuple(call(body.strip(), location, "chat") for body in bodies)
    return Message(role, before.strip(), tool_calls=calls)


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the functions that a system text describes: every JSON object with a name in it."""
    decoder, at, tools = json.JSONDecoder(), text.find("{"), list[dict[str, Any]]()
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict) and isinstance(value.get("name"), str):
                tools.append({"type": "function", "function": value})
        at = text.find("{", end)
    return tools


FORMAT = Format("glaive", "system, chat (USER: … ASSISTANT: …)", _marks, _parse, ("chat",))
