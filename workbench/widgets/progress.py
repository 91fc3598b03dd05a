"""A run so far as HTML: status, curves, answers, numbers. Knows the training step and what draws; no controls."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.render import Curves, Sample, curves_html, curves_table, escape, samples_html, verdict_text
from workbench.render.durations import duration_text
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.runs import State
    from workbench.steps import History, TrainStep

_MOST_ROWS = 8  # steps whose answers are shown
_COLUMNS = {"": 2, "identity": 2, "task": 2, "general": 1, "unrelated": 1}  # of each kind of probe so many questions


def curves_of_step(step: TrainStep, lang: str | None) -> Curves:
    """Return what is drawn of the step's run."""
    history, best = step.history, step.best_step()
    verdict = history.verdict
    return Curves(
        train=history.train,
        held_out=history.held_out,
        identity=history.identity,
        task=history.task,
        general=history.general,
        leak=history.leak,
        parts=history.parts,
        best_step=best,
        verdict=verdict.verdict if verdict else "",
        verdict_text=text("widgets.train.verdict", lang, step=verdict.step or 0, verdict=verdict_text(verdict, lang))
        if verdict
        else "",
        vocab_size=_vocabulary(step),
        total_steps=history.total_steps if step.busy else 0,
    )


def curves_html_of(step: TrainStep, lang: str | None) -> str:
    """Return both plots, the verdict and the summary in words; nothing where there is no point yet."""
    if not step.history.train and not step.history.held_out:
        return ""
    return curves_html(curves_of_step(step, lang), lang=lang, numbers=False)


def progress_words(name: str, history: History, lang: str | None, *, over: bool) -> str:
    """Return how far a training is, in a line of HTML: its step, per cent, loss, and the time it may still take."""
    parts, total = [text("widgets.train.run", lang, run=name)], history.total_steps
    if not total:
        parts.append(text("widgets.train.loading", lang))
    else:
        parts.append(text("widgets.train.step", lang, step=history.step, total=total))
    if history.last is not None and history.last.loss is not None:
        parts += (
            [] if over else [text("widgets.train.percent", lang, percent=round(100 * history.step / max(1, total)))]
        )
        parts.append(text("widgets.train.loss", lang, loss=history.last.loss))
        parts += [] if over else _left(history, total, lang)
    return escape(" · ".join(parts))


def curves_of_history(history: History, lang: str | None) -> str:
    """Return the curves of what was read of a run, without its numbers; nothing before its first evaluation."""
    if not history.held_out:
        return ""
    series = {name: getattr(history, name) for name in ("train", "held_out", "identity", "task", "general", "leak")}
    verdict = history.verdict
    words = verdict_text(verdict, lang) if verdict else ""
    drawn = Curves(**series, parts=history.parts, verdict_text=words, total_steps=history.total_steps)
    return curves_html(drawn, lang=lang, numbers=False)


def numbers_html(step: TrainStep, lang: str | None) -> str:
    """Return the numbers of the curves."""
    return curves_table(curves_of_step(step, lang), lang=lang) if step.history.train else ""


def status_html(step: TrainStep, state: State, lang: str | None) -> str:
    """Tell where the run stands, in a line; the worker's last word in another."""
    if step.run is None:
        return f'<p class="wb-soft">{escape(text("widgets.train.no_run", lang))}</p>'
    history = step.history
    current, total = max(state.step, history.step), state.total_steps or history.total_steps
    parts = [text("widgets.train.replayed" if step.replaying else "widgets.train.run", lang, run=step.run.name)]
    parts.append(text(f"runs.state.{state.status}", lang))
    if total:
        parts.append(text("widgets.train.step", lang, step=current, total=total))
        parts += [text("widgets.train.percent", lang, percent=round(100 * current / total))] if state.alive else []
    if history.last is not None and history.last.loss is not None:
        parts.append(text("widgets.train.loss", lang, loss=history.last.loss))
        parts += _left(history, total, lang) if state.alive else []
    state_words = _word(history, lang) if state.alive else step.words(lang)[0]
    word = (
        f'<p class="wb-soft">{escape(state_words)}</p>'
        if state_words and state.status not in ("failed", "died")
        else ""
    )
    notes = "".join(f'<p class="wb-soft">{escape(note)}</p>' for note in history.said(lang))
    return f'<p class="wb-status"><strong>{escape(" · ".join(parts))}</strong></p>{word}{notes}'


def beginning_html(lang: str | None) -> str:
    """Return what is said between a click that starts a training and its first word."""
    return f'<p class="wb-status"><strong>{escape(text("widgets.train.beginning", lang))}</strong></p>'


def _left(history: History, total: int, lang: str | None) -> list[str]:
    """How quick it is, and how long it may still take."""
    last = history.last
    if last is None or not last.seconds or not last.step:
        return []
    pace = last.seconds / last.step
    left = duration_text(pace * max(0, total - last.step), lang)
    return [text("widgets.train.pace", lang, pace=pace), text("widgets.train.left", lang, left=left)]


def _word(history: History, lang: str | None) -> str:
    """What the worker said last, in ``lang`` where its text is known."""
    status = history.status
    if status is None:
        return text("widgets.train.loading", lang)
    try:
        return text(status.key, lang, **status.values) if status.key else status.message
    except (KeyError, IndexError, ValueError):
        return status.message


def samples_html_of(history: History, lang: str | None) -> str:
    """Return what the model answered at some steps, to some questions of each kind; the answers change before one's
    eyes."""
    columns: dict[str, list[str]] = {}
    for rows in history.samples.values():
        for sample in rows:
            questions = columns.setdefault(sample.probe, [])
            if sample.question not in questions:
                questions.append(sample.question)
    listed = [q for probe, most in _COLUMNS.items() for q in columns.get(probe, [])[:most]]
    steps = sorted(history.samples)
    shown = {*steps[:1], *steps[-(_MOST_ROWS - 1) :]}
    samples = [
        Sample(step, sample.question, sample.answer)
        for question in listed
        for step, rows in history.samples.items()
        for sample in rows
        if sample.question == question and step in shown
    ]
    if not samples:
        return ""
    return f"<h4>{escape(text('widgets.train.samples', lang))}</h4>{samples_html(samples, lang=lang)}"


def checkpoint_words(step: int, best: int | None, scores: Mapping[int, float], lang: str | None) -> str:
    """Return the checkpoint of a step as an item to choose, with its score of 100 %; the best is marked."""
    mark = text("widgets.train.best", lang) if step == best else ""
    score = text("widgets.train.score", lang, score=scores[step]) if step in scores else ""
    return "  ".join(filter(None, (text("widgets.train.at_step", lang, step=step), score, mark)))


def _vocabulary(step: TrainStep) -> int:
    """Tokens of the base's vocabulary, for the reference "guessing would be"; 0 where its files are not here."""
    return _size_of(step.recipe.model.name)


@lru_cache(maxsize=16)
def _size_of(model: str) -> int:
    from workbench.models import resolve
    from workbench.models.headers import settings

    try:
        size = settings(Path(resolve(model))).get("vocab_size")
    except WorkbenchError:
        return 0
    return size if isinstance(size, int) else 0
