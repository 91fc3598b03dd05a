"""Panels without a browser: ipywidgets drives them by itself. Skipped where the notebook's libraries are missing."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.recordings import record
from workbench.runs import Run

collect_ignore_glob = [] if find_spec("ipywidgets") else ["test_*.py"]


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Run]:
    """``recorded(name)`` makes the folder of a finished run of eight steps, overfitting at its end."""
    return lambda name="recorded": record(tmp_path / name)


def words_of(widget: Any) -> str:
    """Everything that a widget and those inside it say."""
    said = [str(getattr(widget, trait, "") or "") for trait in ("description", "value", "placeholder")]
    return " ".join([*said, *(words_of(child) for child in getattr(widget, "children", ()))])


@pytest.fixture(scope="session")
def says() -> Callable[[Any], str]:
    return words_of
