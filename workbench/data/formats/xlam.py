"""xLAM's ``query``, ``tools`` and ``answers``: a question and the calls that answer it. Knows these three fields."""

from __future__ import annotations

import json
from typing import Any

from workbench.data.calls import calls
from workbench.data.conversation import Message
from workbench.data.fields import Location, clean, listed, mapped, parsed, required
from workbench.data.formats.base import MARK, Format

_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}


def _marks(row: dict[str, Any]) -> int:
    return MARK if {"query", "tools", "answers"} <= row.keys() else 0


def _parse(left: dict[str, Any], location: Location, _: dict[str, Any]) -> list[Message]:
    question = clean(required(left, "query", location), location, "query")
    answers, tools = left.pop("answers"), left.pop("tools")
    del left["query"]
    left["tools"] = [
        _tool(mapped(item, location, f"tools[{at}]")) for at, item in enumerate(_list(tools, location, "tools"))
    ]
    called = calls(_list(answers, location, "answers"), location, "answers")
    return [Message("user", question), Message("assistant", "", tool_calls=called)]


def _list(value: Any, location: Location, field: str) -> list[Any]:
    """Return a list, or what the JSON text of one holds."""
    return listed(parsed(value, location, field) if isinstance(value, str) else value, location, field)


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    """Return a function in the usual shape: here its parameters stand by name, with Python's words for their types."""
    parameters = function.get("parameters")
    if not isinstance(parameters, dict) or "properties" in parameters:
        return {"type": "function", "function": function}
    properties = {name: _parameter(value) for name, value in parameters.items()}
    needed = [name for name, value in parameters.items() if not _optional(value)]
    schema = {"type": "object", "properties": properties, "required": needed}
    return {"type": "function", "function": {**function, "parameters": schema}}


def _parameter(value: Any) -> Any:
    if not isinstance(value, dict):
        return {}
    word = str(value.get("type", "")).partition(",")[0].partition("[")[0].strip().lower()
    kind = _TYPES.get(word, word if word in _TYPES.values() else "")
    rest = {key: item for key, item in value.items() if key not in ("type", "default") and item is not None}
    return {**({"type": kind} if kind else {}), **rest}


def _optional(value: Any) -> bool:
    return isinstance(value, dict) and ("optional" in json.dumps(value.get("type", "")) or "default" in value)


FORMAT = Format("xlam", "query, tools, answers", _marks, _parse, ("answers",))
