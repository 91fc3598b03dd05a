"""The worker's side of a run: claim it, tell how it goes, hear the wish to stop.

Knows the folder; must not know how training is done.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from workbench.errors import Failed, Interrupted, WorkbenchError
from workbench.runs import checkpoints, jobs
from workbench.runs.events import Event
from workbench.runs.files import number, read_json, refused, saving, write_json
from workbench.runs.front import busy, resume_command
from workbench.runs.line import Line, Turn
from workbench.runs.process import Lock, Process
from workbench.runs.queueing import in_minutes
from workbench.runs.run import Run
from workbench.runs.state import FINAL, foreign, launching, mark, read_launch
from workbench.texts import text

# seconds between two heartbeats on the disk
BEAT = 0.5
# bytes of the disk kept for the last word, so that a full disk can still be told of
RESERVE = 32_768
# seconds to wait for a worker that has said its last word and is about to go
LEAVING = 10.0
# seconds between two looks at the line: for the next in it, and at most; one far behind looks more seldom
LOOKS = (0.25, 5.0)
# seconds since its last sign of life in which a worker on another machine counts as alive
FRESH = 60.0


class Claim:
    """Represent the worker's hold on its run; made by :func:`claim`.

    Args:
        run: the run.
        total_steps: steps of the whole run, 0 where not yet known.
        step: optimizer steps done before this start.
    """

    def __init__(self, run: Run, *, total_steps: int = 0, step: int = 0) -> None:
        self.run = run
        self.step = step
        self.total_steps = total_steps
        self.outcome: str | None = None
        self.asked = False
        self._message = ""
        self._process = Process.current()
        self._folder = mark(run.path)
        self._since = time.time()
        self._beaten = 0.0
        self._heard = False
        self._turn: Turn | None = None
        self.cause = ""
        self.listeners: list[Callable[[Event], None]] = []

    def log(self, kind: str, *, step: int | None = None, **fields: Any) -> Event:
        """Append an event, and hand it to the listeners; ``step`` defaults to the step of the last heartbeat (status
        events have none)."""
        if step is None and kind != "status":
            step = self.step
        event = self.run.events.append(kind, step=step, **fields)
        for listener in self.listeners:
            listener(event)
        return event

    def beat(self, step: int, total_steps: int | None = None) -> None:
        """Say that ``step`` is done; cheap enough for every step (it reaches the disk twice a second at most)."""
        self.step = step
        self.total_steps = self.total_steps if total_steps is None else total_steps
        if time.monotonic() - self._beaten >= BEAT:
            self._write("running", durable=False)
            self._beaten = time.monotonic()
        if self._turn is not None:
            self._turn.progress(step, self.total_steps)

    @property
    def stop_requested(self) -> bool:
        """Tell whether somebody asked the worker to save and end (the ``stop`` file, SIGTERM, Ctrl-C)."""
        if not self._heard and (self.asked or stop_requested(self.run)):
            self._heard = True
            self._say("stopping", step=self.step)
            self._write("stopping")
        return self._heard

    @contextmanager
    def turn(self, owner: str, devices: Sequence[str]) -> Iterator[bool]:
        """Wait in the line for the devices, and have them while it lasts; False where a stop was requested meanwhile.

        Args:
            owner: for whom, where one account asks for several people.
            devices: those that the training needs.

        Raises:
            BadInput: this owner has as many tickets as one may have. Failed: there can be no line.
        """
        line = Line.standing()
        if line is None:
            yield not self.stop_requested
            return
        turn = line.take(owner, self.run.name, devices)
        finished = False
        try:
            begins = self._await(turn)
            self._turn = turn if begins else None
            yield begins
            finished = begins and not self._heard
        finally:
            self._turn = None
            turn.leave(finished=finished)

    def _await(self, turn: Turn) -> bool:
        """Whether the turn came before the wish to stop; tells the place meanwhile, each one once."""
        seen = 0
        while not turn.begin():
            ticket = turn.look()
            if ticket is not None and ticket.place:
                key, values = in_minutes(ticket)
                fields: dict[str, Any] = {"message": text(key, **values), "key": key, "values": values}
                self._write("waiting", durable=False, **fields)
                if ticket.place != seen:
                    self.log("status", state="waiting", **fields)
                seen = ticket.place
            until = time.monotonic() + min(LOOKS[1], LOOKS[0] * max(1, seen))
            while time.monotonic() < until:
                if self.stop_requested:
                    return False
                time.sleep(0.1)
        if seen:
            self.log("status", state="running", message=text("line.turn"), key="line.turn", values={})
        self._write("running")
        return not self.stop_requested

    def finish(self, outcome: str, message: str = "") -> None:
        """Decide how the run ends, ``ended`` or ``stopped``, where it is not plain from the steps done.

        Without it, a run is ``stopped`` when a stop was requested before the last step, else ``ended``.
        """
        self.outcome, self._message = outcome, message

    def _begin(self, resume_from: int | None) -> None:
        checkpoints.clean(self.run)
        launch = read_launch(self.run.path)
        # a front end has removed the old wish before it started this process, and may have wished anew
        if launch is None or not launching(launch, self.run.path):
            (self.run.path / "stop").unlink(missing_ok=True)
        self._write("running")
        (self.run.path / "starting.json").unlink(missing_ok=True)
        self.run.events.rewind(-1 if resume_from is None else resume_from)
        if resume_from is None:
            self._say("running", step=0, pid=self._process.pid)
        else:
            checkpoints.heal(self.run)
            self._say("resumed", step=resume_from, pid=self._process.pid)

    def _say(self, state: str, *, step: int, **more: Any) -> None:
        self.log("status", state=state, step=step, **_told(state, step), **more)

    def _end(self) -> None:
        stopped = self._heard and not 0 < self.total_steps <= self.step
        outcome = self.outcome or ("stopped" if stopped else "ended")
        words = _told("limit" if outcome == "stopped" and self.cause == "limit" else outcome, self.step)
        self._last_word(outcome, **({"message": self._message} if self._message else words))

    def _fail(self, error: BaseException) -> WorkbenchError:
        """Write what went wrong to log and state, and the traceback to worker.log; returns the error to leave with."""
        failure = self._typed(error)
        fields = {"message": failure.say(), "remedy": failure.do(), "key": failure.key, "values": dict(failure.values)}
        # a full disk must not hide why the run ended
        with suppress(WorkbenchError, OSError):
            self._last_word(
                "stopped" if isinstance(failure, Interrupted) else "failed", type(failure).__name__, **fields
            )
        with suppress(OSError), (self.run.path / "worker.log").open("a", encoding="utf-8") as file:
            file.write("".join(traceback.format_exception(type(error), error, error.__traceback__)))
        return failure

    def _typed(self, error: BaseException) -> WorkbenchError:
        if isinstance(error, WorkbenchError):
            return error
        command = resume_command(self.run)
        if isinstance(error, KeyboardInterrupt):
            return Interrupted("runs.interrupted", run=self.run.name, command=command)
        name = type(error).__name__
        log = str(self.run.path / "worker.log")
        crashed = Failed("runs.crashed", reason=f"{name}: {error}"[:500], log=log, command=command)
        return refused(error, self.run.path) or crashed

    def _last_word(self, status: str, error: str = "", **fields: Any) -> None:
        try:
            self.log("status", state=status, step=self.step, **fields)
        finally:
            more: dict[str, Any] = {"error": error} if error else {}
            self._write(status, **fields, **more)

    def _write(self, status: str, *, durable: bool = True, **fields: Any) -> None:
        record = {
            **self._process.record(),
            **self._folder,
            **jobs.here(),
            "status": status,
            "step": self.step,
            "total_steps": self.total_steps,
        }
        times = {"since": self._since, "updated": time.time()}
        write_json(self.run.path / "state.json", {**record, **times, **fields}, durable=durable)


def _told(state: str, step: int) -> dict[str, Any]:
    key = f"runs.status.{state}"
    return {"message": text(key, step=step), "key": key, "values": {"step": step}}


@contextmanager
def claim(run: Run, *, total_steps: int = 0, resume_from: int | None = None) -> Iterator[Claim]:
    """Hold ``run`` while this process works on it; nobody else can.

    At the start it clears what a kill left behind, takes back the events that will be done again, and says ``running``
    or ``resumed``. At the end it says how it ended. SIGTERM and the first Ctrl-C ask for a stop, as the ``stop`` file
    does; a second Ctrl-C ends the work at once. An error becomes a ``failed`` event with what to do next, the traceback
    goes to worker.log, and the error leaves as a :class:`~workbench.errors.WorkbenchError`.

    Args:
        run: the run.
        total_steps: steps of the whole run, 0 where not yet known (``beat`` may say it later).
        resume_from: the step of the checkpoint to go on from; None begins anew and takes back all but status events.

    Raises:
        BadInput: another process holds the run; names its pid and since when.
        Failed, BadInput: as the body raised, or what the body's error means.
    """
    lock = _lock(run)
    try:
        worker = Claim(run, total_steps=total_steps, step=resume_from or 0)
        with _signals(worker):
            try:
                with saving(run.path):
                    lock.reserve(RESERVE)
                    worker._begin(resume_from)
                yield worker
            except GeneratorExit:
                raise
            except BaseException as error:
                lock.spend()
                raise worker._fail(error) from error
            worker._end()
    finally:
        run.events.close()
        lock.release()


def stop_requested(run: Run) -> bool:
    """Tell whether the run's worker is asked to save and end."""
    return (run.path / "stop").exists()


