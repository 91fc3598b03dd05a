"""Tools that a set describes in the words of its system text, to the one shape. Knows how Hermes, ToolBench,
ModelScope-Agent and InternLM2 write them there; nothing of calls.

The model's own template describes the tools when it is trained, so what described them in words is taken out.
"""

from __future__ import annotations

import json
import re
from typing import Any

from workbench.data.lenient import loosely

_TAGS = re.compile(r"<tools>(?P<tools>.*?)</tools>", re.DOTALL)
_APIS = re.compile(r"[^\n]*have access (?:of|to) the following (?:APIs|tools)[^\n:]*:\s*(?=[\[{])", re.IGNORECASE)
_PLUGINS = re.compile(r"[^。！!\n，,]*插件信息如下")
# with what the boilerplate round a list of tools begins, before it and behind it
_BEFORE = re.compile(
    r"# Tools\b|You are a function calling AI model|You are provided with function signatures"
    r"|You may call one or more functions|You are AutoGPT|You have access to the following tools|Here are the available"
)
_BEHIND = re.compile(
    r"For each function call|Use the following pydantic|If you (?:choose to )?call|To call a function|Begin!"
)
_DECODER = json.JSONDecoder()


def described(text: str, *, plugin: bool = False) -> tuple[str, list[dict[str, Any]]]:
    """Return a system text without the tools that it describes, and these; as it is, and none, where it describes none.

    Args:
        plugin: whether the message is InternLM2's list of plugins.
    """
    for tags in _TAGS.finditer(text):  # Hermes speaks of its tags before it uses them
        if tools := _objects(tags["tools"]):
            return _without(text, tags.start(), tags.end()), tools
    opening = _APIS.search(text) or _PLUGINS.search(text)
    if opening or plugin:
        tools = _objects(text[opening.end() if opening else 0 :])
        return (_without(text, opening.start() if opening else 0, len(text)), tools) if tools else (text, [])
    return text, []


def _without(text: str, start: int, end: int) -> str:
    """Return what of a text does not belong to its list of tools from ``start`` to ``end``."""
    head, tail = text[:start], text[end:]
    before, behind = _BEFORE.search(head), _BEHIND.search(tail)
    head = head[: before.start()] if before else head
    tail = tail[: behind.start()] if behind else tail
    return "\n".join(part for part in (head.strip(), tail.strip()) if part)


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the tools of a text: of one list, JSON or Python's, or the objects in it, one after the other."""
    body = text.strip()
    try:
        value, _ = loosely(body)
    except (ValueError, RecursionError):
        value = _in_order(body)
    values = value if isinstance(value, list) else [value]
    return [tool for item in values if isinstance(item, dict) and (tool := _tool(item))]


def _in_order(text: str) -> list[Any]:
    at, values = text.find("{"), list[Any]()
    while at >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
            values.append(value)
        except (ValueError, RecursionError):
            end = at + 1
        at = text.find("{", end)
    return values


def _tool(value: dict[str, Any]) -> dict[str, Any]:
    """Return a tool in the usual shape; empty where it has no name."""
    function = next(
        (value[key] for key in ("function", "plugin_schema_for_model") if isinstance(value.get(key), dict)), value
    )
    name = function.get("name") or function.get("name_for_model")
    if not isinstance(name, str):
        return {}
    words = function.get("description") or function.get("description_for_model") or ""
    shape: dict[str, Any] = {"name": name, "description": words, "parameters": _schema(function.get("parameters"))}
    return {"type": "function", "function": shape}


def _schema(parameters: Any) -> Any:
    """Return JSON schema; a list of named parameters becomes one."""
    if isinstance(parameters, list):
        named = {str(item.get("name")): item for item in parameters if isinstance(item, dict)}
        properties = {
            name: {key: item[key] for key in ("type", "description", "enum") if item.get(key) is not None}
            for name, item in named.items()
        }
        needed = [name for name, item in named.items() if str(item.get("required")).lower() == "true"]
        return {"type": "object", "properties": properties, "required": needed}
    if isinstance(parameters, dict):
        return {key: value for key, value in parameters.items() if key != "optional"}  # ToolBench's own
    return {"type": "object", "properties": {}}
