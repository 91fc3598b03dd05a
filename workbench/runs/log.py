"""The event log: append, read, follow, replay, rewind. Knows lines and events; must not know who trains or who looks.

One JSON object a line, one ``write`` a line, so that a reader and a kill at any moment see whole lines and at most one
torn last one. Readers skip that one, the next writer mends it. There is one writer at a time: who holds the lock.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from workbench.errors import Failed
from workbench.runs.events import KINDS, Event, StatusEvent, from_line, from_record, to_record
from workbench.runs.files import jsonable, saving, write_bytes

# what must outlive a power cut, not only a kill
_DURABLE = {"status", "checkpoint", "verdict"}


class EventLog:
    """Represent the events of a run, in the file ``path``; the file need not exist yet.

    Args:
        path: ``events.jsonl``; what a resumed run takes back goes to ``events.discarded.jsonl`` beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.discarded = path.with_name(f"{path.stem}.discarded{path.suffix}")
        self._descriptor: int | None = None
        self._seq = 0
        self._left: tuple[int, int] | None = None
        self._guard = threading.Lock()

    # --- writing ---

    def append(self, kind: str, *, step: int | None = None, **fields: Any) -> Event:
        """Write one event, and return it as a reader will see it.

        Raises:
            ValueError: no such kind; a mistake of ours.
            Failed: no space or no permission; the log holds what it held before.
        """
        if kind not in KINDS:
            raise ValueError(f"no event kind {kind!r}; known: {', '.join(KINDS)}")
        with self._guard:
            self._open()
            record = {"kind": kind, "time": round(time.time(), 6), "seq": self._seq + 1, "step": step, **fields}
            event = from_record(jsonable(record))
            line = json.dumps(jsonable(to_record(event)), ensure_ascii=False, allow_nan=False).encode() + b"\n"
            self._write(line, durable=kind in _DURABLE)
            self._seq += 1
            self._left = self._mark()
        return event

    def close(self) -> None:
        """Let go of the file; the next ``append`` opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> None:
        if self._descriptor is not None:
            if self._mark() == self._left:
                return
            self.close()  # another writer was here since: a front end that ended the worker, or this process's own
        with saving(self.path):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(self.path, flags, 0o644)
            try:
                self._mend(self._descriptor)
                self._seq = max(self._last_seq(self.path), self._last_seq(self.discarded))
                self._left = self._mark()
            except BaseException:
                self.close()
                raise

    def _mark(self) -> tuple[int, int] | None:
        """Which file the log is, and its size; None where it is gone."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size

    def _mend(self, descriptor: int) -> None:
        """Cut off a torn or broken end; give an event that only lacks its line end that end."""
        content = self.path.read_bytes()
        *lines, tail = content.split(b"\n")
        if tail and from_line(tail) is not None:
            os.write(descriptor, b"\n")
            return
        size = len(content) - len(tail)
        while lines and from_line(lines[-1]) is None:
            size -= len(lines.pop()) + 1
        if size < len(content):
            os.ftruncate(descriptor, size)

    @staticmethod
    def _last_seq(path: Path) -> int:
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return 0
        return max((event.seq for line in lines if (event := from_line(line))), default=0)

    def _write(self, line: bytes, *, durable: bool) -> None:
        descriptor = self._descriptor
        if descriptor is None:
            raise ValueError("the log is closed")
        with saving(self.path):
            size = os.fstat(descriptor).st_size
            written = 0
            try:
                written = os.write(descriptor, line)
                if durable:
                    _sync(descriptor)
            except OSError:
                _cut(descriptor, size)
                raise
            if written < len(line):  # the disk took a part of the line
                _cut(descriptor, size)
                raise Failed("runs.no_space", path=str(self.path), reason=f"{written}/{len(line)} B")

    def rewind(self, step: int) -> int:
        """Take back what a resume from ``step`` will do again, so that no event stands twice; returns how many.

        Events of later steps, and those without a step that are no status, go to ``events.discarded.jsonl``; status
        events stay, as the history of the interruptions. So the log of a run interrupted often equals that of one never
        interrupted, but for times, sequence numbers and status events. Sequence numbers go on and are not given again;
        so a :class:`Reader` notices. ``step=-1`` takes back all.
        """
        with self._guard:
            self._open()
            lines: list[bytes] = []
            gone: list[bytes] = []
            for line in self.path.read_bytes().split(b"\n"):
                event = from_line(line)
                if event is not None:
                    (lines if _stays(event, step) else gone).append(line + b"\n")
            if gone:
                self._discard(gone)
                self.close()  # Windows replaces no open file
                write_bytes(self.path, b"".join(lines))
        return len(gone)

    def _discard(self, lines: list[bytes]) -> None:
        with saving(self.discarded), self.discarded.open("ab") as file:
            # a kill may have torn the end of an earlier discard
            file.write(b"".join([b"\n" if file.tell() else b"", *lines]))
            file.flush()
            os.fsync(file.fileno())

    # --- reading ---

    def read(self, offset: int = 0) -> tuple[list[Event], int]:
        """Return the events of the whole lines from byte ``offset`` on, and the offset to go on from.

        A torn last line is left for the next call. After a resume took events back, offsets of before mean nothing:
        who reads over resumptions uses :meth:`reader`.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                content = file.read()
        except FileNotFoundError:
            return [], 0
        complete = content[: content.rfind(b"\n") + 1]
        return _parse(complete), offset + len(complete)

    def all(self) -> list[Event]:
        """Return all events, in order."""
        return self.read()[0]

    def reader(self) -> Reader:
        """Return a reader that gives each event once, also over resumptions."""
        return Reader(self.path)

    def follow(self, *, poll: float = 0.2, stop: Callable[[], bool] | None = None) -> Iterator[Event]:
        """Yield all events so far and then each new one, until ``stop()`` says so; what was written before that still
        comes.

        Args:
            poll: seconds between two looks.
            stop: asked before each look; None follows for ever.
        """
        reader = self.reader()
        while True:
            last = stop is not None and stop()
            yield from reader.new()
            if last:
                return
            time.sleep(poll)

    def replay(self, *, speed: float = 1.0, longest_gap: float | None = None) -> Iterator[Event]:
        """Yield the recorded events with their original spacing.

        Args:
            speed: 10 is ten times as fast.
            longest_gap: seconds (of the original) that a pause lasts at most; a run resumed the next day has long ones.
        """
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        due, before = time.monotonic(), None
        for event in self.all():
            gap = 0.0 if before is None else max(0.0, event.time - before)
            before = event.time
            due += (gap if longest_gap is None else min(gap, longest_gap)) / speed
            time.sleep(max(0.0, due - time.monotonic()))
            yield event


class Reader:
    """Give each event once. It remembers the last line it consumed, and so sees when a resume rewrote the log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._last = b""
        self._seen = 0

    def new(self) -> list[Event]:
        """Return the events since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset - len(self._last))
                content = file.read()
                if not content.startswith(self._last):
                    file.seek(0)
                    self._offset, self._last, content = 0, b"", file.read()
        except FileNotFoundError:
            return []
        complete = content[len(self._last) : content.rfind(b"\n") + 1]
        if not complete:
            return []
        self._offset += len(complete)
        self._last = complete[complete.rfind(b"\n", 0, -1) + 1 :]
        events = [event for event in _parse(complete) if event.seq > self._seen]
        self._seen = max([self._seen, *(event.seq for event in events)])
        return events


def _stays(event: Event, step: int) -> bool:
    return isinstance(event, StatusEvent) or (event.step is not None and event.step <= step)


def _parse(content: bytes) -> list[Event]:
    return [event for line in content.split(b"\n") if (event := from_line(line)) is not None]


def _cut(descriptor: int, size: int) -> None:
    if os.fstat(descriptor).st_size > size:
        os.ftruncate(descriptor, size)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        import errno

        if error.errno != errno.EINVAL:  # what is no file on a disk cannot be synced
            raise
