"""Turns at a device that many want: so many at once, the others in order, then "busy". Knows threads only."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workbench.errors import Failed


class Places:
    """Represent a line that is served in the order of arrival.

    Args:
        at_once: how many are served at the same time.
        waiting: how many may wait; who comes then is told that it is busy.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self.at_once, self.waiting = at_once, waiting
        self._line: deque[object] = deque()
        self._served = 0
        self._changed = threading.Condition()

    @property
    def served(self) -> int:
        """Tell how many are being served."""
        return self._served

    @property
    def in_line(self) -> int:
        """Tell how many wait."""
        return len(self._line)

    @contextmanager
    def turn(self, gone: Callable[[], bool] | None = None) -> Iterator[bool]:
        """Wait for a turn; gives whether it came: not where ``gone`` says that nobody waits any more.

        Raises:
            Failed: too many wait already.
        """
        came = self._wait(gone or (lambda: False))
        try:
            yield came
        finally:
            if came:
                with self._changed:
                    self._served -= 1
                    self._changed.notify_all()

    def _wait(self, gone: Callable[[], bool]) -> bool:
        ticket = object()
        with self._changed:
            if self._served >= self.at_once and len(self._line) >= self.waiting:
                raise Failed("web.busy")
            self._line.append(ticket)
            try:
                while not (self._line[0] is ticket and self._served < self.at_once):
                    if gone():
                        return False
                    self._changed.wait(0.2)
                self._served += 1
                return True
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()
