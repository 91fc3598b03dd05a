"""A run for a measurement: its worker ends with the command that measures, however that ends. Knows runs and signals;
nothing of what is measured."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from workbench.errors import WorkbenchError

# how the folders of such runs begin, in the system's folder for what passes
PREFIX = "workbench-class-"
# the file in each that names the process that measures
OWNER = "owner.json"
# seconds that a worker has to end by itself
PATIENCE = 5.0


@contextmanager
def passing_run() -> Iterator[Path]:
    """Yield the path of a run that passes with the block: whatever ends the block ends its worker, and takes its folder
    away. Those that a killed command left behind are ended first."""
    from workbench.runs.files import write_json
    from workbench.runs.process import Process

    end_orphans()
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_json(folder / OWNER, Process.current().record())
        try:
            yield folder / "run"
        finally:
            _end(folder / "run")


@contextmanager
def unwinding() -> Iterator[None]:
    """Let the system's word to end, or a terminal that closes, unwind the block as Ctrl-C does, once; heard in the main
    thread alone.

    Raises:
        SystemExit: it was said; with 128 and the signal's number.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.getsignal(number) for number in signals}

    def leave(number: int, _: object) -> NoReturn:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)  # what is being ended is not to be left half-way
        raise SystemExit(128 + number)

    for number in signals:
        if before[number] is not signal.SIG_IGN:  # nohup
            signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def end_orphans() -> None:
    """End the workers of this account's runs whose command is gone, and take their folders away."""
    from workbench.runs.files import read_json
    from workbench.runs.process import Process

    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = Process.from_record(read_json(folder / OWNER) or {}) if _is_ours(folder) else None
        if owner is not None and owner.alive() is False:
            _end(folder / "run")
            shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Whether this account made the folder, where anybody may put one of that name; it is no link."""
    with suppress(OSError):
        return not folder.is_symlink() and (os.name == "nt" or folder.stat().st_uid == os.getuid())
    return False


def _end(path: Path) -> None:
    """End the run's worker, if one lives, and wait until it is gone: one that has said its last word still leaves."""
    from workbench.runs import Run, is_run, stop
    from workbench.runs.process import Process

    if not is_run(path) or not (state := Run(path).state()).alive:
        return
    worker = Process.of(state.pid) if state.pid else None
    with suppress(WorkbenchError):  # it is no longer the worker's, or ended in that moment
        stop(Run(path), timeout=PATIENCE, kill=True)
    until = time.monotonic() + PATIENCE
    while worker is not None and worker.alive() and time.monotonic() < until:
        time.sleep(0.02)
