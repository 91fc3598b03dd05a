"""The typed events of a run. Knows their fields; must not know where they are written, nor who draws them.

Every event has ``kind``, ``time`` (seconds since 1970, UTC), ``seq`` (strictly increasing, never used twice in a
folder) and, where it belongs to a step of the optimizer, ``step``. Fields that this version does not know are kept in
``more``. A number that was not finite (a NaN loss) stands in the log as null, and here as None.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

from workbench.runs.files import number

# What a score is taken apart into: of a call, each part stands on the one before; of pictures, what goes with seeing.
BREAKDOWNS: Mapping[str, tuple[str, ...]] = {
    "calls": ("formed", "tool", "arguments", "calls"),
    "pictures": ("picture", "title", "wrong"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Hold what all events have, and an event of a kind that this version does not know.

    Args:
        kind: status, train, eval, sample, checkpoint, verdict; or a newer version's.
        time: seconds since 1970, UTC.
        seq: strictly increasing in a run's log.
        step: optimizer steps done; None where it does not apply.
        more: fields that the kind does not name.
    """

    KIND: ClassVar[str] = ""

    kind: str
    time: float
    seq: int
    step: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent(Event):
    """Log that the run began, went on, is stopping, or came to an end.

    ``resumed`` with a step S says that the events of later steps were taken back: who drew them takes them back too.

    Args:
        state: running, resumed, stopping, ended, stopped, failed.
        message: what happened, in the worker's language; for ``failed`` what was wrong.
        remedy: what to do next.
        key: the text's key, so that a front end may say it in another language.
        values: what the text names.
    """

    KIND: ClassVar[str] = "status"

    state: str = ""
    message: str = ""
    remedy: str = ""
    key: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainEvent(Event):
    """Hold what was measured of the steps since the last such event.

    Args:
        loss: nats per trained token.
        learning_rate: of the first parameter group.
        grad_norm: before clipping.
        epoch: passes over the training data, with a fraction.
        tokens: tokens seen since the start, padding not counted.
        tokens_per_second: of the steps since the last such event.
        seconds: spent in training since the start, over all resumptions.
        memory: peak bytes of the device.
    """

    KIND: ClassVar[str] = "train"

    loss: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    epoch: float | None = None
    tokens: int | None = None
    tokens_per_second: float | None = None
    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalEvent(Event):
    """Hold the losses and the probes at a step; a share is from 0 to 1.

    Args:
        loss: held-out loss, nats per trained token.
        train_loss: the same on training conversations, where nothing is held out.
        identity: share of identity probes answered right.
        task: share of the questions of one's own data answered rightly.
        general: share of the general probes that the base answered rightly, and that are so still.
        leak: share of unrelated questions answered with the identity.
        drift: distance from the base's distribution, nats per token.
        repetition: share of answers that repeat themselves.
        seconds: what this evaluation took.
    """

    KIND: ClassVar[str] = "eval"

    loss: float | None = None
    train_loss: float | None = None
    identity: float | None = None
    task: float | None = None
    general: float | None = None
    leak: float | None = None
    drift: float | None = None
    repetition: float | None = None
    seconds: float | None = None

    def parts(self) -> dict[str, float]:
        """Return the shares that a score is taken apart into, of what was asked for."""
        shares = {name: number(self.more.get(name)) for names in BREAKDOWNS.values() for name in names}
        return {name: share for name, share in shares.items() if share is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEvent(Event):
    """Hold an answer at a step.

    Args:
        question: the user's text.
        answer: the model's, unchanged; escape it before showing it as HTML.
        probe: identity, task, general, unrelated, or empty for a question of the recipe.
    """

    KIND: ClassVar[str] = "sample"

    question: str = ""
    answer: str = ""
    probe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointEvent(Event):
    """Log that a checkpoint is finished and on the disk.

    Args:
        path: from the run's folder, with forward slashes.
        reason: why it was saved (interval, end, stop …).
    """

    KIND: ClassVar[str] = "checkpoint"

    path: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictEvent(Event):
    """Hold what the curves and probes say at a step.

    Args:
        verdict: learning, good, overfitting, collapsed, blind, unjudged.
        reason: why, in words.
    """

    KIND: ClassVar[str] = "verdict"

    verdict: str = ""
    reason: str = ""


KINDS: dict[str, type[Event]] = {
    cls.KIND: cls for cls in (StatusEvent, TrainEvent, EvalEvent, SampleEvent, CheckpointEvent, VerdictEvent)
}
_NAMES = {cls: {f.name: f for f in fields(cls)} for cls in (*KINDS.values(), Event)}


def from_record(record: Mapping[str, Any]) -> Event:
    """Return the typed event of a line's object; a newer version's kinds and fields are kept, never refused."""
    cls = KINDS.get(str(record.get("kind")), Event)
    named = _NAMES[cls]
    fields = {key: value for key, value in record.items() if key in named and key != "more"}
    more = {key: value for key, value in record.items() if key not in named}
    for key, value in list(fields.items()):  # a null where the field has a default that is no None, e.g. a text
        if (value is None and named[key].default not in (None, MISSING)) or not _fits(value, str(named[key].type)):
            del fields[key]
    fields["kind"] = str(record.get("kind", ""))
    fields["time"] = number(record.get("time")) or 0.0
    fields["seq"] = int(number(record.get("seq")) or 0)
    return cls(**fields, more=more)


def _fits(value: Any, kind: str) -> bool:
    """Whether a field that is declared as ``kind`` may hold ``value``; what it may not hold was damaged, and is left
    out."""
    if value is None or kind.startswith("Mapping"):
        return value is None or isinstance(value, Mapping)
    if kind.startswith("str"):
        return isinstance(value, str)
    return number(value) is not None


def to_record(event: Event) -> dict[str, Any]:
    """Return the object that a line holds: ``kind``, ``time``, ``seq``, then the fields that say more than their
    default."""
    record: dict[str, Any] = {"kind": event.kind, "time": event.time, "seq": event.seq}
    for name, attribute in _NAMES[type(event)].items():
        value = getattr(event, name)
        if name not in record and name != "more" and value not in (attribute.default, {}):
            record[name] = value
    return {**record, **event.more}


def from_line(line: bytes) -> Event | None:
    """Return the event of a line of the log; None for a line that a kill or a power cut left broken."""
    try:
        record = json.loads(line)
        return from_record(record) if isinstance(record, dict) and "kind" in record else None
    except (ValueError, TypeError, RecursionError):
        return None
