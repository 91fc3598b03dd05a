"""From a Python function to a tool. Knows type hints, docstrings and JSON schema; no particular tool."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from workbench.data.calls import dump
from workbench.data.schemas import validator
from workbench.errors import BadInput
from workbench.tools.values import Tool

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def tool_of(function: Callable[..., Any] | Tool, name: str = "") -> Tool:
    """Make a tool of a function with type hints and a docstring whose ``Args:`` describe its arguments.

    Args:
        function: what is called; a tool is given back as it is.
        name: under which it is offered; by default its own.

    Raises:
        BadInput: it has no hints or no docstring, or can be no tool; says what to add.
    """
    if isinstance(function, Tool):
        return function
    label = name or str(getattr(function, "__name__", type(function).__name__))
    if not callable(function) or not (inspect.isfunction(function) or inspect.ismethod(function)):
        raise BadInput("tools.not_a_function", name=label)
    if not NAME.fullmatch(label):
        raise BadInput("tools.bad_name", name=label)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise BadInput("tools.not_plain", name=label)
    return Tool(label, dump(_schema(function, label)), function)


def _schema(function: Callable[..., Any], label: str) -> dict[str, Any]:
    from transformers.utils import get_json_schema
    from transformers.utils.chat_template_utils import DocstringParsingException, TypeHintParsingException

    try:
        whole = get_json_schema(function)["function"]
    except (DocstringParsingException, TypeHintParsingException) as error:
        raise BadInput("tools.undescribed", name=label, reason=" ".join(str(error).split())) from None
    parameters = _one_line(whole.get("parameters") or {"type": "object", "properties": {}})
    described = " ".join(str(whole["description"]).split())
    return {"type": "function", "function": {"name": label, "description": described, "parameters": parameters}}


def _one_line(node: Any) -> Any:
    """Return the schema with every description on one line, as templates that write a line a tool expect."""
    if isinstance(node, Mapping):
        return {
            key: " ".join(value.split()) if key == "description" and isinstance(value, str) else _one_line(value)
            for key, value in node.items()
        }
    return [_one_line(item) for item in node] if isinstance(node, list) else node


def problem(parameters: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """Return what is wrong with ``arguments`` in a few words; empty where nothing is.

    What the schema does not name is refused, whether it allows more or not: a function would not take it.
    """
    properties = parameters.get("properties") or {}
    extra = [name for name in arguments if name not in properties]
    if extra:
        return f"unknown argument {extra[0][:40]!r}"
    missing = [name for name in parameters.get("required") or () if name not in arguments]
    if missing:
        return f"missing argument {missing[0]!r}"
    error = next(iter(validator(parameters).iter_errors(dict(arguments))), None)
    if error is None:
        return ""
    where = ".".join(map(str, error.absolute_path))
    wanted = error.schema.get("type") if isinstance(error.schema, Mapping) else None
    return f"argument {where!r} must be {wanted}" if error.validator == "type" else f"argument {where!r} is not allowed"


def checked_schema(value: Any) -> str:
    """Return the JSON text of a tool that somebody else describes.

    Raises:
        BadInput: it is no tool.
    """
    import jsonschema

    function = value.get("function") if isinstance(value, Mapping) and value.get("type") == "function" else None
    if not isinstance(function, Mapping):
        raise BadInput("tools.not_a_tool", given=json.dumps(value, default=str, ensure_ascii=False)[:60])
    name, parameters = function.get("name"), function.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BadInput("tools.bad_name", name=str(name)[:60])
    try:
        jsonschema.Draft202012Validator.check_schema(parameters)
        if not isinstance(parameters, Mapping):
            raise jsonschema.SchemaError("a schema of everything")
    except (jsonschema.SchemaError, RecursionError):
        raise BadInput("tools.bad_schema", name=name) from None
    described = " ".join(str(function.get("description") or "").split())
    shape = {"name": name, "description": described, "parameters": _one_line(_without_null(parameters))}
    return dump({"type": "function", "function": shape})


def _without_null(node: Any) -> Any:
    """Return the schema without the nulls that table libraries put into every tool's."""
    if isinstance(node, Mapping):
        return {key: _without_null(value) for key, value in node.items() if value is not None}
    return [_without_null(item) for item in node] if isinstance(node, list) else node
