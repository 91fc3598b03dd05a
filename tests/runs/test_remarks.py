"""A note and a star lie in the run's own folder, and nobody else reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recordings import record
from workbench.errors import BadInput
from workbench.runs.remarks import FILE, LONGEST, Remarks, read_remarks, remark


def test_what_is_noted_is_read_again_and_one_leaves_the_other(tmp_path: Path) -> None:
    remark(tmp_path, "学习率太高")
    assert remark(tmp_path, star=True) == Remarks("学习率太高", True)
    assert remark(tmp_path, "") == read_remarks(tmp_path) == Remarks("", True)


@pytest.mark.parametrize("content", ["", "[]", '{"note": 3, "star": "yes"}', "{", "\x00"])
def test_a_broken_file_is_no_remark(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert read_remarks(tmp_path) == Remarks()


def test_a_diary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=str(LONGEST)):
        remark(tmp_path, "x" * (LONGEST + 1))
    assert not (tmp_path / FILE).exists()


def test_a_remark_changes_no_file_of_the_run(tmp_path: Path) -> None:
    run = record(tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    remark(run.path, "note", star=True)
    assert {path.name: path.read_bytes() for path in run.path.iterdir() if path.name != FILE} == before
