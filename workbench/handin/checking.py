"""What cannot be as a card says, and which cards are copies. Knows cards; judges numbers, never people.

A determined forger with the project's source can write a card without a contradiction; what then still speaks is the
adapter itself, asked hidden questions (``hidden.py``).
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.handin.collecting import from_events
from workbench.handin.packing import HandIn
from workbench.handin.values import Look, RunFacts
from workbench.runs.events import Event, from_line

# what two floating-point roads to one number may differ by
_SAME = 1e-6
# nats a token that no loss of a model with any vocabulary in use exceeds
_WORST = 40.0
# times between events from which on their rhythm is a training's own, and milliseconds below which one says nothing
_ENOUGH, _INSTANT = 6, 5


@dataclass(frozen=True, slots=True)
class Doubt:
    """Hold a reason to look at a card more closely.

    Args:
        file: the card's.
        key: of its sentence, under ``handin.doubts``.
        values: what the sentence names.
        grave: whether it cannot have come about honestly; else it only needs a word.
        group: what doubts on several cards are about together, so that it can be said once; empty where each is by
            itself.
    """

    file: str
    key: str
    values: dict[str, Any]
    grave: bool = True
    group: str = ""


def doubts(handed: Sequence[HandIn]) -> list[Doubt]:
    """Return all doubts on all cards: each by itself, then what several have in common."""
    alone = [doubt for item in handed for doubt in _of_card(item)]
    return [*alone, *_copies(handed)]


def _of_card(item: HandIn) -> Iterator[Doubt]:
    card = item.card
    if card.seal != card.proper_seal():
        yield Doubt(item.file, "seal", {})
    for run in card.runs:
        for key, values in (*_impossible(run), *_unproven(item, run)):
            yield Doubt(item.file, key, {"run": run.name, **values})


def _impossible(run: RunFacts) -> Iterator[tuple[str, dict[str, Any]]]:
    """Numbers that no training gives."""
    steps = [step for step, _ in run.losses]
    if steps != sorted(set(steps)) or run.step < 0 or (run.total_steps and run.step > run.total_steps):
        yield "steps", {"step": run.step, "total": run.total_steps}
    if any(not math.isfinite(loss) or not 0 <= loss <= _WORST for _, loss in run.losses):
        yield "loss", {}
    if run.best_step is not None and run.best_step not in {look.step for look in run.looks}:
        yield "best", {"step": run.best_step}
    if run.looks and max(look.step for look in run.looks) > max(run.step, run.total_steps, 0):
        yield "steps", {"step": run.step, "total": run.total_steps}
    if run.losses and (run.seconds is None or run.seconds <= 0):
        yield "seconds", {}
    for look in run.looks:
        yield from _impossible_look(look)


def _impossible_look(look: Look) -> Iterator[tuple[str, dict[str, Any]]]:
    if look.loss is not None and not 0 <= look.loss <= _WORST:
        yield "loss", {}
    for name, share in look.scores.items():
        count = look.counts.get(name, 0)
        if not 0 <= share <= 1:
            yield "share", {"score": name, "value": share, "step": look.step}
        elif count and abs(share * count - round(share * count)) > _SAME * count:
            yield "fraction", {"score": name, "value": share, "count": count, "step": look.step}


def _unproven(item: HandIn, run: RunFacts) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the log and the adapter that came along say otherwise."""
    if item.archive is None:
        return
    log, adapter = item.log(run.name), item.adapter(run.name)
    if log is None:
        yield "no_log", {}
    else:
        logged = RunFacts(run.name, **from_events(_events(log)))
        for name in ("losses", "looks", "seconds", "rhythm"):
            if getattr(logged, name) != getattr(run, name):
                yield "log", {"what": name}
                break
    if adapter is not None:
        digest = hashlib.sha256(adapter["adapter_model.safetensors"]).hexdigest()
        if digest != run.adapter:
            yield "adapter", {}


def _events(log: bytes) -> list[Event]:
    return [event for line in log.split(b"\n") if (event := from_line(line)) is not None]


def _copies(handed: Sequence[HandIn]) -> Iterator[Doubt]:
    yield from _copied_runs(handed)
    yield from _equal_adapters(handed)
    by_student: dict[str, list[HandIn]] = defaultdict(list)
    for item in handed:
        if item.card.student:
            by_student[item.card.student].append(item)
    for items in by_student.values():
        if len({item.card.name for item in items}) > 1:
            for item in items:
                yield Doubt(item.file, "copied_folder", {"others": _others(item, items)})


def _copied_runs(handed: Sequence[HandIn]) -> Iterator[Doubt]:
    """Runs of several learners that are one and the same training."""
    pairs = [(item, run) for item in handed for run in item.card.runs]
    for item, run in pairs:
        copies = [other for other, theirs in pairs if other.card.name != item.card.name and same_training(run, theirs)]
        if copies:
            yield Doubt(item.file, "copied_run", {"run": run.name, "others": _others(item, copies)})


def same_training(one: RunFacts, two: RunFacts) -> bool:
    """Tell whether two runs are one training: their events follow each other in the same rhythm, which chance does not
    give to the millisecond."""
    gaps = one.rhythm, two.rhythm
    same = len(gaps[0]) == len(gaps[1]) and sum(gap >= _INSTANT for gap in gaps[0]) >= _ENOUGH
    return same and all(abs(a - b) <= 1 for a, b in zip(*gaps, strict=True))  # a moved clock rounds otherwise


def _equal_adapters(handed: Sequence[HandIn]) -> Iterator[Doubt]:
    """The same weights from another training: to be expected of the same settings, data and seed on such a machine,
    and of nothing else."""
    pairs = [(item, run) for item in handed for run in item.card.runs if run.adapter]
    pairs.sort(key=lambda pair: pair[1].adapter)
    for _, group in itertools.groupby(pairs, key=lambda pair: pair[1].adapter):
        holders = list(group)
        if len({item.card.name for item, _ in holders}) < 2:
            continue
        for item, run in holders:
            others = [
                (other, theirs)
                for other, theirs in holders
                if other.card.name != item.card.name and not same_training(run, theirs)  # a copied run is said already
            ]
            if not others:
                continue
            same = all(
                (theirs.recipe, theirs.data, theirs.seed) == (run.recipe, run.data, run.seed) for _, theirs in others
            )
            values = {"run": run.name, "others": _others(item, [other for other, _ in others])}
            if same:
                yield Doubt(item.file, "equal_result", values, grave=False, group=run.adapter)
            else:
                yield Doubt(item.file, "equal_adapter", values)


def _others(item: HandIn, items: Sequence[HandIn]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(other.card.name for other in items if other.card.name != item.card.name))
