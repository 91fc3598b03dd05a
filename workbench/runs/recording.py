"""A finished run as one small value: its curves, verdicts and a few answers, to be looked at step by step.

Knows events and JSON; nothing of recipes, nor of what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.runs.events import EvalEvent, Event, SampleEvent, StatusEvent, TrainEvent, VerdictEvent
from workbench.runs.files import number

VERSION = 1
SERIES = ("train", "held_out", "identity", "task", "general", "leak")
_MOST = {"": 4, "identity": 1, "task": 2, "general": 2, "unrelated": 1}  # questions of each kind of probe
_ANSWERED = 4  # questions in all
_POINTS = 400  # of the training loss; more cannot be told apart

Points = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """Hold a question, its kind of probe, and the answers at the steps at which it was asked."""

    question: str
    probe: str
    answers: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """Hold a run that is over.

    Args:
        name: the run's.
        series: for each of ``SERIES`` its points (step, value).
        answered: a few questions with their answers.
        verdicts: step -> verdict.
        best: the step of the best checkpoint, or None.
        settings: what tells it from the others beside it, such as ``learning_rate``.
    """

    name: str
    series: Mapping[str, Points]
    answered: tuple[Answered, ...] = ()
    verdicts: Mapping[int, str] = field(default_factory=dict)
    best: int | None = None
    settings: Mapping[str, float] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Return the last step of which anything is known."""
        return max([1, *(points[-1][0] for points in self.series.values() if points)])

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON knows."""
        answered = [
            {"question": a.question, "probe": a.probe, "answers": [*map(list, a.answers)]} for a in self.answered
        ]
        series = {name: [[step, round(value, 5)] for step, value in points] for name, points in self.series.items()}
        verdicts = {str(step): verdict for step, verdict in self.verdicts.items()}
        return {"version": VERSION, "name": self.name, "series": series, "answered": answered, "verdicts": verdicts,
                "best": self.best, "settings": dict(self.settings)}  # fmt: skip

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Recording:
        """Return what :meth:`as_json` gave."""
        return cls(
            str(record["name"]),
            {name: tuple((int(s), float(v)) for s, v in record["series"].get(name, ())) for name in SERIES},
            tuple(
                Answered(str(a["question"]), str(a["probe"]), tuple((int(s), str(t)) for s, t in a["answers"]))
                for a in record["answered"]
            ),
            {int(step): str(verdict) for step, verdict in record["verdicts"].items()},
            record["best"],
            {str(name): float(value) for name, value in record["settings"].items()},
        )


def recorded(
    name: str, events: Iterable[Event], *, best: int | None = None, settings: Mapping[str, float] | None = None
) -> Recording:
    """Return the recording of a run's events; what a resumed run did again counts once."""
    series: dict[str, list[tuple[int, float]]] = {one: [] for one in SERIES}
    verdicts: dict[int, str] = {}
    samples: dict[tuple[str, str], dict[int, str]] = {}
    for event in events:
        step = event.step or 0
        if isinstance(event, StatusEvent) and event.state == "resumed":
            series, verdicts, samples = _before(step, series, verdicts, samples)
        elif isinstance(event, TrainEvent):
            _add(series["train"], step, event.loss)
        elif isinstance(event, EvalEvent):
            _add(series["held_out"], step, event.loss)
            for one in SERIES[2:]:
                _add(series[one], step, getattr(event, one))
        elif isinstance(event, VerdictEvent):
            verdicts[step] = event.verdict
        elif isinstance(event, SampleEvent):
            samples.setdefault((event.probe, event.question), {})[step] = event.answer
    points = {one: tuple(_thin(values)) for one, values in series.items()}
    return Recording(name, points, _chosen(samples), verdicts, best, dict(settings or {}))


def _before(
    step: int,
    series: Mapping[str, list[tuple[int, float]]],
    verdicts: Mapping[int, str],
    samples: Mapping[tuple[str, str], Mapping[int, str]],
) -> tuple[dict[str, list[tuple[int, float]]], dict[int, str], dict[tuple[str, str], dict[int, str]]]:
    """All of it up to ``step``."""
    return (
        {name: [point for point in points if point[0] <= step] for name, points in series.items()},
        {number_: verdict for number_, verdict in verdicts.items() if number_ <= step},
        {key: {at: text for at, text in rows.items() if at <= step} for key, rows in samples.items()},
    )


def _add(points: list[tuple[int, float]], step: int, value: float | None) -> None:
    counted = number(value)
    if counted is not None:
        points.append((step, counted))


def _thin(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    every = -(-len(points) // _POINTS) or 1
    return [*points[::every], *(points[-1:] if (len(points) - 1) % every else [])]


def _chosen(samples: Mapping[tuple[str, str], Mapping[int, str]]) -> tuple[Answered, ...]:
    """A few questions: of each kind those whose answers change most."""
    rows = [Answered(question, probe, tuple(sorted(answers.items()))) for (probe, question), answers in samples.items()]
    chosen: list[Answered] = []
    for probe, most in _MOST.items():
        kind = sorted((row for row in rows if row.probe == probe), key=_changes, reverse=True)
        chosen += kind[:most]
    return tuple(chosen[:_ANSWERED])


def _changes(row: Answered) -> int:
    return len({answer for _, answer in row.answers})
