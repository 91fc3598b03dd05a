"""The one line for the devices of a machine: tickets as files, seen by every front end and every account.

Knows tickets, owners and devices; must not know what a training is. The process that trains holds its ticket itself, by
a lock of the system's, so that no server is needed to keep the order and a dead process blocks nobody:

    rules.json           trainings at once on a device, tickets of one owner; counts where root or the keeper wrote it
    ticket-NAME.json     who waits, for which devices, since when it has them; touched as long as its process is awake
    ticket-NAME.lock     locked as long as that process lives; made once, so the time of its inode is that of the asking
    slot-DEVICE.N        locked by the training that has the device
    past-NAME.json       how long a training took

All in one folder, for whoever owns a folder may take away what is in it.

The order is fair by owner: everybody's first ticket comes before anybody's second, and among these who asked first.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.errors import BadInput, Failed
from workbench.runs import queueing
from workbench.runs.common import SharedLock, account, account_name, look, open_to_all, printable, put
from workbench.runs.files import number
from workbench.runs.process import Lock
from workbench.runs.queueing import Entry, Rules, Ticket

# names a folder, or "off"
FOLDER, OWNER = "WORKBENCH_LINE", "WORKBENCH_OWNER"
# a folder that whoever looks after the machine has made; else one in the folder that all accounts share
_SHARED_PLACES = ("/var/lib/workbench-line", "/tmp/workbench-line")  # noqa: S108  nothing in it is trusted
_NAME = re.compile(r"ticket-([0-9a-f]{24})")
_DEVICE = re.compile(r"[A-Za-z0-9-]{1,60}")
# trainings of an account whose durations are remembered
_REMEMBERED = 20
# seconds between two notes of how far a training is
_NOTED = 5.0


def owner_here() -> str:
    """Return for whom this process asks, where one account asks for several people: JupyterHub's name, or our own
    variable; empty for the account itself."""
    return printable(os.environ.get(OWNER) or os.environ.get("JUPYTERHUB_USER"))


class Line:
    """Represent the line that a folder holds.

    Args:
        folder: where the tickets lie; made where it is missing.

    Raises:
        BadInput: anybody could take another's ticket away there. Failed: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self.folder = open_to_all(folder)
        except Failed as error:
            raise Failed("line.no_folder", folder=folder, reason=error.values.get("reason", "")) from error

    @classmethod
    def standing(cls) -> Line | None:
        """Return the line of this machine; None where it is switched off, or Slurm deals the devices out.

        Raises:
            BadInput, Failed: as the class.
        """
        chosen = os.environ.get(FOLDER, "")
        if chosen == "off" or (not chosen and "SLURM_JOB_ID" in os.environ):
            return None
        return cls(Path(chosen).expanduser() if chosen else _usual_folder())

    def rules(self) -> Rules:
        """Return how many may train at once and stand in line; the folder's owner and root say so, nobody else."""
        record = look(self.folder / "rules.json")
        return Rules.of(record[0]) if record and record[1].st_uid in (0, self._keeper()) else Rules()

    def change(self, at_once: int | None = None, each: int | None = None) -> Rules:
        """Write new rules; None leaves one as it is.

        Raises:
            BadInput: this account does not own the folder.
        """
        if account() not in (0, self._keeper()):
            raise BadInput("line.not_yours", folder=self.folder, owner=account_name(self._keeper()))
        before = self.rules()
        rules = Rules(at_once or before.at_once, each or before.each)
        put(self.folder / "rules.json", {"at_once": rules.at_once, "each": rules.each})
        return rules

    def tickets(self, owner: str | None = None) -> tuple[Ticket, ...]:
        """Return who trains and who waits, in order.

        Args:
            owner: for whom ``mine`` is told; by default :func:`owner_here`.
        """
        me = self._identity(account(), owner_here() if owner is None else owner)
        entries = list(self._entries())
        usual = queueing.usual(self._past(), entries)
        return queueing.in_words(entries, self.rules(), usual, me, account_name)

    def is_crowded(self) -> bool:
        """Tell whether somebody waits, or as many train as may on one device: who comes now will probably wait."""
        entries = list(self._entries())
        waiting = any(entry.began is None for entry in entries)
        return waiting or len(entries) >= self.rules().at_once

    def check(self, owner: str) -> None:
        """Refuse one ticket too many.

        Raises:
            BadInput: this owner has as many as one may have.
        """
        limit = self.rules().each
        me = self._identity(account(), owner)
        mine = [entry for entry in self._entries() if entry.owner == me and (entry.began or entry.awake)]
        if len(mine) >= limit:
            runs = tuple(entry.run for entry in sorted(mine, key=lambda entry: entry.asked))
            raise BadInput("line.too_many", count=len(mine), limit=limit, runs=runs)

    def take(self, owner: str, run: str, devices: Sequence[str]) -> Turn:
        """Take a ticket for this process; it is given back when the process ends, however it does.

        Args:
            owner: for whom, where one account asks for several people.
            run: the training's name, for people.
            devices: those that it needs.

        Raises:
            BadInput: this owner has as many as one may have. Failed: no space, no permission.
        """
        name = secrets.token_hex(12)
        with self._alone():
            self._clear()
            self.check(owner)
            lock = SharedLock(self.folder / f"ticket-{name}.lock")
            lock.acquire()
            record: dict[str, object] = {"owner": printable(owner), "run": printable(run), "devices": list(devices)}
            put(self.folder / f"ticket-{name}.json", record)
        return Turn(self, name, lock, record, tuple(devices))

    def _keeper(self) -> int:
        return self.folder.stat().st_uid

    def _identity(self, number: int, label: str) -> tuple[int, str]:
        """Who an owner is: the account, and only where it is the folder's own, one of those for whom it asks."""
        return number, printable(label) if number in (0, self._keeper()) else ""

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process of this account takes a ticket meanwhile, so that none slips past the limit."""
        lock, until = Lock(self.folder / f"owner-{account()}"), time.monotonic() + 10
        with suppress(OSError):  # somebody else has put a file there: then the limit may be missed by one
            while not lock.acquire() and time.monotonic() < until:
                time.sleep(0.01)
            lock.path.chmod(0o600)  # nobody else can hold it
        try:
            yield
        finally:
            lock.release()

    def _entries(self) -> Iterator[Entry]:
        """Every ticket whose process lives."""
        for path in self.folder.glob("ticket-*.json"):
            entry = self._entry(path)
            if entry is not None:
                yield entry

    def _entry(self, path: Path) -> Entry | None:
        lock = path.with_suffix(".lock")
        named, content = _NAME.fullmatch(path.stem), look(path)
        if named is None or content is None:
            return None
        record, status = content
        try:
            asked = lock.lstat()
        except OSError:
            return None
        devices = record.get("devices")
        if asked.st_uid != status.st_uid or not isinstance(devices, list) or not SharedLock(lock).is_held():
            return None  # a ticket of one account on the lock of another is none
        needs = tuple(str(device) for device in devices[:64])
        if not needs or not all(_DEVICE.fullmatch(device) for device in needs):
            return None
        return Entry(
            name=named[1],
            owner=self._identity(status.st_uid, str(record.get("owner") or "")),
            run=printable(record.get("run")),
            devices=needs,
            asked=asked.st_ctime_ns,
            touched=status.st_mtime,
            began=number(record.get("began")),
            over=number(record.get("over")),
        )

    def _clear(self) -> None:
        """Take away tickets whose process is gone: this account's own, and all of them where it may."""
        for path in self.folder.glob("ticket-*.json"):
            lock = path.with_suffix(".lock")
            if not SharedLock(lock).is_held():
                with suppress(OSError):
                    path.unlink()
                    lock.unlink(missing_ok=True)

    def _free(self, devices: Iterable[str]) -> dict[str, int]:
        count = self.rules().at_once
        return {d: sum(not SharedLock(self._slot(d, n)).is_held() for n in range(count)) for d in devices}

    def _slot(self, device: str, index: int) -> Path:
        return self.folder / f"slot-{device}.{index}"

    def _past(self) -> list[float]:
        """The seconds that the latest trainings took."""
        contents = [content for path in self.folder.glob("past-*.json") if (content := look(path))]
        latest = sorted(contents, key=lambda content: -content[1].st_mtime)[:_REMEMBERED]
        return [seconds for record, _ in latest if (seconds := number(record.get("seconds")) or 0) > 0]

    def remember(self, seconds: float) -> None:
        """Note how long a training took."""
        put(self.folder / f"past-{secrets.token_hex(12)}.json", {"seconds": seconds})
        with suppress(OSError):
            paths = [path for path in self.folder.glob("past-*.json") if path.stat().st_uid == account()]
            for path in sorted(paths, key=lambda path: path.stat().st_mtime)[:-_REMEMBERED]:
                path.unlink(missing_ok=True)


