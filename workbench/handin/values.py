"""A run card as values, and its JSON. Knows no file and no run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from workbench.errors import BadData
from workbench.runs.files import jsonable, number

VERSION = 1
SCORES = ("identity", "task", "general", "leak")


@dataclass(frozen=True, slots=True)
class Look:
    """Hold an evaluation: at which step, the held-out loss, shares of right answers, and of how many each."""

    step: int
    loss: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Hold what a card says of a run.

    Args:
        name: its folder, from the folder that is handed in.
        persona: the assistant's name.
        status: where it stands.
        created: when it was made, ISO 8601.
        step, total_steps: steps done, and those of the whole run.
        seconds: that the training took.
        base, data, recipe, adapter: hashes; of the recipe without where files lie, of the best checkpoint's weights.
        seed: of everything random.
        rhythm: milliseconds between the run's events, at most five hundred. No second training has the same.
        best_step: of the best checkpoint; None where none was judged.
        losses: (step, training loss), at most two hundred.
        looks: the evaluations, the base's first.
    """

    name: str
    persona: str = ""
    status: str = ""
    created: str = ""
    step: int = 0
    total_steps: int = 0
    seconds: float | None = None
    base: str = ""
    data: str = ""
    recipe: str = ""
    adapter: str = ""
    seed: int = 0
    rhythm: tuple[int, ...] = ()
    best_step: int | None = None
    losses: tuple[tuple[int, float], ...] = ()
    looks: tuple[Look, ...] = ()

    @property
    def best(self) -> Look | None:
        """Return the evaluation of the best checkpoint, else the last."""
        chosen = [look for look in self.looks if look.step == self.best_step] or [*self.looks]
        return chosen[-1] if chosen else None


@dataclass(frozen=True, slots=True)
class Answered:
    """Hold an answer in a lesson.

    Args:
        lesson, id: which question.
        kind: ``guess`` or ``quiz``.
        ask: the question.
        answer: the guess, or the first choice.
        truth: what it was; None where not compared, and for a quiz.
        right: whether the first choice of a quiz was right; None for a guess.
        tries: of a quiz.
        time: ISO 8601.
    """

    lesson: int
    id: str
    kind: str
    ask: str = ""
    answer: Any = None
    truth: Any = None
    right: bool | None = None
    tries: int = 1
    time: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """Hold all that is handed in.

    Args:
        name: the learner's, as they write it.
        student: a random word of their folder.
        sentence: what they learnt, in a sentence of their own.
        written: when, ISO 8601.
        version: of the workbench.
        answers: guesses and self-checks.
        runs: the trainings.
        unread: files that could not be read.
        seal: a hash of all the rest; it tells a card that was changed by hand, not one that was changed with care.
    """

    name: str
    student: str = ""
    sentence: str = ""
    written: str = ""
    version: str = ""
    answers: tuple[Answered, ...] = ()
    runs: tuple[RunFacts, ...] = ()
    unread: tuple[str, ...] = ()
    seal: str = ""

    def sealed(self) -> Card:
        """Return the card with its seal."""
        return replace(self, seal=self.proper_seal())

    def proper_seal(self) -> str:
        """Return the seal that belongs to what the card says."""
        record = {key: value for key, value in to_record(self).items() if key != "seal"}
        return hashlib.sha256(json.dumps(record, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def to_record(card: Card) -> dict[str, Any]:
    """Return the card as JSON."""
    record: dict[str, Any] = jsonable({"format": "run card", "card_version": VERSION, **asdict(card)})
    return record


def from_record(record: Mapping[str, Any], file: str) -> Card:
    """Return the card of a file's object; fields that are not known are passed over.

    Raises:
        BadData: it is no run card, one of a newer version, or a field is not of its kind; names file and field.
    """
    if record.get("format") != "run card" or not isinstance(record.get("name"), str):
        raise BadData("handin.no_card", file=file)
    if record.get("card_version") != VERSION:
        raise BadData("handin.newer", file=file, given=record.get("card_version"))
    try:
        return Card(
            name=_text(record, "name"),
            student=_text(record, "student"),
            sentence=_text(record, "sentence"),
            written=_text(record, "written"),
            version=_text(record, "version"),
            seal=_text(record, "seal"),
            answers=tuple(_answered(item) for item in _list(record, "answers")),
            runs=tuple(_run(item) for item in _list(record, "runs")),
            unread=tuple(str(item) for item in _list(record, "unread")),
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise BadData("handin.bad_field", file=file, reason=str(error)[:200]) from None


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name, "")
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _list(record: Mapping[str, Any], name: str) -> list[Any]:
    value = record.get(name, [])
    if not isinstance(value, list) or len(value) > 10_000:
        raise TypeError(name)
    return value


def _whole(record: Mapping[str, Any], name: str) -> int:
    value = record.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(name)
    return value


def _answered(record: Mapping[str, Any]) -> Answered:
    right = record.get("right")
    return Answered(
        lesson=_whole(record, "lesson"),
        id=_text(record, "id"),
        kind=_text(record, "kind"),
        ask=_text(record, "ask"),
        time=_text(record, "time"),
        answer=record.get("answer"),
        truth=record.get("truth"),
        right=right if isinstance(right, bool) else None,
        tries=_whole(record, "tries"),
    )


def _run(record: Mapping[str, Any]) -> RunFacts:
    best = record.get("best_step")
    return RunFacts(
        name=_text(record, "name"),
        persona=_text(record, "persona"),
        status=_text(record, "status"),
        created=_text(record, "created"),
        base=_text(record, "base"),
        data=_text(record, "data"),
        recipe=_text(record, "recipe"),
        adapter=_text(record, "adapter"),
        step=_whole(record, "step"),
        total_steps=_whole(record, "total_steps"),
        seed=_whole(record, "seed"),
        seconds=number(record.get("seconds")),
        best_step=None if best is None else _whole(record, "best_step"),
        rhythm=tuple(int(gap) for gap in _list(record, "rhythm")),
        losses=tuple((int(step), float(loss)) for step, loss in _list(record, "losses")),
        looks=tuple(_look(item) for item in _list(record, "looks")),
    )


def _look(record: Mapping[str, Any]) -> Look:
    scores, counts = record.get("scores") or {}, record.get("counts") or {}
    return Look(
        step=_whole(record, "step"),
        loss=number(record.get("loss")),
        scores={str(name): float(value) for name, value in scores.items()},
        counts={str(name): int(value) for name, value in counts.items()},
    )
