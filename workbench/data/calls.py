"""Tools and tool calls, in whatever shape a set has them, to one shape. Knows OpenAI's and ShareGPT's ways; no file.

A call is kept as the JSON text of ``{"type": "function", "function": {"name": …, "arguments": "JSON text"}}`` (and its
``id`` where it had one). Arguments stay text, since table libraries cast objects of all rows into one type.
"""

from __future__ import annotations

import json
from typing import Any

from workbench.data.fields import BadRow, Place, clean, kind, listed, mapped, parsed, required, shorten


def dump(value: Any) -> str:
    """JSON text, the way that all of this room writes it."""
    return json.dumps(value, ensure_ascii=False)


def call(value: object, place: Place, field: str) -> str:
    """One call: an object of OpenAI's shape, ``{"name", "arguments"}``, or the JSON text of either."""
    if isinstance(value, str):
        value = parsed(clean(value, place, field), place, field)
    made = {key: item for key, item in mapped(value, place, field).items() if item is not None}
    if "function" not in made:
        kept: dict[str, Any] = {key: made.pop(key) for key in ("id", "index") if key in made}
        made = {**kept, "type": "function", "function": made}
    function = dict(mapped(made["function"], place, f"{field}.function"))
    clean(required(function, "name", place, f"{field}.function."), place, f"{field}.function.name")
    function["arguments"] = _arguments(function.get("arguments"), place, f"{field}.function.arguments")
    made.setdefault("type", "function")
    made["function"] = function
    return _encodable(made, place, field)


def _arguments(value: object, place: Place, field: str) -> str:
    if value is None:
        return "{}"
    if isinstance(value, str):
        parsed(clean(value, place, field), place, field)
        return value
    return dump(mapped(value, place, field))


def calls(value: object, place: Place, field: str) -> tuple[str, ...]:
    """The calls of one message: a list, or none where the field is absent; what is JSON text already stays as it is."""
    if value is None:
        return ()
    made = []
    for at, item in enumerate(listed(value, place, field)):
        checked = call(item, place, f"{field}[{at}]")
        made.append(item if isinstance(item, str) else checked)
    return tuple(made)


def spoken_calls(value: object, place: Place, field: str) -> tuple[str, ...]:
    """The calls of a ShareGPT ``function_call`` turn: JSON text of one call or of a list of them."""
    made = parsed(clean(value, place, field), place, field)
    return tuple(call(item, place, field) for item in (made if isinstance(made, list) else [made]))


def tools(value: object, place: Place, field: str = "tools") -> tuple[str, ...]:
    """The tools that a row offers, a JSON text each; from a list, or from the JSON text of one."""
    if isinstance(value, str):
        value = parsed(clean(value, place, field), place, field) if value.strip() else None
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise BadRow("data.not_list", place, field=field, kind=kind(value), given=shorten(value))
    return tuple(_tool(item, place, f"{field}[{at}]") for at, item in enumerate(value))


def _tool(value: object, place: Place, field: str) -> str:
    if isinstance(value, str):
        mapped(parsed(clean(value, place, field), place, field), place, field)
        return value
    return _encodable(mapped(value, place, field), place, field)


def _encodable(value: dict[str, Any], place: Place, field: str) -> str:
    try:
        return clean(dump(value), place, field)
    except RecursionError:
        raise BadRow("data.too_deep", place) from None
