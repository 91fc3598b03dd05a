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
from workbench.errors import BadInput  # noqa: E402
from workbench.runs import Run  # noqa: E402
from workbench.runs.line import Line as Tickets  # noqa: E402
from workbench.runs.process import Process  # noqa: E402

pytestmark = GRADIO_SAYS
ROW = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n'


class Job:
    """A start that makes a run at once, of a process that lives as long as the tests."""

    def __init__(self, folder: Path, status: str = "running", **values: int) -> None:
        self.run = Run.create(folder, "model: {}\n")
        self.status, self.values = status, values

    def __call__(self) -> Run:
        running(self.run, Process.current(), self.status, self.values)
        return self.run


def running(run: Run, process: Process, status: str = "running", values: Any = None) -> None:
    """The state that a worker writes which is that process."""
    record = {**process.record(), "status": status, "step": 7, "total_steps": 40, "values": values or {}}
    (run.path / "state.json").write_text(json.dumps(record | {"updated": time.time(), "since": time.time()}))


def test_the_place_is_that_of_the_machines_line(tmp_path: Path) -> None:
    line = Line()
    line.join("first", Job(tmp_path / "first"))
    line.join("second", Job(tmp_path / "second", "waiting", place=2, waiting=3, minutes=4))
    assert line.settled()
    assert (line.place("first"), line.place("second"), line.place("nobody")) == (0, 2, 0)
    assert (line.minutes("first"), line.minutes("second")) == (None, 4)
    assert not line.leave("first") and line.leave("second")
    assert (tmp_path / "second" / "stop").exists() and not (tmp_path / "first" / "stop").exists()


def test_one_training_a_workspace(tmp_path: Path) -> None:
    line = Line()
    for status in ("running", "waiting"):
        line.join(status, Job(tmp_path / status, status))
        assert line.settled()
        with pytest.raises(BadInput, match="already"):
            line.join(status, Job(tmp_path / f"{status}-2"))


def test_a_studio_that_begins_anew_finds_the_places_again(tmp_path: Path) -> None:
    job = Job(tmp_path / "run", "waiting", place=5, waiting=9)
    job()
    line = Line(running=[("ws", job.run)])
    assert line.place("ws") == 5 and line.minutes("ws") is None


def test_how_many_train_at_once_is_a_rule_of_the_machines_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_LINE", str(tmp_path / "line"))
    Line(at_once=3)
    Line()
    tickets = Tickets.standing()
    assert tickets is not None and tickets.rules().at_once == 3


def test_what_is_stopped_while_it_starts_is_stopped_when_it_has_started(tmp_path: Path) -> None:
    line, go = Line(), threading.Event()

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
    line, good = Line(), Job(tmp_path / "good")

    def bad() -> Any:
        raise RuntimeError("no device")

    line.join("a", bad)
    line.join("b", good)
    assert line.settled() and good.run.state().alive
    assert "no device" in str(line.trouble("a"))


def test_a_worker_that_died_is_told_with_the_way_on(rooms: Workspaces) -> None:
    ws = rooms.enter("page", None)
    run = Run.create(ws.project.folder / "runs" / "first", "model: {}\n")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    running(run, Process.of(gone.pid))
    ws.project.train.attach(run)
    told = _status(Studio(rooms, Line(), "en", "0" * 16), ws, "en")
    assert ws.project.train.state().status == "died" and 'role="alert"' in told and "Start the training" in told
