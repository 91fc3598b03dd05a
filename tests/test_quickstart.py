"""Facts about the whole way: where it is stopped, how it goes on, and what it takes from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny as small
from workbench.cli import run as command
from workbench.data import Persona
from workbench.errors import Interrupted
from workbench.quickstart import Quickstart
from workbench.runs import Run, stop

LONG = ("identity_count=40", "identity_probes=2", "per_device_train_batch_size=1", "max_steps=100000")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "mine"


@pytest.fixture
def long(tiny: Path) -> list[str]:
    """Settings with which a training of the tiny model does not end by itself."""
    return small.overrides(tiny, *LONG, "eval_steps=100000", "logging_steps=1000")


def given(overrides: list[str]) -> list[str]:
    return [part for each in overrides for part in ("--set", each)]


def pressed(*_: object) -> None:
    """Ctrl-C."""
    raise KeyboardInterrupt


def test_ctrl_c_before_the_training_is_watched_stops_the_training(
    out: Path, long: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workbench.cli.quickstart._mask", pressed)
    assert command(["quickstart", "--name", "Bo", "--out", str(out), *given(long)]) == 130
    assert "--resume" in capsys.readouterr().err
    assert Run(out).state().status == "stopped"


def test_going_on_with_a_training_that_still_runs_looks_at_it(out: Path, long: list[str]) -> None:
    run, _ = Quickstart(Persona("Bo"), out, overrides=long).begin()
    try:
        pid = run.state().pid
        way = Quickstart.again(out, "en")
        again, conversations = way.begin(resume=True)
        assert (again.path, again.state().pid) == (run.path, pid) and conversations
        way.stop()
        assert run.state().status == "stopped"
    finally:
        stop(run, 0, kill=True)


def test_a_training_that_somebody_stops_is_not_merged(out: Path, long: list[str]) -> None:
    way = Quickstart(Persona("Bo"), out, overrides=long)
    run, _ = way.begin()
    stop(run)
    with pytest.raises(Interrupted, match="quickstart --resume"):
        way.follow(run, lambda _: None)
    assert run.state().status == "stopped"
