"""The line for the device: so many trainings at once, the others in order. Knows runs; nothing of pages.

A training is a process of its own that outlives the studio, so the line also counts those that it did not start.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.runs import Run, stop

POLL = 0.5


class Line:
    """Who may train next. One place a workspace, so that nobody who clicks often comes first.

    Args:
        at_once: trainings at the same time.
        waiting: how many may wait; who comes then is told that it is busy.
        running: runs that were started before and may still be alive, by workspace.
    """

    def __init__(self, at_once: int = 1, waiting: int = 20, running: Iterable[tuple[str, Run]] = ()) -> None:
        self.at_once, self.waiting = at_once, waiting
        self._running = dict(running)
        self._line: deque[tuple[str, Callable[[], Run]]] = deque()
        self._starting: set[str] = set()
        self._unwanted: set[str] = set()
        self._trouble: dict[str, WorkbenchError] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        threading.Thread(target=self._serve, name="line", daemon=True).start()

    def join(self, key: str, start: Callable[[], Run]) -> None:
        """Wait for a turn; ``start`` is called when it comes.

        Raises:
            BadInput: this workspace trains or waits already. Failed: too many wait.
        """
        with self._lock:
            self._trouble.pop(key, None)
            if key in self._starting or any(key == waiting for waiting, _ in self._line) or self._alive(key):
                raise BadInput("studio.already")
            if len(self._line) >= self.waiting:
                raise Failed("web.busy")
            self._line.append((key, start))
        self._wake.set()

    def leave(self, key: str) -> bool:
        """Give the place in the line back; whether there was one. What is just being started is stopped at once."""
        with self._lock:
            kept = [entry for entry in self._line if entry[0] != key]
            left = len(kept) < len(self._line)
            self._line = deque(kept)
            if key in self._starting:
                self._unwanted.add(key)
                left = True
        return left

    def place(self, key: str) -> int:
        """How many have to end before this one begins, itself counted; 0: it does not wait."""
        with self._lock:
            if key in self._starting:
                return 1
            return next((i + 1 for i, (waiting, _) in enumerate(self._line) if waiting == key), 0)

    def trouble(self, key: str) -> WorkbenchError | None:
        """What kept the last training of this workspace from starting."""
        return self._trouble.get(key)

    def _alive(self, key: str) -> bool:
        run = self._running.get(key)
        with suppress(WorkbenchError):
            return run is not None and run.state().alive
        return False  # its folder is gone

    def _serve(self) -> None:
        while True:
            self._wake.wait(POLL)
            self._wake.clear()
            while (entry := self._next()) is not None:
                self._start(*entry)

    def _next(self) -> tuple[str, Callable[[], Run]] | None:
        with self._lock:
            self._running = {key: run for key, run in self._running.items() if self._alive(key)}
            if not self._line or len(self._running) >= self.at_once:
                return None
            entry = self._line.popleft()
            self._starting.add(entry[0])
            return entry

    def _start(self, key: str, start: Callable[[], Run]) -> None:
        try:
            run = start()
            with self._lock:
                self._running[key] = run
                self._starting.discard(key)
                unwanted = key in self._unwanted
            if unwanted:
                stop(run)
        except WorkbenchError as error:
            self._trouble[key] = error
        except Exception as error:  # the line goes on for the others; the page says what it was
            from workbench.steps import as_workbench_error

            self._trouble[key] = as_workbench_error(error)
        finally:
            with self._lock:
                self._starting.discard(key)
                self._unwanted.discard(key)

    def settled(self, timeout: float = 30.0) -> bool:
        """Whether nothing waits or starts any more; waits for it up to ``timeout`` seconds."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            with self._lock:
                if not self._line and not self._starting:
                    return True
            time.sleep(0.05)
        return False
