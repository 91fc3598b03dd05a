"""How many threads compute: as many as the processor has free. Knows the system's counters; nothing of the sums.

Threads of one operation wait for each other. Where others use the cores too, the slowest of them sets the pace, and
those that have finished turn in circles meanwhile: beside two busy processes on two cores, one thread is nearly twice
as quick as two.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# seconds over which the first look measures; a later one measures since the one before
FIRST = 0.3
# of a core, so much may be taken by others and it still counts as free
TAKEN = 0.35


@dataclass(frozen=True, slots=True)
class Share:
    """Hold what was decided.

    Args:
        threads: how many compute from now on.
        before: how many did until now.
        cores: those that this process may use.
        others: of these, how many are at work for other processes, on average since the last look.
    """

    threads: int
    before: int
    cores: float
    others: float


class Threads:
    """Set the number of threads of this process to what is free, once and again at each look.

    Args:
        fixed: a number that stays; None follows what is free, but for a process whose environment says a number
            (OMP_NUM_THREADS).
    """

    def __init__(self, fixed: int | None = None) -> None:
        import torch

        self.most = torch.get_num_threads()
        self.follows = fixed is None and not os.environ.get("OMP_NUM_THREADS")
        if fixed is not None:
            torch.set_num_threads(fixed)
        self.current = torch.get_num_threads()
        self.cores, self.others = usable_cores(), 0.0
        self._seen: tuple[float, float, float] | None = None

    def look(self) -> Share | None:
        """Choose anew; None where nothing changes, or nothing may."""
        if not self.follows:
            return None
        if self._seen is None:
            self._seen = _counters()
            time.sleep(FIRST)
        clock, busy, mine = self._seen
        self._seen = now = _counters()
        elapsed = now[0] - clock
        if elapsed <= 0:
            return None
        others = max(0.0, (now[1] - busy) - (now[2] - mine)) / elapsed
        return self._set(others)

    def _set(self, others: float) -> Share | None:
        import torch

        self.cores, self.others = usable_cores(), others
        number = threads_for(self.cores, others, self.most)
        if number == self.current:
            return None
        share = Share(number, self.current, self.cores, others)
        torch.set_num_threads(number)
        self.current = number
        return share


@contextmanager
def following() -> Iterator[Threads]:
    """Compute with as many threads as are free; afterwards with as many as before."""
    import torch

    before = torch.get_num_threads()
    threads = Threads()
    threads.look()
    try:
        yield threads
    finally:
        torch.set_num_threads(before)


def threads_for(cores: float, others: float, most: int) -> int:
    """Return the threads that ``cores`` have room for beside ``others``; at least one.

    Args:
        cores: those that may be used; less than a whole number under a quota.
        others: cores that are at work for others.
        most: threads that are worth having, those of the library.
    """
    return max(1, min(most, math.floor(cores - others + TAKEN)))


def usable_cores() -> float:
    """Return the cores that this process may use: by its affinity, and by the quota of its group."""
    return min(float(len(_own_cores())), quota() or math.inf)


def quota(root: Path = Path("/sys/fs/cgroup"), group: Path = Path("/proc/self/cgroup")) -> float | None:
    """Return how many cores' time the groups that hold this process may have; None for no limit.

    Source: the kernel's cgroup-v2.rst, ``cpu.max``; sched-bwc.rst, ``cpu.cfs_quota_us``.

    Args:
        root: where the groups are mounted.
        group: where the system names this process's.
    """
    limits = []
    for folder in _groups(root, group):
        words = _words(folder / "cpu.max") or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]) > 0:
            limits.append(int(words[0]) / int(words[1]))
    return min(limits, default=None)


def _groups(root: Path, group: Path) -> list[Path]:
    """The folders of the groups that this process is in, outward; the root itself is a container's own."""
    folders = [root, root / "cpu"]
    try:
        lines = group.read_text(encoding="utf-8").splitlines()
    except OSError:
        return folders
    for line in lines:
        _, names, path = [*line.split(":", 2), "", ""][:3]
        if names and "cpu" not in names.split(","):
            continue
        base = root / "cpu" if names else root
        parts = Path(path.lstrip("/")).parts
        folders += [base.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    return folders


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []


def _own_cores() -> list[int]:
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))


def _counters() -> tuple[float, float, float]:
    """Now; the seconds for which this process's cores have worked; those for which they have worked for it."""
    import psutil

    times = psutil.cpu_times(percpu=True)
    busy = sum(_worked(times[core]) for core in _own_cores() if core < len(times))
    used = psutil.Process().cpu_times()
    return time.monotonic(), busy, used.user + used.system


def _worked(times: object) -> float:
    """The seconds of a core in which it worked for somebody; what a guest used is counted in ``user`` already."""
    names = ("user", "nice", "system", "irq", "softirq", "steal")
    return sum(float(getattr(times, name, 0.0)) for name in names)
