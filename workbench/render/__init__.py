"""Values to HTML strings, matplotlib figures and terminal tables. Knows values; must not know steps or models.

Nothing heavy is imported before a function needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.render.answers import answers_html, conversations_html, samples_html
    from workbench.render.curves import curves_figure
    from workbench.render.events import curves_of, samples_of, verdict_text
    from workbench.render.markup import escape, page, root, styles
    from workbench.render.mask import compare_html, mask_html, mask_page
    from workbench.render.mask_terminal import mask_text
    from workbench.render.plots import curves_html, curves_png, curves_summary, curves_svg, curves_table, percent
    from workbench.render.report import report_html
    from workbench.render.terminal import answers_table, scores_table
    from workbench.render.values import (
        AnswerRow,
        Answers,
        Curves,
        NextStep,
        Number,
        Report,
        Sample,
        Scores,
        Setting,
        Targets,
    )

# No module may bear a public name: once imported it would stand in its place.
_HOME = {
    "AnswerRow": "values",
    "Answers": "values",
    "Curves": "values",
    "NextStep": "values",
    "Number": "values",
    "Report": "values",
    "Sample": "values",
    "Scores": "values",
    "Setting": "values",
    "Targets": "values",
    "answers_html": "answers",
    "answers_table": "terminal",
    "compare_html": "mask",
    "conversations_html": "answers",
    "curves_figure": "curves",
    "curves_html": "plots",
    "curves_of": "events",
    "curves_png": "plots",
    "curves_summary": "plots",
    "curves_svg": "plots",
    "curves_table": "plots",
    "escape": "markup",
    "mask_html": "mask",
    "mask_page": "mask",
    "mask_text": "mask_terminal",
    "page": "markup",
    "percent": "plots",
    "report_html": "report",
    "root": "markup",
    "samples_html": "answers",
    "samples_of": "events",
    "scores_table": "terminal",
    "styles": "markup",
    "verdict_text": "events",
}

__all__ = [
    "AnswerRow",
    "Answers",
    "Curves",
    "NextStep",
    "Number",
    "Report",
    "Sample",
    "Scores",
    "Setting",
    "Targets",
    "answers_html",
    "answers_table",
    "compare_html",
    "conversations_html",
    "curves_figure",
    "curves_html",
    "curves_of",
    "curves_png",
    "curves_summary",
    "curves_svg",
    "curves_table",
    "escape",
    "mask_html",
    "mask_page",
    "mask_text",
    "page",
    "percent",
    "report_html",
    "root",
    "samples_html",
    "samples_of",
    "scores_table",
    "styles",
    "verdict_text",
]


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for."""
    if name in _HOME:
        return getattr(import_module(f"workbench.render.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
