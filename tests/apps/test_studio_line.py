"""The studio: one line of trainings for the device."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from apps.studio.line import Line  # noqa: E402
from apps.studio.page import Studio  # noqa: E402
from apps.studio.train_pane import _status  # noqa: E402
from apps.studio.workspaces import Workspaces  # noqa: E402
from tests.apps.conftest import GRADIO_SAYS  # noqa: E402
from tests.waiting import until  # noqa: E402
from workbench.errors import BadInput, Failed  # noqa: E402
from workbench.runs import Run  # noqa: E402
from workbench.runs.process import Process  # noqa: E402

pytestmark = GRADIO_SAYS
ROW = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n'


class Job:
    """A run that lives until it is told to end."""

    def __init__(self, folder: Path) -> None:
        self.begun, self.over, self.folder = threading.Event(), threading.Event(), folder

    def __call__(self) -> Any:
        self.begun.set()
        job = self

        class Alive:
            @property
            def alive(self) -> bool:
                return not job.over.is_set()

        class Running:
            def state(self) -> Alive:
                return Alive()

        return Running()


def test_trainings_take_turns_in_the_order_of_arrival(tmp_path: Path) -> None:
    line, jobs = Line(at_once=1), [Job(tmp_path) for _ in range(3)]
    for number, job in enumerate(jobs):
        line.join(f"ws{number}", job)
        if number == 0:
            until(job.begun.is_set)
    assert [line.place(f"ws{n}") for n in range(3)] == [0, 1, 2]
    assert not jobs[1].begun.is_set()
    jobs[0].over.set()
    until(jobs[1].begun.is_set)
    until(lambda: line.place("ws2") == 1)
    assert line.leave("ws2")
    jobs[1].over.set()
    assert line.settled() and not jobs[2].begun.is_set()


def test_one_training_a_workspace_and_busy_when_the_line_is_full(tmp_path: Path) -> None:
    line, job = Line(at_once=1, waiting=1), Job(tmp_path)
    line.join("a", job)
    until(job.begun.is_set)
    with pytest.raises(BadInput, match="already"):
        line.join("a", Job(tmp_path))
    line.join("b", Job(tmp_path))
    with pytest.raises(BadInput, match="already"):
        line.join("b", Job(tmp_path))
    with pytest.raises(Failed, match="Too many"):
        line.join("c", Job(tmp_path))
    job.over.set()


def running(run: Run, process: Process) -> None:
    """The state that a worker writes which is that process."""
    record = {**process.record(), "status": "running", "step": 7, "total_steps": 40}
    (run.path / "state.json").write_text(json.dumps(record | {"updated": time.time(), "since": time.time()}))


def test_what_is_stopped_while_it_starts_is_stopped_when_it_has_started(tmp_path: Path) -> None:
    line, go = Line(at_once=1), threading.Event()

    def slowly() -> Run:
        go.wait(10)
        run = Run.create(tmp_path / "run", "model: {}\n")
        running(run, Process.current())
        return run

    line.join("a", slowly)
    until(lambda: "a" in line._starting)
    assert line.leave("a")
    go.set()
    assert line.settled()
    until((tmp_path / "run" / "stop").exists)


def test_a_training_that_cannot_start_is_told_and_the_next_one_starts(tmp_path: Path) -> None:
    line, good = Line(at_once=1), Job(tmp_path)

    def bad() -> Any:
        raise RuntimeError("no device")

    line.join("a", bad)
    line.join("b", good)
    until(good.begun.is_set)
    assert "no device" in str(line.trouble("a"))
    good.over.set()


def test_a_worker_that_died_is_told_with_the_way_on(rooms: Workspaces) -> None:
    ws = rooms.enter("page", None)
    run = Run.create(ws.project.folder / "runs" / "first", "model: {}\n")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    running(run, Process.of(gone.pid))
    ws.project.train.attach(run)
    told = _status(Studio(rooms, Line(), "en", "0" * 16), ws, "en")
    assert ws.project.train.state().status == "died" and 'role="alert"' in told and "resume" in told.lower()
