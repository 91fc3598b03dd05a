"""Several runs beside each other as one value: curves, differing settings, remarks; and that value as JSON.

Knows recordings and JSON; must not know recipes, nor what is drawn. What comes from a file may be a stranger's: it is
read within bounds, and what is not of its kind is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.runs.files import number
from workbench.runs.recording import SERIES, Answered, Points, Recording
from workbench.runs.remarks import LONGEST, Remarks

FORMAT, VERSION = "workbench gallery", 1
# of a file: runs, points of a curve, questions of a run, answers to one, letters of a text
MOST_RUNS, _POINTS, _QUESTIONS, _ANSWERS = 100, 5_000, 40, 1_000
# a step that no run can have
_STEPS = 10**9


@dataclass(frozen=True, slots=True)
class Exhibit:
    """Hold one run of a gallery.

    Args:
        recording: its curves, answers and verdicts.
        settings: ``group.name`` -> its value as it is written, a path by its last part.
        state: a :class:`~workbench.runs.State`'s status.
        remarks: its owner's.
    """

    recording: Recording
    settings: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    remarks: Remarks = field(default_factory=Remarks)

    @property
    def name(self) -> str:
        """Return the run's name."""
        return self.recording.name

    @property
    def step(self) -> int | None:
        """Return the step at which it is judged: of the best checkpoint, else of the last evaluation."""
        if self.recording.best is not None:
            return self.recording.best
        return max((points[-1][0] for name, points in self._looks() if points), default=None)

    def scores(self) -> dict[str, float]:
        """Return what the evaluation at :attr:`step` measured: ``held_out`` and the shares."""
        values = {name: dict(points).get(self.step or 0) for name, points in self._looks()}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def verdict(self) -> str:
        """Return the verdict at that step; empty where nothing was judged."""
        return self.recording.verdicts.get(self.step or 0, "")

    def _looks(self) -> list[tuple[str, Points]]:
        return [(name, self.recording.series.get(name, ())) for name in SERIES if name != "train"]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Hold several runs.

    Args:
        exhibits: the runs.
        unread: why others are not among them, a sentence each.
    """

    exhibits: tuple[Exhibit, ...]
    unread: tuple[str, ...] = ()

    def differing(self) -> dict[str, tuple[str, ...]]:
        """Return the settings in which the runs differ, and the value of each run; ``""`` where it does not tell it."""
        names = dict.fromkeys(name for exhibit in self.exhibits for name in exhibit.settings)
        values = {name: tuple(exhibit.settings.get(name, "") for exhibit in self.exhibits) for name in names}
        return {name: several for name, several in values.items() if len(set(several)) > 1}

    def without_remarks(self) -> Gallery:
        """Return the same, to be given away: notes and stars are their owner's."""
        return replace(self, exhibits=tuple(replace(exhibit, remarks=Remarks()) for exhibit in self.exhibits))

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON knows."""
        runs = [
            {
                "name": exhibit.name,
                "state": exhibit.state,
                "step": exhibit.step,
                "scores": exhibit.scores(),
                "verdict": exhibit.verdict,
                "star": exhibit.remarks.star,
                "note": exhibit.remarks.note,
                "settings": dict(exhibit.settings),
                "recording": exhibit.recording.as_json(),
            }
            for exhibit in self.exhibits
        ]
        differing = {name: list(values) for name, values in self.differing().items()}
        return {
            "format": FORMAT, "version": VERSION, "differing": differing, "runs": runs, "unread": list(self.unread),
        }  # fmt: skip


def exhibits_from(record: Any) -> tuple[Exhibit, ...]:
    """Return the runs of what :meth:`Gallery.as_json` gave, or of a file that says so.

    Raises:
        ValueError: it is nothing of the kind, or holds more than a gallery does; says which field.
    """
    if not isinstance(record, Mapping) or record.get("format") != FORMAT:
        raise ValueError("format")
    if record.get("version") != VERSION:
        raise ValueError(f"version {record.get('version')!r}"[:60])
    return tuple(_exhibit(_mapping(item, "runs")) for item in _list(record, "runs", MOST_RUNS))


def _exhibit(record: Mapping[str, Any]) -> Exhibit:
    recording = _recording(_mapping(record.get("recording"), "recording"))
    settings = _mapping(record.get("settings", {}), "settings")
    if len(settings) > 1_000:
        raise ValueError("settings")
    written = {_short(name, "settings"): _short(value, "settings") for name, value in settings.items()}
    remarks = Remarks(_short(record.get("note", ""), "note"), record.get("star") is True)
    return Exhibit(recording, written, _short(record.get("state", ""), "state"), remarks)


def _recording(record: Mapping[str, Any]) -> Recording:
    series, best = _mapping(record.get("series"), "series"), record.get("best")
    verdicts = _mapping(record.get("verdicts", {}), "verdicts")
    if len(verdicts) > _POINTS:
        raise ValueError("verdicts")
    return Recording(
        _short(record.get("name"), "name"),
        {name: tuple((_step(s), _number(v, name)) for s, v in _pairs(series, name, _POINTS)) for name in SERIES},
        tuple(_answered(_mapping(item, "answered")) for item in _list(record, "answered", _QUESTIONS)),
        {_step(step): _short(word, "verdicts") for step, word in verdicts.items()},
        None if best is None else _step(best),
    )


def _answered(record: Mapping[str, Any]) -> Answered:
    pairs = _pairs(record, "answers", _ANSWERS)
    return Answered(
        _short(record.get("question"), "question"),
        _short(record.get("probe", ""), "probe"),
        tuple((_step(step), _short(answer, "answers")) for step, answer in pairs),
    )


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(name)
    return value


def _list(record: Mapping[str, Any], name: str, most: int) -> Sequence[Any]:
    value = record.get(name, [])
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(name)
    return value


def _pairs(record: Mapping[str, Any], name: str, most: int) -> list[tuple[Any, Any]]:
    pairs = _list(record, name, most)
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise ValueError(name)
    steps = [_step(pair[0]) for pair in pairs]
    if steps != sorted(set(steps)):
        raise ValueError(name)
    return [(pair[0], pair[1]) for pair in pairs]


def _step(value: Any) -> int:
    counted = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 12 else value
    if isinstance(counted, bool) or not isinstance(counted, int) or not 0 <= counted <= _STEPS:
        raise ValueError("step")
    return counted


def _number(value: Any, name: str) -> float:
    counted = number(value)
    if counted is None:
        raise ValueError(name)
    return counted


def _short(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise ValueError(name)
    return value
