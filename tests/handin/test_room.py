"""Whether a room is ready for a class: what is measured, what is said, and what does not count."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest

from workbench.cli import run as command
from workbench.handin.room import began, is_free
from workbench.runs.events import StatusEvent, TrainEvent
from workbench.runs.line import FOLDER, Line


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
