"""Tools: what an assistant may call, how a call is read and run, and the rows that teach it. Loads nothing heavy when
imported; knows no model and no screen."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Call": "values",
    "Card": "cards",
    "End": "cards",
    "Limits": "values",
    "Result": "values",
    "Tool": "values",
    "ToolError": "values",
    "Box": "running",
    "chosen": "registry",
    "names": "registry",
    "tool_of": "schema",
    "Form": "forms",
    "form_of": "forms",
    "Spoken": "parsing",
    "spoken": "parsing",
}

__all__ = sorted(_HOME)  # noqa: PLE0605

if TYPE_CHECKING:
    from workbench.tools.cards import Card, End
    from workbench.tools.forms import Form, form_of
    from workbench.tools.parsing import Spoken, spoken
    from workbench.tools.registry import chosen, names
    from workbench.tools.running import Box
    from workbench.tools.schema import tool_of
    from workbench.tools.values import Call, Limits, Result, Tool, ToolError


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
