"""Which process a worker is, whether it still lives, and the lock that only one holds.

Knows the system; must not know what a run is.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# what a file system without locks answers (some network and cloud mounts)
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_held: set[int] = set()


@dataclass(frozen=True, slots=True)
class Process:
    """Hold a process that cannot be mistaken for a later one with the same number.

    Args:
        pid: its number.
        start: when it started, as this system says it (Linux: boot and clock ticks); empty where it cannot be known.
        host: the machine's name.
    """

    pid: int
    start: str
    host: str

    @classmethod
    def of(cls, pid: int) -> Process:
        """Return the process that has the number ``pid`` now."""
        return cls(pid, started(pid) or "", socket.gethostname())

    @classmethod
    def current(cls) -> Process:
        """Return this one."""
        return cls.of(os.getpid())

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Process | None:
        """Return the process that a JSON object names, or None."""
        pid = record.get("pid")
        if not isinstance(pid, int) or isinstance(pid, bool) or not 0 < pid < 2**31:
            return None
        return cls(pid, str(record.get("process_start") or ""), str(record.get("host") or ""))

    def record(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"pid": self.pid, "process_start": self.start, "host": self.host}

    def alive(self) -> bool | None:
        """Tell whether it lives; None where this system, or this machine, cannot tell."""
        if self.host != socket.gethostname():
            return None
        now = started(self.pid)
        if now is None:
            return False if _has_proc() or not _exists(self.pid) else None
        return now == self.start if self.start else None  # whether it is this one, the run's lock says

    def works_in(self, folder: Path) -> bool:
        """Tell whether it is this very process, and works in ``folder``: it holds the lock there, or stands in it, as a
        worker does from its first moment on. Where that cannot be told it does not."""
        import psutil

        if not self.start or self.alive() is not True:
            return False
        try:
            process = psutil.Process(self.pid)
            if _same(process.cwd(), folder):
                return True
            return any(_same(file.path, folder / "lock") for file in process.open_files())
        except (psutil.Error, OSError):
            return False


def _same(path: str, folder: Path) -> bool:
    try:
        return Path(path).samefile(folder)
    except OSError:
        return False


def _exists(pid: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(pid))


def started(pid: int) -> str | None:
    """Tell when ``pid`` started: on Linux boot and clock ticks, elsewhere seconds since 1970; None where it is gone,
    has ended, or cannot be known.

    Source: proc(5), /proc/PID/stat, fields 3 (state) and 22 (starttime); psutil elsewhere.
    """
    if not _has_proc():
        return _started_elsewhere(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name in parentheses may hold anything
    if len(fields) < 20 or fields[0] in "ZX":  # a zombie has ended, only nobody has asked how
        return None
    return f"{_boot()}:{fields[19]}"


def _started_elsewhere(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except (psutil.Error, OSError):
        return None


def tied() -> dict[str, Any]:
    """Return arguments of ``Popen`` for a child that ends with this process, however it ends; empty where no system
    call does that.

    Source: prctl(2), PR_SET_PDEATHSIG. The child is killed when the thread that starts it ends.
    """
    call = _parent_death()
    return {"preexec_fn": call} if call else {}


def end_with_parent(parent: int) -> None:
    """End this process when the one with the id ``parent``, which started it, ends, where a system call does that; at
    once if that is gone already."""
    if call := _parent_death():
        call()
        if os.getppid() != parent:
            sys.exit(1)


def _parent_death() -> Callable[[], object] | None:
    """What asks Linux to kill the process at its parent's end; bound before a fork, for after one nothing may load."""
    if sys.platform.startswith("linux"):
        import ctypes
        import signal

        with suppress(OSError, AttributeError):
            call, number = ctypes.CDLL(None).prctl, int(signal.SIGKILL)
            return lambda: call(1, number, 0, 0, 0)
    return None


def _has_proc() -> bool:
    return sys.platform.startswith("linux") and Path("/proc/self/stat").exists()


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    return ""


class Lock:
    """Let one process at a time hold a file, which is free at once when that process is gone, however it went.

    Args:
        path: the lock's file; it stays when the lock is released.
    """

    # a pipe that somebody put there would be waited for
    _LOOKING = os.O_RDWR if os.name == "nt" else os.O_RDONLY | os.O_NONBLOCK

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take it; False where another holds it. On a file system without locks it is always given.

        Raises:
            OSError: the file cannot be made.
        """
        for _ in range(5):  # who only looks whether it is held, holds it for an instant
            descriptor = self._open()
            if _take(descriptor, shared=False):
                self._descriptor = descriptor
                _held.add(descriptor)
                return True
            os.close(descriptor)
            time.sleep(0.01)
        return False

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)

    def reserve(self, size: int) -> None:
        """Keep ``size`` bytes of the disk in the lock's file, for a last word when the disk is full.

        Raises:
            OSError: they are not there.
        """
        if self._descriptor is not None:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, b"\0" * size)

    def spend(self) -> None:
        """Give the reserved bytes back to the disk."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)

    def release(self) -> None:
        """Let it go."""
        if self._descriptor is not None:
            self.spend()  # of one that is open to be read only nothing was reserved
            _held.discard(self._descriptor)
            _give(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def is_held(self) -> bool:
        """Tell whether some process holds it now."""
        try:
            descriptor = os.open(self.path, self._LOOKING)
        except OSError:
            return False
        try:
            free = _take(descriptor, shared=True)
            if free:
                _give(descriptor)
            return not free
        finally:
            os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int, *, shared: bool) -> bool:  # noqa: ARG001
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _give(descriptor: int) -> None:
        with suppress(OSError):
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(descriptor: int, *, shared: bool) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        return True

    def _give(descriptor: int) -> None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _drop_in_child() -> None:
        # A forked child (a loader of data) shares the lock and would keep it after its parent was killed.
        for descriptor in _held:
            with suppress(OSError):
                os.close(descriptor)
        _held.clear()

    os.register_at_fork(after_in_child=_drop_in_child)
