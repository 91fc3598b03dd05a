"""Values to HTML strings, matplotlib figures and terminal tables. Knows values; must not know steps or models.

Nothing heavy is imported before a function needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "values": (
        "Answers",
        "AnswerRow",
        "Curves",
        "NextStep",
        "Number",
        "Report",
        "Sample",
        "Scores",
        "Setting",
        "Targets",
    ),
    "markup": ("escape", "page", "root", "styles"),
    "curves": ("curves_figure",),
    "plots": ("curves_html", "curves_png", "curves_summary", "curves_svg", "curves_table", "percent"),
    "answers": ("answers_html", "samples_html"),
    "report": ("report_html",),
    "mask": ("compare_html", "mask_html", "mask_page"),
    "mask_text": ("mask_text",),
    "terminal": ("answers_table", "scores_table"),
}
_NAMES = {name: module for module, names in _WHERE.items() for name in names}
__all__ = sorted(_NAMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for."""
    if name in _NAMES:
        return getattr(import_module(f"workbench.render.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
