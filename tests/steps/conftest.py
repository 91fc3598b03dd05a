"""Recorded runs. Knows the tests' own makers; nothing of steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recordings import record
from workbench.runs import Run


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Run]:
    """``recorded(name)`` makes the folder of a finished run of eight steps, overfitting at its end."""
    return lambda name="recorded": record(tmp_path / name)