def _lock(run: Run) -> Lock:
    lock = Lock(run.path / "lock")
    leave = time.monotonic() + LEAVING
    with saving(lock.path):
        while not lock.acquire():
            state = run.state()
            if state.status not in FINAL or time.monotonic() > leave:
                raise busy(run)
            time.sleep(0.05)
    if _elsewhere(run):
        lock.release()
        raise busy(run)
    return lock


def _elsewhere(run: Run) -> bool:
    """Whether another worker lives although its lock was free: some network file systems give it to everybody."""
    record = read_json(run.path / "state.json") or {}
    process = Process.from_record(record)
    if record.get("status") in FINAL or process is None or process.pid == os.getpid() or foreign(record, run.path):
        return False
    alive = process.alive()
    if alive is None and process.host != Process.current().host:
        return time.time() - (number(record.get("updated")) or 0.0) < FRESH
    return alive is True


@contextmanager
def _signals(worker: Claim) -> Iterator[None]:
    """SIGTERM and Ctrl-C ask for a stop; a second Ctrl-C interrupts. Only a process's main thread can hear signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if number == signal.SIGINT and worker.asked:
            raise KeyboardInterrupt
        worker.asked = True
        with suppress(OSError):  # a full disk must not take the wish away
            (worker.run.path / "stop").touch()

    def warn(number: int, frame: FrameType | None) -> None:
        worker.cause = "limit"  # a job's time is nearly over
        ask(number, frame)

    handlers = {signal.SIGTERM: ask, signal.SIGINT: ask}
    if sys.platform != "win32" and jobs.here():
        handlers[signal.SIGUSR2] = warn
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
