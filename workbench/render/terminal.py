"""Tables for a terminal, with rich. Knows the values of this room; nothing of how they came about.

Nothing is told by colour alone: a sign and a word stand beside it, so that piped output and ``NO_COLOR`` lose nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.render.answers import kind_text, label_text, mark_text
from workbench.render.boxes import unsteered
from workbench.render.plots import SCORES, ranged
from workbench.render.values import Answers, Scores
from workbench.texts import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table
    from rich.text import Text


def answers_table(answers: Answers, *, lang: str | None = None) -> Table:
    """Return the same questions to several models, side by side; a mark says which answers are right."""
    from rich.table import Table

    table = Table(show_lines=True, expand=False)
    table.add_column(text("render.answers.question", lang), overflow="fold", ratio=2)
    for label in answers.labels:
        table.add_column(label_text(label, lang), overflow="fold", ratio=3)
    for row in answers.rows:
        rights = row.right or (None,) * len(row.answers)
        cells = [_answer(answer, right, lang) for answer, right in zip(row.answers, rights, strict=True)]
        table.add_row(_question(row.question, row.kind, lang), *cells)
    return table


def _question(question: str, kind: str, lang: str | None) -> Text:
    from rich.text import Text

    content = Text(unsteered(question))
    return content.append(f"\n{kind_text(kind, lang)}", "dim") if kind else content


def _answer(answer: str, right: bool | None, lang: str | None) -> Text:
    from rich.text import Text

    content = Text(unsteered(answer)) if answer.strip() else Text(text("render.answers.empty", lang), "italic")
    if right is not None:
        content.append(f"\n{mark_text(right, lang)}", "green" if right else "red")
    return content


def scores_table(scores: Iterable[Scores], *, lang: str | None = None) -> Table:
    """Return identity, task, general and leak of each model or checkpoint, as far as any of them was asked."""
    from rich.table import Table

    table = Table()
    table.add_column("")
    rows = list(scores)
    names = [name for name in SCORES if name != "task" or any(row.task is not None for row in rows)]
    for name in ("step", *names):
        table.add_column(text(f"render.curves.{name}", lang), justify="right")
    for row in rows:
        step = "–" if row.step is None else str(row.step)
        shares = (ranged(getattr(row, name), row.ranges.get(name)) for name in names)
        table.add_row(label_text(row.label, lang), step, *shares)
    return table
