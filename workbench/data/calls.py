"""Tools and tool calls, in whatever shape a set has them, to one shape. Knows OpenAI's and ShareGPT's ways; no file.

A call is kept as the JSON text of ``{"type": "function", "function": {"name": …, "arguments": "JSON text"}}`` (and its
``id`` where it had one). Arguments stay text, since table libraries cast objects of all rows into one type.
"""

from __future__ import annotations

import json
from typing import Any

from workbench.data.fields import BadRow, Location, clean, kind, listed, mapped, required, shorten
from workbench.data.lenient import decoded, loosely, note

_NAMES, _ARGUMENTS = ("name", "api_name", "tool_name"), ("arguments", "parameters", "args")


def dump(value: Any) -> str:
    """Return JSON text, the way that all of this room writes it."""
    return json.dumps(value, ensure_ascii=False)


def call(value: object, location: Location, field: str) -> str:
    """Return one call: an object of OpenAI's shape, ``{"name", "arguments"}``, or the JSON text of either."""
    if isinstance(value, str):
        value = decoded(clean(value, location, field), location, field)
    fields = {key: item for key, item in mapped(value, location, field).items() if item is not None}
    if "function" not in fields:
        labels: dict[str, Any] = {key: fields.pop(key) for key in ("id", "index") if key in fields}
        fields = {**labels, "type": "function", "function": fields}
    function = _by_its_names(dict(mapped(fields["function"], location, f"{field}.function")))
    clean(required(function, "name", location, f"{field}.function."), location, f"{field}.function.name")
    function["arguments"] = _arguments(function.get("arguments"), location, f"{field}.function.arguments")
    fields.setdefault("type", "function")
    fields["function"] = function
    return _encodable(fields, location, field)


def _by_its_names(function: dict[str, Any]) -> dict[str, Any]:
    """Return a function with its name and its arguments under the usual keys: Llama 3.1 and InternLM2 write
    ``parameters``, ModelScope-Agent ``api_name`` and a ``url`` that is no argument."""
    for usual, names in (("name", _NAMES), ("arguments", _ARGUMENTS)):
        key = next((name for name in names if name in function), usual)
        if key != usual:
            function[usual] = function.pop(key)
            function.pop("url", None)
    return function


def _arguments(value: object, location: Location, field: str) -> str:
    if value is None or value == "":
        return "{}"
    if not isinstance(value, str):
        return dump(mapped(value, location, field))
    before = len(location.mends)
    inner = decoded(clean(value, location, field), location, field)
    twice = _once(inner)
    if twice:
        note(location, field, "twice")
        return twice
    return value if len(location.mends) == before else dump(inner)


def _once(inner: object) -> str:
    """Return the JSON text of an object that was written as text twice over; empty where it was not."""
    if not isinstance(inner, str):
        return ""
    try:
        value, mend = loosely(inner)
    except (ValueError, RecursionError):
        return ""
    return "" if not isinstance(value, dict) else dump(value) if mend else inner


def calls(value: object, location: Location, field: str) -> tuple[str, ...]:
    """Return the calls of one message: a list, or none where the field is absent; what is JSON text already stays as it
    is."""
    if value is None:
        return ()
    texts = []
    for index, item in enumerate(listed(value, location, field)):
        before = len(location.mends)
        checked = call(item, location, f"{field}[{index}]")
        texts.append(item if isinstance(item, str) and len(location.mends) == before else checked)
    return tuple(texts)


def spoken_calls(value: object, location: Location, field: str) -> tuple[str, ...]:
    """Return the calls of a ShareGPT ``function_call`` turn: JSON text of one call or of a list of them."""
    if isinstance(value, str):
        value = decoded(clean(value, location, field), location, field)
    return tuple(call(item, location, field) for item in (value if isinstance(value, list) else [value]))


def tools(value: object, location: Location, field: str = "tools") -> tuple[str, ...]:
    """Return the tools that a row offers, a JSON text each; from a list, or from the JSON text of one."""
    if isinstance(value, str):
        value = decoded(clean(value, location, field), location, field) if value.strip() else None
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise BadRow("data.not_list", location, field=field, kind=kind(value), given=shorten(value))
    return tuple(_tool(item, location, f"{field}[{index}]") for index, item in enumerate(value))


def _tool(value: object, location: Location, field: str) -> str:
    if isinstance(value, str):
        before = len(location.mends)
        function = mapped(decoded(clean(value, location, field), location, field), location, field)
        return value if len(location.mends) == before else _encodable(function, location, field)
    slim = _without_nulls(mapped(value, location, field))
    if slim != value:
        note(location, field, "nulls")
    return _encodable(slim, location, field)


def _without_nulls(node: Any) -> Any:
    """Return a schema without the nulls that table libraries put into it for other rows; a default may be null."""
    if isinstance(node, dict):
        return {key: _without_nulls(item) for key, item in node.items() if item is not None or key == "default"}
    return node


def _encodable(value: dict[str, Any], location: Location, field: str) -> str:
    try:
        return clean(json.dumps(value, ensure_ascii=False, allow_nan=False), location, field)
    except RecursionError:
        raise BadRow("data.too_deep", location) from None
    except ValueError:
        raise BadRow("data.no_number", location, field=field) from None
