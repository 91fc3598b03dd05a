"""Tools and tool calls, in whatever shape a set has them, to one shape. Knows OpenAI's and ShareGPT's ways; no file.

A call is kept as the JSON text of ``{"type": "function", "function": {"name": …, "arguments": "JSON text"}}`` (and its
``id`` where it had one). Arguments stay text, since table libraries cast objects of all rows into one type.
"""

from __future__ import annotations

import json
from typing import Any

from workbench.data.fields import BadRow, Location, clean, kind, listed, mapped, parsed, required, shorten


def dump(value: Any) -> str:
    """Return JSON text, the way that all of this room writes it."""
    return json.dumps(value, ensure_ascii=False)


def call(value: object, location: Location, field: str) -> str:
    """Return one call: an object of OpenAI's shape, ``{"name", "arguments"}``, or the JSON text of either."""
    if isinstance(value, str):
        value = parsed(clean(value, location, field), location, field)
    fields = {key: item for key, item in mapped(value, location, field).items() if item is not None}
    if "function" not in fields:
        labels: dict[str, Any] = {key: fields.pop(key) for key in ("id", "index") if key in fields}
        fields = {**labels, "type": "function", "function": fields}
    function = dict(mapped(fields["function"], location, f"{field}.function"))
    clean(required(function, "name", location, f"{field}.function."), location, f"{field}.function.name")
    function["arguments"] = _arguments(function.get("arguments"), location, f"{field}.function.arguments")
    fields.setdefault("type", "function")
    fields["function"] = function
    return _encodable(fields, location, field)


def _arguments(value: object, location: Location, field: str) -> str:
    if value is None:
        return "{}"
    if isinstance(value, str):
        inner = parsed(clean(value, location, field), location, field)
        return _once(inner) or value
    return dump(mapped(value, location, field))


def _once(inner: object) -> str:
    """Return the JSON text of an object that was written as text twice over; empty where it was not."""
    if not isinstance(inner, str):
        return ""
    try:
        return inner if isinstance(json.loads(inner), dict) else ""
    except (ValueError, RecursionError):
        return ""


def calls(value: object, location: Location, field: str) -> tuple[str, ...]:
    """Return the calls of one message: a list, or none where the field is absent; what is JSON text already stays as it
    is."""
    if value is None:
        return ()
    texts = []
    for index, item in enumerate(listed(value, location, field)):
        checked = call(item, location, f"{field}[{index}]")
        texts.append(item if isinstance(item, str) else checked)
    return tuple(texts)


def spoken_calls(value: object, location: Location, field: str) -> tuple[str, ...]:
    """Return the calls of a ShareGPT ``function_call`` turn: JSON text of one call or of a list of them."""
    decoded = parsed(clean(value, location, field), location, field)
    return tuple(call(item, location, field) for item in (decoded if isinstance(decoded, list) else [decoded]))


def tools(value: object, location: Location, field: str = "tools") -> tuple[str, ...]:
    """Return the tools that a row offers, a JSON text each; from a list, or from the JSON text of one."""
    if isinstance(value, str):
        value = parsed(clean(value, location, field), location, field) if value.strip() else None
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise BadRow("data.not_list", location, field=field, kind=kind(value), given=shorten(value))
    return tuple(_tool(item, location, f"{field}[{index}]") for index, item in enumerate(value))


def _tool(value: object, location: Location, field: str) -> str:
    if isinstance(value, str):
        mapped(parsed(clean(value, location, field), location, field), location, field)
        return value
    return _encodable(_without_nulls(mapped(value, location, field)), location, field)


def _without_nulls(node: Any) -> Any:
    """Return a schema without the nulls that table libraries put into it for other rows; a default may be null."""
    if isinstance(node, dict):
        return {key: _without_nulls(item) for key, item in node.items() if item is not None or key == "default"}
    return node


def _encodable(value: dict[str, Any], location: Location, field: str) -> str:
    try:
        return clean(dump(value), location, field)
    except RecursionError:
        raise BadRow("data.too_deep", location) from None
