"""The front end's side of a run: find it, start its worker, wait for it, stop it.

Knows processes; must not know what they train.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from workbench.environment import FOR_WORKERS
from workbench.errors import BadInput, UnknownName, WorkbenchError, nearest
from workbench.runs import jobs
from workbench.runs.files import read_json, saving, write_json
from workbench.runs.finding import ROOT, is_run, run_folders
from workbench.runs.line import Line
from workbench.runs.process import Lock, Process
from workbench.runs.run import Run
from workbench.runs.state import State, launching, mark, read_launch

WORKER = "workbench.training.worker"
# seconds to wait for a worker that has said its last word
LEAVING = 10.0
# seconds that Slurm leaves a job between the word and the end, and a little more
LAST_WORD = 60.0


class Ahead:
    """Represent a worker that is started before its run is there, and loads the libraries while the data are looked at;
    made by :func:`ahead`."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", WORKER, "-"]
        # it stands where its own code lies until it has a folder of its own
        self._process = _popen(command, Path(__file__).parents[2], {}, subprocess.PIPE, subprocess.DEVNULL)
        self._taken = False

    def take(self, run: Run, data: str = "") -> int:
        """Hand it the run, and the data of it that were read already; its pid, or 0 where it is gone."""
        pipe = self._process.stdin
        if pipe is None or self._process.poll() is not None:
            return 0
        try:
            pipe.write(f"{json.dumps(str(run.path))}\n{data}\n".encode())
            pipe.close()
        except OSError:
            return 0
        self._taken = True
        return self._process.pid

    def dismiss(self) -> None:
        """End it, unless it has its run."""
        if not self._taken:
            self._process.kill()
            self._process.communicate()


@contextmanager
def ahead() -> Iterator[Ahead | None]:
    """Have a worker wait for its run, while it lasts; end one that got none.

    None where others stand in line for the device: it would wait there with all its libraries in memory.
    """
    if _crowded():
        yield None
        return
    waiting = Ahead()
    try:
        yield waiting
    finally:
        waiting.dismiss()


def _crowded() -> bool:
    with suppress(WorkbenchError, OSError):  # what is wrong with the line, its worker tells
        line = Line.standing()
        return line is not None and line.is_crowded()
    return False


def start(
    run: Run | str | Path,
    argv: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    waiting: Ahead | None = None,
    data: str = "",
) -> Run:
    """Start the run's worker as a process of its own, and return at once.

    It has its own session, no terminal, prints to ``worker.log`` and works in the run's folder: it outlives the front
    end. Paths in the recipe must therefore be absolute.

    Args:
        run: the run, or its folder.
        argv: the command; None starts ``python -m workbench.training.worker RUN``.
        env: variables to add to this process's.
        waiting: a worker that has begun already (:func:`ahead`).
        data: what such a worker is handed besides the run, so that it need not read it again.

    Raises:
        BadInput: a process already works on the run; names its pid and since when.
        Failed: no space, no permission, or the command cannot be started.
    """
    run = run if isinstance(run, Run) else Run(run)
    if run.state().alive:  # one that has said its last word and is about to go is waited for by the next worker
        raise busy(run)
    command = list(argv or (sys.executable, "-m", WORKER, str(run.path)))
    with saving(run.path):
        _announce(run)
        try:
            (run.path / "stop").unlink(missing_ok=True)
            _name(run, (waiting.take(run, data) if waiting else 0) or _spawn(run, command, env))
        except BaseException:
            (run.path / "starting.json").unlink(missing_ok=True)
            raise
    return run


def enqueue(run: Run, submit: Callable[[], str]) -> Run:
    """Let a cluster start the run's worker when its turn comes, and return at once.

    Args:
        run: the run.
        submit: sends the job off, and returns its number.

    Raises:
        BadInput: a process, or a job, already works on the run. Failed: no space, no permission; or as ``submit``.
    """
    if run.state().alive:
        raise busy(run)
    with saving(run.path):
        _announce(run)
        try:
            (run.path / "stop").unlink(missing_ok=True)
            _note(run, {"job": submit(), "host": Process.current().host})
        except BaseException:
            (run.path / "starting.json").unlink(missing_ok=True)
            raise
    return run


