"""Which tools there are: each file of ``kit/`` is one, a function of the file's name. Knows names; runs none."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, UnknownName, nearest
from workbench.tools.values import Tool

OLD = {"calculate": "calculator", "solve": "calculator"}
"""XTuner's plugins → what does the same here."""


@cache
def names() -> tuple[str, ...]:
    """Return the names of all tools, in alphabetical order."""
    from workbench.tools import kit

    return tuple(sorted(module.name for module in pkgutil.iter_modules(kit.__path__)))


@cache
def shipped(name: str) -> Tool:
    """Return the tool of that name.

    Raises:
        UnknownName: there is none; names the nearest.
    """
    from workbench.tools.schema import tool_of

    if name not in names():
        raise UnknownName("tools.unknown", given=name, nearest=nearest(name, names()))
    return tool_of(getattr(import_module(f"workbench.tools.kit.{name}"), name))


def chosen(wanted: str | Iterable[str | Tool | Callable[..., Any]]) -> tuple[Tool, ...]:
    """Return tools by name, ``calculator,weekday``; a table of one's own as ``lookup=prices.csv``; functions as they
    are.

    Raises:
        UnknownName: no such tool. BadInput: a function or a table that can be no tool, or two tools of one name.
    """
    from workbench.tools.schema import tool_of

    items: list[Any] = list(wanted.split(",") if isinstance(wanted, str) else wanted)
    tools = [_named(item.strip()) if isinstance(item, str) else tool_of(item) for item in items if item]
    twice = next((tool.name for at, tool in enumerate(tools) if tool.name in [t.name for t in tools[:at]]), "")
    if twice:
        raise BadInput("tools.twice", name=twice)
    return tuple(tools)


def _named(text: str) -> Tool:
    name, equals, file = text.partition("=")
    if not equals:
        return shipped(OLD.get(name, name))
    from workbench.tools.tables import table_tool

    if name != "lookup":
        raise BadInput("tools.no_file", name=name)
    return table_tool(Path(file).expanduser())
