"""What keeps a panel moving: a task of the kernel's own loop, and threads for long jobs. Knows asyncio and threads;
nothing of what is shown.

A panel's training runs in another process, and what it tells is read here between two cells, so the kernel stays free.
A thread never touches a widget, prints or displays: it works, and the task on the loop shows what came of it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

PERIOD = 0.4  # seconds between two looks; each look draws only what changed


class Ticker:
    """Call ``tick`` on the kernel's loop as long as it says that more is to come.

    Without a running loop (plain Python, a test) nothing is called; whoever wants to look calls ``tick`` themselves.

    Args:
        tick: one look; returns whether to look again.
        period: seconds between two looks.
    """

    def __init__(self, tick: Callable[[], bool], period: float = PERIOD) -> None:
        self._tick, self._period = tick, period
        self._loop = _running_loop()
        self._task: asyncio.Task[None] | None = None
        self._wanted = False

    def wake(self) -> None:
        """Look from now on; may be called from any thread, and more than once."""
        self._wanted = True
        self._loop = self._loop or _running_loop()
        if self._loop is not None and not self._loop.is_closed():
            # A context of its own: what a cell or a click left in this one (whose output it is) is not the task's.
            self._loop.call_soon_threadsafe(self._begin, context=contextvars.Context())

    def rest(self) -> None:
        """Look no more, until the next :meth:`wake`."""
        self._wanted = False

    @property
    def awake(self) -> bool:
        """Tell whether it looks."""
        return self._task is not None and not self._task.done()

    def _begin(self) -> None:
        if self._wanted and not self.awake:
            self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while self._wanted and self._tick():
            await asyncio.sleep(self._period)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    if threading.current_thread() is not threading.main_thread():
        return None  # a subshell's loop ends with its subshell
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class _Worker(threading.Thread):
    """The thread of a job."""


def in_a_job() -> bool:
    """Tell whether this runs in a job's thread, which must not touch widgets."""
    return isinstance(threading.current_thread(), _Worker)


class Job:
    """Represent a piece of work in a thread of its own.

    Args:
        work: what is done; it may take long, and must not touch widgets.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self.error: BaseException | None = None
        self._work = work
        self._thread = _Worker(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            _quiet()
            self._work()
        except BaseException as error:  # shown as a card, whatever it is
            self.error = error

    @property
    def over(self) -> bool:
        """Tell whether it has ended."""
        return not self._thread.is_alive()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end; whether it came."""
        self._thread.join(timeout)
        return self.over


def _quiet() -> None:
    """Libraries' bars and remarks, printed from a thread, would land under whichever cell runs then."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
