"""Values to look at in a notebook, in one word: ``show``. Knows which value is drawn by which renderer; draws nothing.

What it gives is HTML that needs no kernel, and plain text where no HTML is read; neither ipywidgets nor IPython is
needed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.chat import Comparison
    from workbench.data import Conversation, Finding
    from workbench.runs import Run
    from workbench.templates import MaskView
    from workbench.training.sweeping import Sweep


@dataclass(frozen=True, slots=True)
class Shown:
    """Hold something to look at: a notebook takes ``html``, everything else ``plain``."""

    html: str = field(repr=False)
    plain: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.plain


def show(value: Any, other: MaskView | None = None, *, lang: str | None = None) -> Shown:
    """Return a value of the workbench to look at; make it the last line of a cell.

    Args:
        value: a run (its curves, and answers at each evaluation), a mask view, or a list of conversations, findings or
            comparisons.
        other: a second mask view, to stand beside the first.
        lang: the language of our own words.

    Raises:
        BadInput: a value of another kind.
    """
    from workbench.runs import Run
    from workbench.templates import MaskView
    from workbench.training.sweeping import Sweep

    if isinstance(value, MaskView):
        return _mask(value, other, lang)
    if isinstance(value, Run):
        return _run(value, lang)
    if isinstance(value, Sweep):
        return _sweep(value, lang)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _several(value, lang)
    raise BadInput("show.unknown", given=type(value).__name__)


def _several(values: Sequence[Any], lang: str | None) -> Shown:
    from workbench.chat import Comparison
    from workbench.data import Conversation, Finding

    if not values:
        nothing = text("show.nothing", lang)
        return Shown(f"<p>{nothing}</p>", nothing)
    for kind, draw in ((Comparison, _answers), (Conversation, _conversations), (Finding, _findings)):
        if all(isinstance(value, kind) for value in values):
            return draw(values, lang)
    raise BadInput("show.unknown", given=f"list[{type(values[0]).__name__}]")


def _mask(view: MaskView, other: MaskView | None, lang: str | None) -> Shown:
    from rich.console import Console

    from workbench.render import compare_html, mask_html, mask_text

    stream = io.StringIO()
    # without these it would itself display, where it finds itself in a notebook
    console = Console(file=stream, width=100, force_jupyter=False, force_terminal=False, color_system=None)
    for drawn in filter(None, (view, other)):
        console.print(mask_text(drawn, lang=lang))
    html = compare_html(view, other, lang=lang) if other else mask_html(view, lang=lang)
    return Shown(html, stream.getvalue().rstrip())


def _run(run: Run, lang: str | None) -> Shown:
    from workbench.render import curves_html, curves_of, curves_summary, samples_html, samples_of

    events, best = run.events.all(), run.best()
    curves = curves_of(events, best.step if best else None, lang)
    samples = samples_of(events)
    answers = samples_html(samples, lang=lang) if samples else ""
    plain = "\n".join(filter(None, (curves_summary(curves, lang=lang), curves.verdict_text)))
    return Shown(_whole(curves_html(curves, lang=lang) + answers, lang), plain)


def _sweep(found: Sweep, lang: str | None) -> Shown:
    """A line for each combination of values: means, and how far the seeds lie apart."""
    from workbench.render.markup import escape, spoken_html, table
    from workbench.training.sweeping import SCORES

    lines = found.lines()
    scores = [score for score in SCORES if any(score in line.mean for line in lines)]
    head = [text("show.sweep.values", lang), *(text(f"show.sweep.{score}", lang) for score in scores)]
    rows = []
    for line in lines:
        values = ", ".join(f"{key}={value}" for key, value in line.values.items())
        cells = [f"{line.mean[s]:.3g} (± {line.spread[s] / 2:.2g})" if s in line.mean else "–" for s in scores]
        rows.append([values, *cells])
    seeds = max((line.seeds for line in lines), default=0)
    apart = [text(f"show.sweep.{s}", lang) for s in scores if seeds > 1 and found.differ(s)]
    told = text("show.sweep.apart" if apart else "show.sweep.together", lang, seeds=seeds, scores=tuple(apart))
    drawn = table([escape(cell) for cell in head], [[spoken_html(cell) for cell in row] for row in rows])
    plain = "\n".join(["  ".join(head), *("  ".join(row) for row in rows), told])
    return Shown(_whole(drawn + f"<p>{escape(told)}</p>", lang), plain)


def _answers(rows: Sequence[Comparison], lang: str | None) -> Shown:
    from workbench.render import AnswerRow, Answers, answers_html

    labels = tuple(rows[0].answers)
    answers = Answers(labels, tuple(AnswerRow(row.question, tuple(row.answers.values())) for row in rows))
    plain = "\n".join(
        "\n".join([row.question, *(f"  {label}: {answer}" for label, answer in row.answers.items())]) for row in rows
    )
    return Shown(_whole(answers_html(answers, lang=lang), lang), plain)


def _conversations(rows: Sequence[Conversation], lang: str | None) -> Shown:
    from workbench.render.answers import illustrated_html
    from workbench.render.markup import escape, spoken_html, table

    cells = [(str(n), _before_the_answer(row), row.answer, row.group or row.kind) for n, row in enumerate(rows, 1)]
    head = [text(f"show.{name}", lang) for name in ("row", "question", "answer", "group")]
    drawn = [
        [number, illustrated_html(question, row.pictures, lang=lang), spoken_html(answer), spoken_html(group)]
        for row, (number, question, answer, group) in zip(rows, cells, strict=True)
    ]
    plain = "\n".join(
        f"{number:>3}  {question}\n     → {answer}  [{group}]" for number, question, answer, group in cells
    )
    return Shown(_whole(table([escape(cell) for cell in head], drawn), lang), plain)


def _before_the_answer(conversation: Conversation) -> str:
    """What stands before the last answer; with the roles, where it is more than one question."""
    messages = conversation.messages
    before = messages[:-1] if messages and messages[-1].role == "assistant" else messages
    if len(before) == 1 and before[0].role == "user":
        return before[0].content
    return "\n".join(f"{message.role}: {message.content}" for message in before)


def _findings(rows: Sequence[Finding], lang: str | None) -> Shown:
    from workbench.render.markup import escape, spoken_html, table, tag

    head = [escape(text(f"show.{name}", lang)) for name in ("finding", "message", "why", "remedy")]
    drawn = [
        [tag("code", escape(f.code)), spoken_html(f.message), spoken_html(f.why), tag("code", escape(f.remedy))]
        for f in rows
    ]
    plain = "\n".join(f"{f.code}: {f.message}\n  {f.why}\n  {f.remedy}" for f in rows)
    return Shown(_whole(table(head, drawn), lang), plain)


def _whole(content: str, lang: str | None) -> str:
    """A fragment with its styles, standing alone."""
    from workbench.render import root, styles

    return styles("report.css") + root(content, lang=lang)
