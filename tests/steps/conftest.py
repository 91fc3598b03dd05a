"""Recorded runs, and one that is really trained. Knows the tests' own makers; nothing of steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recordings import record, tiny_settings
from workbench.runs import Run


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Run]:
    """``recorded(name)`` makes the folder of a finished run of eight steps, overfitting at its end."""
    return lambda name="recorded": record(tmp_path / name)


@pytest.fixture(scope="session")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the tiny model, trained through the step as a front end does."""
    from workbench.runs import wait
    from workbench.steps import TrainStep

    step = TrainStep(out=tmp_path_factory.mktemp("trained") / "first", settings=tiny_settings(tiny))
    step.start()
    assert step.run is not None
    wait(step.run, 240)
    assert step.run.state().status == "ended", step.run.worker_log()
    return step.run
