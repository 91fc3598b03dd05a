"""Every English lesson runs, each in a folder of its own: as for somebody who opens only that one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.course.running import notebooks, run


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("notebook", notebooks("en"), ids=lambda path: path.stem)
def test_a_lesson_runs_by_itself(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(notebook, tmp_path, monkeypatch)
