"""Starting trainings for the studio's visitors, who stand in the machine's one line. Knows runs; nothing of pages.

The order is not kept here: a training is a process of its own that holds its ticket in the line of the machine
(``workbench.runs.line``), together with those of notebooks and terminals, and outlives the studio. Here is only what
happens before there is such a process, while the data are read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from workbench.errors import BadInput, WorkbenchError
from workbench.runs import Run, State, stop
from workbench.runs.line import Line as Tickets

# starts at the same time: each reads data and loads libraries
_STARTERS = 2


class Line:
    """Start trainings, one a workspace, and say at which place each of them stands.

    Args:
        at_once: trainings at the same time on this machine; None leaves the line's rule as it is.
        running: runs that were started before and may still be alive, by workspace.

    Raises:
        BadInput: ``at_once``, and the line is another account's.
    """

    def __init__(self, at_once: int | None = None, running: Iterable[tuple[str, Run]] = ()) -> None:
        self._running = dict(running)
        self._starting: set[str] = set()
        self._unwanted: set[str] = set()
        self._trouble: dict[str, WorkbenchError] = {}
        self._lock = threading.Lock()
        self._room = threading.Semaphore(_STARTERS)
        tickets = Tickets.standing() if at_once is not None else None
        if tickets is not None and tickets.rules().at_once != at_once:
            tickets.change(at_once=at_once)

    def join(self, key: str, start: Callable[[], Run]) -> None:
        """Start a training in the background; its process waits for its turn by itself.

        Raises:
            BadInput: this workspace trains or waits already.
        """
        with self._lock:
            self._trouble.pop(key, None)
            if key in self._starting or self._state(key).alive:
                raise BadInput("studio.already")
            self._starting.add(key)
        threading.Thread(target=self._start, args=(key, start), name=f"start-{key[:8]}", daemon=True).start()

    def leave(self, key: str) -> bool:
        """Give the place in the line back; whether there was one. What is just being started is stopped at once."""
        with self._lock:
            if key in self._starting:
                self._unwanted.add(key)
                return True
        if self._state(key).status != "waiting":
            return False
        stop(self._running[key])
        return True

    def starting(self, key: str) -> bool:
        """Whether the click was taken and the training's process is not there yet."""
        return key in self._starting

    def place(self, key: str) -> int:
        """How many have to begin before this one has begun, itself counted; 0: it does not wait."""
        state = self._state(key)
        return int(state.values.get("place") or 1) if state.status == "waiting" else 0

    def minutes(self, key: str) -> float | None:
        """The minutes that it will probably wait; None where not known, or where it does not wait."""
        values = self._state(key).values if self.place(key) else {}
        if not {"minutes", "hours"} & values.keys():
            return None
        return float(values.get("minutes") or 0) + 60 * float(values.get("hours") or 0)

    def trouble(self, key: str) -> WorkbenchError | None:
        """What kept the last training of this workspace from starting."""
        return self._trouble.get(key)

    def _state(self, key: str) -> State:
        run = self._running.get(key)
        with suppress(WorkbenchError):
            if run is not None:
                return run.state()
        return State("new")  # none yet, or its folder is gone

    def _start(self, key: str, start: Callable[[], Run]) -> None:
        try:
            with self._room:
                if key not in self._unwanted:
                    self._running[key] = start()
            if key in self._unwanted and key in self._running:
                stop(self._running[key])
        except WorkbenchError as error:
            self._trouble[key] = error
        except Exception as error:  # the others go on; the page says what it was
            from workbench.steps import as_workbench_error

            self._trouble[key] = as_workbench_error(error)
        finally:
            with self._lock:
                self._starting.discard(key)
                self._unwanted.discard(key)

    def settled(self, timeout: float = 30.0) -> bool:
        """Whether nothing is being started any more; waits for it up to ``timeout`` seconds."""
        until = time.monotonic() + timeout
        while self._starting and time.monotonic() < until:
            time.sleep(0.05)
        return not self._starting