def _announce(run: Run) -> None:
    """Say that a worker is coming; of two front ends at once only one may."""
    path = run.path / "starting.json"
    launch = read_launch(run.path)
    if launch is not None and not launching(launch, run.path):
        path.unlink(missing_ok=True)
    try:
        path.open("x").close()
    except FileExistsError:
        raise busy(run) from None


def _name(run: Run, pid: int) -> None:
    """Add the process to the announcement, unless its worker has already taken it up and removed it."""
    _note(run, Process.of(pid).record())


def _note(run: Run, worker: Mapping[str, Any]) -> None:
    record = json.dumps({**worker, **mark(run.path), "time": time.time()}).encode()
    with suppress(FileNotFoundError):
        descriptor = os.open(run.path / "starting.json", os.O_WRONLY)
        try:
            os.write(descriptor, record)
        finally:
            os.close(descriptor)


def _spawn(run: Run, command: list[str], env: Mapping[str, str] | None) -> int:
    with (run.path / "worker.log").open("ab") as log:
        return _popen(command, run.path, env or {}, subprocess.DEVNULL, log).pid


def _popen(command: list[str], folder: Path, env: Mapping[str, str], stdin: int, log: Any) -> subprocess.Popen[bytes]:
    # Unsafe paths off: a folder named like a library, in the folder of the run, must not be imported in its place.
    settings = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"}
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    process = subprocess.Popen(  # noqa: S603  a list, never a shell
        command,
        stdin=stdin,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={**FOR_WORKERS, **os.environ, **settings, **env},
        close_fds=True,
        **detached,
    )
    # Somebody has to ask how it ended, else it stays in the table of processes as long as this one lives.
    threading.Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True).start()
    return process


def wait(run: Run, timeout: float | None = None, *, poll: float = 0.1) -> State:
    """Wait until no process works on the run, or ``timeout`` seconds; returns the state then."""
    until = None if timeout is None else time.monotonic() + timeout
    while (state := run.state()).alive and (until is None or time.monotonic() < until):
        time.sleep(poll)
    return state


def stop(run: Run, timeout: float | None = None, *, kill: bool = False) -> State:
    """Ask the worker to save and end; returns the state.

    Args:
        run: the run; where nothing works on it, nothing is done.
        timeout: seconds to wait for the end; None does not wait (with ``kill``: 30).
        kill: end the process where it still lives after that; what it finished stays.

    Raises:
        Failed: no permission.
    """
    state = run.state()
    if not state.alive:
        return state
    number = jobs.number_of(read_launch(run.path) or read_json(run.path / "state.json"))
    with saving(run.path / "stop"):
        (run.path / "stop").touch()
    if number and state.status == "waiting":  # nobody is there yet who could hear it
        jobs.cancel(number)
        return _killed(run)
    if timeout is not None or kill:
        state = wait(run, 30.0 if timeout is None else timeout)
    if state.alive and kill:
        if number and state.host != Process.current().host:
            jobs.cancel(number)
            wait(run, LAST_WORD)
        else:
            _kill(run, state)
        return _killed(run)
    return run.state()


def _kill(run: Run, state: State) -> None:
    """End exactly the process that works on the run, and its own session's where it leads one.

    The run's files only say which one it is, and anybody may have written them: it must be the one that began then,
    and hold the run's lock or stand in its folder.

    Raises:
        BadInput: the process is on another machine, or not one that works on this run.
    """
    process = _recorded(run)
    current = Process.current()
    if process is None:
        raise BadInput("runs.not_its_process", path=run.path, pid=state.pid or "?")
    if process.host != current.host:
        raise BadInput("runs.elsewhere", host=state.host, pid=state.pid)
    if process.alive() is False:
        return
    until = time.monotonic() + (LEAVING if state.status == "starting" else 0.0)
    while not (works := process.works_in(run.path)) and time.monotonic() < until:
        time.sleep(0.05)  # a worker that was started beforehand goes to its run's folder only now
    if process.pid == current.pid or not works:
        raise BadInput("runs.not_its_process", path=run.path, pid=process.pid)
    with suppress(ProcessLookupError):
        if sys.platform == "win32":
            os.kill(process.pid, signal.SIGTERM)  # ends it at once there
        elif os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.kill(process.pid, signal.SIGKILL)


