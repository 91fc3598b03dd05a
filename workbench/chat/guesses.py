"""Wrong passwords, and how long whoever gave them must wait. Knows addresses and clocks; nothing of pages.

Two counts. By caller: an address, of IPv6 its /64, or on this machine the account that the connection belongs to, so
that no account can lock another one out. In all: of every address that never came in; many addresses are cheap, and a
local account has only one. After :data:`FREE` wrong ones the next must wait a second, then two, and so on to a minute.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FREE = 5  # wrong passwords that cost no time
LONGEST = 60.0  # seconds of waiting
FORGOTTEN = 3600.0  # seconds after which a caller's wrong passwords count no more
CALLERS = 10_000  # that are remembered
ACCOUNT = "account "
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


@dataclass(slots=True)
class _Count:
    """Wrong guesses, and when the last one came, in seconds of the clock."""

    wrong: int = 0
    last: float = 0.0

    def wait(self, now: float) -> float:
        """Return the seconds until the next guess is looked at."""
        if self.wrong < FREE:
            return 0.0
        return max(0.0, self.last + min(LONGEST, 2.0 ** min(self.wrong - FREE, 10)) - now)

    def add(self, now: float) -> None:
        """Count one more."""
        self.wrong, self.last = self.wrong + 1, now


class Guesses:
    """Count how often a password was guessed wrongly. Every method may be called from any thread.

    Args:
        clock: seconds, never backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._callers: OrderedDict[str, _Count] = OrderedDict()
        self._friends: OrderedDict[str, None] = OrderedDict()  # who came in before
        self._all = _Count()
        self._lock = threading.Lock()

    def try_one(self, caller: str, right: Callable[[], bool]) -> tuple[bool, float]:
        """Look at a guess, unless its caller must wait.

        Args:
            caller: who guesses, see :func:`caller_of`.
            right: whether the guess is right; not asked while the caller must wait.

        Returns:
            Whether the caller comes in, and the seconds to wait where the guess was not looked at.
        """
        with self._lock:
            now = self._clock()
            count = self._count_of(caller, now)
            # A local account cannot take another name, and who came in before is no stranger: the wrong guesses of
            # others do not shut them out.
            apart = caller.startswith(ACCOUNT) or caller in self._friends
            counts = [count] if apart else [count, self._all]
            if wait := max(counter.wait(now) for counter in counts):
                return False, wait
            if right():
                del self._callers[caller]
                _put(self._friends, caller, None)
                self._all = _Count()
                return True, 0.0
            for counter in counts:
                counter.add(now)
            return False, 0.0

    def _count_of(self, caller: str, now: float) -> _Count:
        count = self._callers.pop(caller, None)
        if count is None or now - count.last > FORGOTTEN:
            count = _Count()
        if now - self._all.last > FORGOTTEN:
            self._all = _Count()
        _put(self._callers, caller, count)
        return count


@cache
def guesses_of(password: str) -> Guesses:  # noqa: ARG001  the key of the cache
    """Return the one count of this process for a password: for a page that begins anew at every click."""
    return Guesses()


def _put(store: OrderedDict[str, Any], key: str, value: object) -> None:
    """Put the entry last; beyond :data:`CALLERS` the one that was used longest ago goes."""
    store[key] = value
    store.move_to_end(key)
    while len(store) > CALLERS:
        store.popitem(last=False)


def caller_of(client: Sequence[Any] | None, server: Sequence[Any] | None = None) -> str:
    """Name who calls: an account of this machine, else an address; of IPv6 its /64, which one household has whole.

    Args:
        client: address and port of the caller.
        server: address and port that were called.
    """
    if not client:
        return "nobody"
    try:
        address = ipaddress.ip_address(str(client[0]).partition("%")[0])
    except ValueError:
        return str(client[0])[:100]
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if address.is_loopback and server and len(client) > 1:
        account = _account(int(client[1]), int(server[1] or 0))
        if account is not None:
            return f"{ACCOUNT}{account}"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _account(port: int, called: int) -> int | None:
    """The number of the account whose socket on this machine calls from ``port``; None where no table tells.

    Source: proc(5), /proc/net/tcp: local and remote address in hexadecimal, the account in the eighth column.
    """
    for table in _TABLES:
        with suppress(OSError, ValueError, IndexError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                ends = [int(columns[n].rpartition(":")[2], 16) for n in (1, 2)]
                if ends == [port, called] and columns[3] != "06":  # TIME_WAIT has no owner any more
                    return int(columns[7])
    return None
