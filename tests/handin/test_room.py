"""Whether a room is ready for a class: what is measured, what is said, and what does not count."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import until
from workbench.cli import run as command
from workbench.handin.room import began, is_free
from workbench.handin.trial import OWNER, PREFIX, end_orphans, passing_run
from workbench.runs import Run
from workbench.runs.events import StatusEvent, TrainEvent
from workbench.runs.line import FOLDER, Line
from workbench.runs.process import Process, tied


def status(time: float, state: str, key: str = "") -> StatusEvent:
    return StatusEvent(kind="status", time=time, seq=0, state=state, key=key)


def test_what_a_training_waited_for_the_device_is_not_its_cost() -> None:
    waited = [status(100, "running"), status(101, "waiting"), status(400, "running", "training.state.loading")]
    step = TrainEvent(kind="train", time=410, seq=0, step=1)
    assert began([*waited, step]) == 400
    assert began([status(100, "running"), step]) == 100


def test_a_port_that_somebody_listens_at_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert not is_free(server.getsockname()[1])


# Measures as the command does, in a class's recipe, with whatever line and folder its variables name. Behind nohup or
# in the background a process is born deaf to two of the signals, and would rightly leave them unheard.
MEASURING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
from workbench.handin.room import one_training, unwinding
from workbench.training import load_recipe, with_overrides
recipe = with_overrides(load_recipe("pocket-qlora"), persona={"name": "Sprout"}, data={"identity_count": 40})
with unwinding():
    one_training(recipe)
"""


@pytest.fixture
def measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[subprocess.Popen[bytes], Run]]:
    """A measurement whose worker waits for the device, and its run."""
    monkeypatch.setenv(FOLDER, str(tmp_path / "line"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    line = Line.standing()
    assert line is not None
    turn = line.take("ann", "hers", ["cpu"])
    assert turn.begin()
    command = [sys.executable, "-c", MEASURING]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True, **tied()) as process:
        until(lambda: any('"waiting"' in log.read_text() for log in tmp_path.glob(f"{PREFIX}*/run/events.jsonl")), 120)
        [folder] = tmp_path.glob(f"{PREFIX}*")
        run = Run(folder / "run")
        yield process, run
        process.kill()
    turn.leave()
    end_orphans()


@pytest.mark.skipif(sys.platform == "win32", reason="there the word to end is the end")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_measurement_that_is_ended_ends_its_worker(
    measuring: tuple[subprocess.Popen[bytes], Run], number: signal.Signals
) -> None:
    process, run = measuring
    worker = Process.of(run.state().pid or 0)
    assert worker.alive()
    process.send_signal(number)
    assert process.wait(60) != 0
    assert not worker.alive() and not run.path.parent.exists()


def test_a_worker_whose_measurement_was_killed_is_ended_at_the_next(
    measuring: tuple[subprocess.Popen[bytes], Run], tmp_path: Path
) -> None:
    process, run = measuring
    worker = Process.of(run.state().pid or 0)
    with passing_run():  # another's, while this one lives: it is left alone
        assert worker.alive()
    process.kill()
    process.wait(60)
    assert worker.alive()
    with passing_run() as mine:
        assert not worker.alive() and list(tmp_path.glob(f"{PREFIX}*")) == [mine.parent]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="there nobody else sees this account's folder for what passes")
def test_a_folder_of_that_name_that_is_not_ours_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "passing"))
    (tmp_path / "kept").mkdir()
    (tmp_path / "passing" / f"{PREFIX}theirs").mkdir(parents=True)
    gone = Process(2**22 + 1, "", Process.current().host).record()
    for folder in (tmp_path / "kept", tmp_path / "passing" / f"{PREFIX}theirs"):
        (folder / OWNER).write_text(json.dumps(gone), encoding="utf-8")
    (tmp_path / "passing" / f"{PREFIX}link").symlink_to(tmp_path / "kept")
    end_orphans()
    assert [folder.name for folder in (tmp_path / "passing").iterdir()] == [f"{PREFIX}link"]
    assert (tmp_path / "kept" / OWNER).exists()
    (tmp_path / "passing" / f"{PREFIX}theirs").mkdir()
    (tmp_path / "passing" / f"{PREFIX}theirs" / OWNER).write_text(json.dumps(gone), encoding="utf-8")
    monkeypatch.setattr("workbench.handin.trial.os.getuid", lambda: os.geteuid() + 1)
    end_orphans()
    assert (tmp_path / "passing" / f"{PREFIX}theirs").exists()


@pytest.mark.slow
def test_a_room_is_measured_while_somebody_else_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says that it waits, then what is there and what is not; nothing of its training stays."""
    monkeypatch.setenv(FOLDER, str(tmp_path / "line"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    line = Line.standing()
    assert line is not None
    turn = line.take("ann", "hers", ["cpu"])
    assert turn.begin()

    def leave() -> None:
        seen = False
        while not seen:
            time.sleep(0.1)
            logs = tmp_path.glob("workbench-class-*/run/events.jsonl")
            seen = any('"waiting"' in log.read_text(encoding="utf-8") for log in logs)
        turn.leave()

    threading.Thread(target=leave, daemon=True).start()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        ended = command(["class", "check", "--people", "2", "--port", str(port), "--json"])
    out, err = capsys.readouterr()
    findings = {finding["name"]: finding for finding in json.loads(out.strip().splitlines()[-1])}
    assert ended == 1 and findings["port"]["ok"] is False and "Waiting for the device: place 1 of 1" in err
    assert findings["memory"]["values"]["kernel"] > 0.05 and findings["time"]["values"]["one"] > 0
    assert not list(tmp_path.glob("workbench-class-*"))
