"""The order of the line, and how long each will wait. Knows tickets as values; reads and writes nothing."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# seconds after which a process that waits and says nothing counts as asleep: stopped, or its machine suspended
ASLEEP = 60.0
# no training takes longer than this many seconds; what says so was damaged, or somebody's joke
_LONGEST = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Rules:
    """Hold what the line allows.

    Args:
        at_once: trainings at the same time on a device.
        each: tickets of one owner, those that train counted.
    """

    at_once: int = 1
    each: int = 3

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Rules:
        """Return the rules of a file; what is no number between 1 and 1000 counts as not said."""
        valid = {
            name: value
            for name in ("at_once", "each")
            if isinstance(value := record.get(name), int) and not isinstance(value, bool) and 1 <= value <= 1000
        }
        return cls(**valid)


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold a ticket as its files say it.

    Args:
        name: the ticket's.
        owner: account, and for whom it asks.
        run: the training's name.
        devices: those that it needs.
        asked: when, nanoseconds since 1970.
        touched: when its process last said that it is awake, seconds since 1970.
        began: since when it has the devices; None as long as it waits.
        over: when it will probably be over; None where not known.
    """

    name: str
    owner: tuple[int, str]
    run: str
    devices: tuple[str, ...]
    asked: int
    touched: float
    began: float | None = None
    over: float | None = None

    @property
    def awake(self) -> bool:
        """Tell whether its process can take its turn."""
        return time.time() - self.touched < ASLEEP


@dataclass(frozen=True, slots=True)
class Ticket:
    """Hold a ticket as people see it.

    Args:
        name: the ticket's.
        owner: for people.
        run: the training's name.
        devices: those that it needs.
        place: 0 trains; 1 is the next.
        waiting: how many wait in all.
        seconds: until it begins, or for one that trains until it ends; None where not known.
        since: when it asked, or began; seconds since 1970.
        mine: whether it is of the owner who looks.
    """

    name: str
    owner: str
    run: str
    devices: tuple[str, ...]
    place: int
    waiting: int
    seconds: float | None
    since: float
    mine: bool


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return those that wait: everybody's first before anybody's second, then by the time of asking; who is asleep
    comes last."""
    counts: Counter[tuple[int, str]] = Counter()
    ranked: list[tuple[bool, int, int, str, Entry]] = []
    for entry in sorted(entries, key=lambda entry: (entry.began is None, entry.asked, entry.name)):
        if entry.began is None:
            ranked.append((not entry.awake, counts[entry.owner], entry.asked, entry.name, entry))
        counts[entry.owner] += 1
    return [entry for *_, entry in sorted(ranked, key=lambda item: item[:4])]


def is_next(name: str, entries: Iterable[Entry], free: Mapping[str, int]) -> bool:
    """Tell whether the ticket may begin: each of its devices has room for it beside all that come before it."""
    room = dict(free)
    for entry in in_order(entries):
        if entry.name == name:
            return all(room.get(device, 0) > 0 for device in entry.devices)
        for device in entry.devices:
            room[device] = room.get(device, 0) - 1
    return False


def usual(past: Sequence[float], entries: Iterable[Entry]) -> float | None:
    """Return the seconds that a training takes here: the median of the latest, and of those that know their end."""
    current = [entry.over - entry.began for entry in entries if entry.began and entry.over]
    durations = [seconds for seconds in (*past, *current) if 0 < seconds < _LONGEST]
    return statistics.median(durations) if durations else None


def forecast(entries: Iterable[Entry], rules: Rules, seconds: float | None) -> dict[str, float]:
    """Return for each ticket the seconds until it begins, for one that trains until it ends; infinite: not known.

    Args:
        entries: all tickets.
        rules: how many train at once.
        seconds: that a training takes here.
    """
    tickets, now = list(entries), time.time()
    takes = math.inf if seconds is None else seconds
    ready: dict[str, list[float]] = {device: [0.0] * rules.at_once for entry in tickets for device in entry.devices}
    waits: dict[str, float] = {}
    for entry in tickets:
        if entry.began is not None:
            over = entry.over if entry.over and entry.over - now < _LONGEST else entry.began + takes
            waits[entry.name] = max(0.0, over - now)
            _occupy(ready, entry.devices, waits[entry.name])
    for entry in in_order(tickets):
        begin = max(min(ready[device]) for device in entry.devices)
        waits[entry.name] = begin
        _occupy(ready, entry.devices, begin + takes)
    return waits


def _occupy(ready: dict[str, list[float]], devices: Iterable[str], until: float) -> None:
    for device in devices:
        times = ready[device]
        times[times.index(min(times))] = until


def in_words(
    entries: Sequence[Entry],
    rules: Rules,
    seconds: float | None,
    me: tuple[int, str],
    account: Callable[[int], str],
) -> tuple[Ticket, ...]:
    """Return all tickets as people see them: those that train, then those that wait, in order.

    Args:
        entries: all tickets.
        rules: how many train at once.
        seconds: that a training takes here.
        me: who looks.
        account: number of an account -> its name.
    """
    waits, waiting = forecast(entries, rules, seconds), in_order(entries)
    training = sorted((entry for entry in entries if entry.began is not None), key=lambda entry: entry.began or 0)
    places = [*((entry, 0) for entry in training), *((entry, n) for n, entry in enumerate(waiting, 1))]
    return tuple(
        Ticket(
            name=entry.name,
            owner="/".join(filter(None, (account(entry.owner[0]), entry.owner[1]))),
            run=entry.run,
            devices=entry.devices,
            place=index,
            waiting=len(waiting),
            seconds=wait if math.isfinite(wait := waits[entry.name]) else None,
            since=entry.began or entry.asked / 1e9,
            mine=entry.owner == me,
        )
        for entry, index in places
    )


def in_minutes(ticket: Ticket) -> tuple[str, dict[str, Any]]:
    """Return place and expected time in words: a key of the texts, and what it names."""
    values: dict[str, Any] = {"place": ticket.place, "waiting": ticket.waiting}
    if ticket.seconds is None:
        return "line.waiting.unknown", values
    minutes = round(ticket.seconds / 60)
    if minutes < 1:
        return "line.waiting.soon", values
    if minutes < 60:
        return "line.waiting.minutes", {**values, "minutes": minutes}
    return "line.waiting.hours", {**values, "hours": minutes // 60, "minutes": minutes % 60}
