"""Every Chinese lesson runs, one after the other in one folder: as for somebody who goes through all of them and takes
the runs of earlier ones along."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.course.running import lessons, run


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the whole course."""
    return tmp_path_factory.mktemp("course")


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("source", lessons("zh"), ids=lambda path: path.stem)
def test_a_lesson_runs_after_the_others(
    source: Path, build: ModuleType, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(source, build, desk, monkeypatch)
