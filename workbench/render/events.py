"""A run's events as the values that are drawn: curves, answers, verdicts in words. Knows events; not runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from workbench.render.values import Curves, Points, Sample
from workbench.runs.events import Event, SampleEvent
from workbench.texts import text
from workbench.texts.reasons import reason_text


def curves_of(events: Sequence[Event], best_step: int | None, lang: str | None = None) -> Curves:
    """Return the curves of a run from its events; the verdict is that of the best checkpoint, told in ``lang``."""
    evals = [e for e in events if e.kind == "eval"]
    verdicts: dict[int | None, Any] = {e.step: e for e in events if e.kind == "verdict"}
    verdict = verdicts.get(best_step) or next(reversed(verdicts.values()), None)
    return Curves(
        train=_points([e for e in events if e.kind == "train"], "loss"),
        held_out=_points(evals, "loss"),
        identity=_points(evals, "identity"),
        task=_points(evals, "task"),
        general=_points(evals, "general"),
        leak=_points(evals, "leak"),
        parts=_parts(evals),
        best_step=best_step,
        verdict=verdict.verdict if verdict else "",
        verdict_text=verdict_text(verdict, lang) if verdict else "",
    )


def verdict_text(event: Any, lang: str | None = None) -> str:
    """Return a verdict in words with its reason; in the worker's words where they cannot be told in ``lang``."""
    reason, values = event.reason, event.more.get("values")
    if isinstance(values, dict):
        with suppress(KeyError):
            reason = reason_text(str(event.more.get("key")), values, lang)
    return text(f"evaluation.verdict.{event.verdict}", lang, reason=reason)


def samples_of(events: Iterable[Event], most: int = 2) -> tuple[Sample, ...]:
    """Return what was answered at each evaluation, of the first ``most`` identity, task and general questions."""
    samples = [e for e in events if isinstance(e, SampleEvent)]
    questions: list[str] = []
    for probe in ("identity", "task", "general"):
        candidates = dict.fromkeys(e.question for e in samples if e.probe == probe)
        questions += list(candidates)[:most]
    return tuple(Sample(e.step or 0, e.question, e.answer) for e in samples if e.question in questions)


def _parts(evals: Sequence[Any]) -> dict[str, Points]:
    """The series of what a score is taken apart into; of a part that nobody was asked for, none."""
    series: dict[str, list[tuple[int, float]]] = {}
    for event in evals:
        for name, share in event.parts().items() if event.step is not None else ():
            series.setdefault(name, []).append((event.step, share))
    return {name: tuple(points) for name, points in series.items()}


def _points(events: Iterable[Any], name: str) -> tuple[tuple[int, float], ...]:
    return tuple((e.step, getattr(e, name)) for e in events if e.step is not None and getattr(e, name) is not None)