def _recorded(run: Run) -> Process | None:
    """The process that the run's files name: one that was announced, else the worker."""
    record = read_launch(run.path) or read_json(run.path / "state.json") or {}
    return Process.from_record(record)


def _killed(run: Run) -> State:
    """Write that the end was wanted, in the worker's place."""
    state = wait(run, 10.0, poll=0.02)
    lock = Lock(run.path / "lock")
    if state.status == "died" and lock.acquire():
        try:
            run.events.append("status", state="stopped", step=state.step)
            run.events.close()
            process = {"pid": state.pid, "host": state.host, "since": state.since, "updated": time.time()}
            steps = {"step": state.step, "total_steps": state.total_steps}
            (run.path / "starting.json").unlink(missing_ok=True)
            write_json(run.path / "state.json", {**process, **steps, "status": "stopped"})
        finally:
            lock.release()
    return run.state()


def discard(run: Run) -> None:
    """Take the folder of a run away that ended before its first step; one that has learnt anything stays, and of the
    folder in which this process stands only what is in it goes."""
    if run.checkpoints() or any(event.kind == "train" for event in run.events.all()):
        return
    until, lock = time.monotonic() + LEAVING, Lock(run.path / "lock")
    while lock.is_held() and time.monotonic() < until:  # the worker has said its last word, and is about to go
        time.sleep(0.02)
    for path in run.path.iterdir():
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            path.unlink(missing_ok=True)
    if run.path != Path.cwd():
        with suppress(OSError):
            run.path.rmdir()


def busy(run: Run) -> BadInput:
    """Return the refusal of a second start."""
    state = run.state()
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(state.since or time.time()))
    commands = {"watch": watch_command(run), "stop": stop_command(run)}
    return BadInput("runs.busy", path=str(run.path), pid=state.pid or "?", since=since, **commands)


def find(name: str | Path, root: Path | None = None) -> Run:
    """Open the run of that path, or of that name under ``root`` (default: ``runs`` in this folder).

    Raises:
        UnknownName: there is none; names the nearest.
    """
    root = root or ROOT
    for path in (Path(name), root / name):
        if is_run(path):
            return Run(path)
    candidates = nearest(Path(name).name, [folder.name for folder in run_folders(root)])
    raise UnknownName("runs.unknown", given=str(name), nearest=candidates or "–")


attach = find


def list_runs(root: Path | None = None) -> list[Run]:
    """Open the runs under ``root`` (default: ``runs`` in this folder), the one that was written to last at the end."""
    return [Run(folder) for folder in run_folders(root)]


def resume_command(run: Run) -> str:
    """Return the exact command that goes on with the run, as for a shell."""
    path = _short(run.path)
    return _line("workbench", "train", str(path / "recipe.yaml"), "--out", str(path), "--resume")


def watch_command(run: Run) -> str:
    """Return the exact command that looks on."""
    return _line("workbench", "runs", "watch", str(_short(run.path)))


def stop_command(run: Run) -> str:
    """Return the exact command that asks for a stop."""
    return _line("workbench", "runs", "stop", str(_short(run.path)))


def convert_command(run: Run) -> str:
    """Return the exact command that takes the adapter away."""
    return _line("workbench", "convert", str(_short(run.path)), f"adapters/{run.name}")


def _short(path: Path) -> Path:
    """Relative to where the person stands; a worker stands in the run's own folder, and says the whole path."""
    with suppress(ValueError, OSError):
        if path != Path.cwd():
            return path.relative_to(Path.cwd())
    return path


def _line(*parts: str) -> str:
    return subprocess.list2cmdline(parts) if os.name == "nt" else shlex.join(parts)
