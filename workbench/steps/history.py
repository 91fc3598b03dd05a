"""What a run's events have told so far, in bounded memory. Knows events; nothing of where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from workbench.runs.events import (
    CheckpointEvent,
    EvalEvent,
    Event,
    SampleEvent,
    StatusEvent,
    TrainEvent,
    VerdictEvent,
)
from workbench.texts import text

Series = list[tuple[int, float]]

_MOST_POINTS = 4000  # of a series; a plot shows 800
_MOST_SAMPLED = 12  # steps whose answers are kept: the first, and the latest
_MOST_ANSWERS = 200  # of one step
_MOST_LETTERS = 4000  # of one answer
_NOTED = ("templates.", "training.state.rehearsed")
PROBES = ("identity", "task", "general", "leak")


def _worded(event: StatusEvent, lang: str | None) -> str:
    try:
        return text(event.key, lang, **event.values)
    except (KeyError, IndexError, ValueError):  # of another version
        return event.message


@dataclass
class History:
    """Hold a run so far. However long it lasts, this holds only so much: of a long series every second point goes, of
    the answers the middle ones.

    Args:
        train, held_out, identity, task, general, leak: (step, value) each.
        parts: the same of what a call's score and a picture's are taken apart into, by name.
        verdicts, scores: by step; a score is 0 to 1, of what is learnt, kept and not leaked.
        samples: the answers, by step.
        checkpoints: the steps of finished checkpoints.
        status: the last word of the worker.
        last: the last event of a training step.
        evaluation: the last evaluation.
        total_steps: of the whole run; 0 where not yet known.
        notes: what was said of template and data, by the key of its text, so that it can be read to the end.
    """

    train: Series = field(default_factory=list)
    held_out: Series = field(default_factory=list)
    identity: Series = field(default_factory=list)
    task: Series = field(default_factory=list)
    general: Series = field(default_factory=list)
    leak: Series = field(default_factory=list)
    parts: dict[str, Series] = field(default_factory=dict)
    verdicts: dict[int, VerdictEvent] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)
    samples: dict[int, list[SampleEvent]] = field(default_factory=dict)
    checkpoints: list[int] = field(default_factory=list)
    status: StatusEvent | None = None
    last: TrainEvent | None = None
    evaluation: EvalEvent | None = None
    total_steps: int = 0
    notes: dict[str, StatusEvent] = field(default_factory=dict)
    _base: EvalEvent | None = None

    @property
    def step(self) -> int:
        """Return the last step that anything was told of."""
        return max((points[-1][0] for points in self._series().values() if points), default=0)

    @property
    def verdict(self) -> VerdictEvent | None:
        """Return the last verdict."""
        return next(reversed(self.verdicts.values()), None)

    def add(self, events: Iterable[Event]) -> None:
        """Take in what is new."""
        for event in events:
            if isinstance(event, TrainEvent):
                self.last = event
                _put(self.train, event.step, event.loss)
            elif isinstance(event, EvalEvent):
                self._score(event)
                _put(self.held_out, event.step, event.loss)
                for name in PROBES:
                    _put(getattr(self, name), event.step, getattr(event, name))
                for name, share in event.parts().items():
                    _put(self.parts.setdefault(name, []), event.step, share)
            elif isinstance(event, VerdictEvent):
                self.verdicts[event.step or 0] = event
                _thin(self.verdicts)
            elif isinstance(event, SampleEvent):
                self._sample(event)
            elif isinstance(event, CheckpointEvent) and event.step is not None:
                self.checkpoints = [*(s for s in self.checkpoints if s != event.step), event.step][-_MOST_POINTS:]
            elif isinstance(event, StatusEvent):
                self._status(event)

    def said(self, lang: str | None = None) -> list[str]:
        """Return the notes in words, in ``lang`` where their texts are known."""
        return [_worded(event, lang) for event in self.notes.values()]

    def questions(self) -> list[str]:
        """Return what was asked, in order."""
        return list(dict.fromkeys(sample.question for rows in self.samples.values() for sample in rows))

    def _series(self) -> dict[str, Series]:
        return {name: getattr(self, name) for name in ("train", "held_out", *PROBES)}

    def _score(self, event: EvalEvent) -> None:
        from workbench.evaluation import scores

        self.evaluation, self._base = event, self._base or event
        self.scores |= scores([self._base, event])
        _thin(self.scores)

    def _sample(self, event: SampleEvent) -> None:
        rows = self.samples.setdefault(event.step or 0, [])
        if len(rows) < _MOST_ANSWERS and len(event.answer) <= _MOST_LETTERS:
            rows.append(event)
        while len(self.samples) > _MOST_SAMPLED:
            del self.samples[sorted(self.samples)[1]]

    def _status(self, event: StatusEvent) -> None:
        self.status = event
        if event.key and event.key.startswith(_NOTED):
            self.notes[event.key] = event
        if event.key == "training.state.training":
            self.total_steps = int(event.values.get("steps") or 0)
        if event.state == "resumed" and event.step is not None:
            self._take_back(event.step)

    def _take_back(self, step: int) -> None:
        """A resumed run does again what came after ``step``."""
        for name, series in self._series().items():
            setattr(self, name, [point for point in series if point[0] <= step])
        self.parts = {name: [p for p in series if p[0] <= step] for name, series in self.parts.items()}
        self.verdicts = {number: verdict for number, verdict in self.verdicts.items() if number <= step}
        self.scores = {number: score for number, score in self.scores.items() if number <= step}
        self.samples = {number: rows for number, rows in self.samples.items() if number <= step}
        self.checkpoints = [number for number in self.checkpoints if number <= step]


def _put(series: Series, step: int | None, value: float | None) -> None:
    """Add a point; of a long series every other one between its ends goes."""
    if step is None:
        return
    series.append((step, float("nan") if value is None else value))
    if len(series) > _MOST_POINTS:
        del series[1:-1:2]


def _thin(by_step: dict[int, Any]) -> None:
    if len(by_step) > _MOST_POINTS:
        del by_step[next(iter(by_step))]
