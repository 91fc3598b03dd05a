"""Measurements as an event log holds them. Knows the events' fields; nothing of who measured."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.evaluation.evaluator import Measurement
from workbench.runs.events import EvalEvent, Event


def measured(events: Iterable[Event]) -> list[Measurement]:
    """The evaluations of a run in their order, without their answers; the first is the base's."""
    return [_of(event) for event in events if isinstance(event, EvalEvent)]


def _of(event: EvalEvent) -> Measurement:
    return Measurement(
        step=event.step or 0,
        loss=event.loss,
        identity=event.identity,
        general=event.general,
        leak=event.leak,
        drift=event.drift,
        distinct=float(event.more.get("distinct", 1.0)),
        repetition=event.repetition or 0.0,
        seconds=event.seconds or 0.0,
    )
