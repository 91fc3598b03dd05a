"""Measurements as an event log holds them. Knows the events' fields; nothing of who measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workbench.evaluation.calling import PARTS
from workbench.evaluation.measurement import Measurement
from workbench.evaluation.sight import PARTS as SIGHT
from workbench.evaluation.verdict import score
from workbench.runs.events import EvalEvent, Event


def measured(events: Iterable[Event]) -> list[Measurement]:
    """Return the evaluations of a run in their order, without their answers; the first is the base's. A step that was
    judged again has its last one."""
    by_step = {event.step or 0: event for event in events if isinstance(event, EvalEvent)}
    return [_of(event) for _, event in sorted(by_step.items())]


def scores(events: Iterable[Event]) -> dict[int, float]:
    """Return the score of each evaluation by its step, 0 to 1: what is learnt × what is kept × (1 − leak)."""
    history = measured(events)
    return {now.step: score(history[0], now) for now in history}


def _of(event: EvalEvent) -> Measurement:
    counts = event.more.get("counts")
    return Measurement(
        step=event.step or 0,
        loss=event.loss,
        train_loss=event.train_loss,
        identity=event.identity,
        task=event.task,
        general=event.general,
        leak=event.leak,
        drift=event.drift,
        exact=_number(event.more.get("exact")),
        overlap=_number(event.more.get("overlap")),
        distinct=1.0 if (distinct := _number(event.more.get("distinct"))) is None else distinct,
        repetition=event.repetition or 0.0,
        seconds=event.seconds or 0.0,
        counts={str(k): int(v) for k, v in counts.items()} if isinstance(counts, Mapping) else {},
        trained=bool(event.more.get("trained")),
        **_parts(event.more),
    )


def _parts(more: Mapping[str, Any]) -> dict[str, Any]:
    """Return how far calls came and what is seen of pictures, where that was measured."""
    return {name: _number(more.get(name)) for name in (*PARTS, *SIGHT)}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
