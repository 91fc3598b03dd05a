"""A card, and a class, as one HTML page each. Knows their values and the elements of our pages; reads no file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.handin.values import SCORES, Answered, Card, RunFacts
from workbench.render.markup import escape, page, spoken_html, styles, table, tag
from workbench.texts import listed, text


def card_html(card: Card, *, lang: str | None = None) -> str:
    """Return the page of a card."""

    def say(key: str, **values: Any) -> str:
        return text(f"handin.page.{key}", lang, **values)

    title = say("title", name=card.name)
    written = tag("p", escape(say("written", when=card.written[:16].replace("T", " ") + " UTC")), class_="wb-soft")
    head = f"<header><h1>{spoken_html(title)}</h1>\n{written}"
    sentence = tag("blockquote", spoken_html(card.sentence)) if card.sentence else ""
    guesses = [answer for answer in card.answers if answer.kind == "guess"]
    quiz = [answer for answer in card.answers if answer.kind == "quiz"]
    sections = [
        (say("guesses"), _guesses(guesses, lang)),
        (say("quiz", right=sum(bool(a.right) for a in quiz), count=len(quiz)), _quiz(quiz, lang)),
        (say("runs"), _runs(card.runs, lang)),
        (say("unread"), tag("ul", "".join(tag("li", escape(name)) for name in card.unread)) if card.unread else ""),
    ]
    body = "".join(f"<section><h2>{escape(name)}</h2>\n{content}</section>\n" for name, content in sections if content)
    seal = tag("p", escape(say("seal", seal=card.seal[:16])), class_="wb-soft")
    return page(styles("report.css") + head + sentence + "</header>\n" + body + seal, title=title, lang=lang)


def class_html(
    head: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str], *, lang: str | None = None
) -> str:
    """Return the page of a class.

    Args:
        head: the columns' names.
        rows: a row for each card, texts.
        notes: what is to be looked at, sentences.
    """
    title = text("handin.page.class", lang, count=len(rows))
    cells = [[spoken_html(cell) for cell in row] for row in rows]
    listed = tag("ul", "".join(tag("li", spoken_html(note)) for note in notes)) if notes else ""
    doubts = f"<section><h2>{escape(text('handin.page.doubts', lang))}</h2>\n{listed}</section>" if notes else ""
    body = (
        f"<header><h1>{escape(title)}</h1></header>\n<section>{table([escape(name) for name in head], cells)}</section>"
    )
    return page(styles("report.css") + body + doubts, title=title, lang=lang)


def _column(names: Sequence[str], lang: str | None) -> list[str]:
    return [escape(text(f"handin.page.columns.{name}", lang)) for name in names]


def _guesses(answers: Sequence[Answered], lang: str | None) -> str:
    rows = [[str(a.lesson), spoken_html(a.ask or a.id), _value(a.answer, lang), _value(a.truth, lang)] for a in answers]
    return table(_column(("lesson", "question", "guess", "truth"), lang), rows) if rows else ""


def _value(value: Any, lang: str | None) -> str:
    if value is None:
        return escape(text("handin.page.unknown", lang))
    return spoken_html(listed(value, lang) if isinstance(value, (list, tuple)) else value)


def _quiz(answers: Sequence[Answered], lang: str | None) -> str:
    marks = {True: "right", False: "wrong", None: "unknown"}
    rows = [
        [str(a.lesson), spoken_html(a.ask or a.id), escape(text(f"handin.page.{marks[a.right]}", lang)), str(a.tries)]
        for a in answers
    ]
    return table(_column(("lesson", "question", "first", "tries"), lang), rows) if rows else ""


def _runs(runs: Sequence[RunFacts], lang: str | None) -> str:
    names = ("run", "persona", "steps", "best", *SCORES, "loss", "adapter")
    return table(_column(names, lang), [_run(run) for run in runs]) if runs else ""


def _run(run: RunFacts) -> list[str]:
    best = run.best
    scores = [f"{best.scores[name]:.0%}" if best and name in best.scores else "–" for name in SCORES]
    loss = f"{best.loss:.3f}" if best and best.loss is not None else "–"
    step = "–" if run.best_step is None else str(run.best_step)
    hashed = tag("code", escape(run.adapter[:12] or "–"))
    return [escape(run.name), spoken_html(run.persona), f"{run.step}/{run.total_steps}", step, *scores, loss, hashed]