class Turn:
    """Represent this process's own ticket; made by :meth:`Line.take`.

    Args:
        line: the line.
        name: the ticket's.
        lock: what this process holds.
        record: what the ticket says.
        devices: those that it asks for.
    """

    def __init__(self, line: Line, name: str, lock: Lock, record: dict[str, object], devices: tuple[str, ...]) -> None:
        self.line, self.name, self.devices = line, name, devices
        self._lock, self._record = lock, record
        self._slots: list[Lock] = []
        self._began = self._noted = 0.0
        self._first = 0

    def begin(self) -> bool:
        """Take the devices where it is this ticket's turn; else say that the process is awake."""
        path = self._path()
        with suppress(OSError):
            os.utime(path)
        if not path.exists():  # somebody cleared the folder by hand: the place is asked for anew
            put(path, self._record)
        entries = list(self.line._entries())
        if not queueing.is_next(self.name, entries, self.line._free(self._all(entries))) or not self._seize():
            return False
        self._began = time.time()
        self._note(began=self._began)
        return True

    def look(self) -> Ticket | None:
        """Return where this ticket stands, and how many wait."""
        return next((ticket for ticket in self.line.tickets() if ticket.name == self.name), None)

    def progress(self, step: int, total: int) -> None:
        """Note when the training will probably be over, for those who wait; cheap enough for every step."""
        self._first = self._first or step
        if self._began and self._first < step <= total and time.monotonic() - self._noted >= _NOTED:
            self._noted, now = time.monotonic(), time.time()
            pace = (now - self._began) / (step - self._first + 1)
            with suppress(Failed):  # a full disk ends the training in its own words
                self._note(over=now + pace * (total - step))

    def leave(self, *, finished: bool = False) -> None:
        """Give devices and ticket back.

        Args:
            finished: the training came to its end; how long it took tells the others how long theirs will.
        """
        with suppress(OSError, Failed):
            if finished and self._began:
                self.line.remember(time.time() - self._began)
        with suppress(OSError):
            self._path().unlink(missing_ok=True)
            self._lock.path.unlink(missing_ok=True)
        for lock in (*self._slots, self._lock):
            lock.release()
        self._slots = []

    def _path(self) -> Path:
        return self.line.folder / f"ticket-{self.name}.json"

    def _note(self, **more: float) -> None:
        self._record = {**self._record, **more}
        put(self._path(), self._record)

    def _all(self, entries: Sequence[Entry]) -> set[str]:
        return {*self.devices, *(device for entry in entries for device in entry.devices)}

    def _seize(self) -> bool:
        """Lock a slot of each device, or none."""
        count = self.line.rules().at_once
        for device in self.devices:
            slots = (SharedLock(self.line._slot(device, index)) for index in range(count))
            lock = next((slot for slot in slots if slot.acquire()), None)
            if lock is None:
                for seized in self._slots:
                    seized.release()
                self._slots = []
                return False
            self._slots.append(lock)
        return True


def _usual_folder() -> Path:
    if os.name == "nt":
        return Path(os.environ.get("PROGRAMDATA") or Path.home()) / "workbench-line"
    return next((Path(place) for place in _SHARED_PLACES if Path(place).is_dir()), Path(_SHARED_PLACES[-1]))
