"""Facts about a worker that is started before its run is there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workbench.runs import Run, front, start, wait

# A worker that waits as the real one does, and then only says what it was handed.
WAITING = """
import json, sys, time
line, data = sys.stdin.readline(), sys.stdin.readline()
if line:
    open(json.loads(line) + "/told", "w", encoding="utf-8").write(data)
    time.sleep(0.2)
"""


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> front.Ahead:
    popen = front._popen
    command = [sys.executable, "-c", WAITING]
    monkeypatch.setattr(front, "_popen", lambda _, *more: popen(command, *more))
    return front.Ahead()


def test_it_takes_the_run_that_is_made_meanwhile(waiting: front.Ahead, tmp_path: Path) -> None:
    data = "小芽" * 100_000  # more than a pipe holds
    run = start(Run.create(tmp_path / "run", "steps: 1\n"), waiting=waiting, data=data)
    assert run.state().status == "starting" and run.state().pid == waiting._process.pid
    wait(run, 20)
    assert (run.path / "told").read_text(encoding="utf-8") == f"{data}\n"
    waiting.dismiss()


def test_without_a_run_it_is_ended(waiting: front.Ahead) -> None:
    waiting.dismiss()
    assert waiting._process.wait(20) != 0


def test_one_that_is_gone_is_replaced(waiting: front.Ahead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting._process.kill()
    waiting._process.wait(20)
    spawned: list[Path] = []
    monkeypatch.setattr(front, "_spawn", lambda run, command, env: spawned.append(run.path) or 2**22 + 1)
    run = start(Run.create(tmp_path / "run", "steps: 1\n"), waiting=waiting)
    assert spawned == [run.path]
    waiting.dismiss()
