"""The gallery in a notebook: every run on one plot, notes kept with the run, a file to share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import workbench as wb
from workbench.runs import Run
from workbench.runs.remarks import Remarks, read_remarks


@pytest.fixture
def two(recorded: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    monkeypatch.chdir(tmp_path)
    return [recorded("first"), recorded("second")]


def test_all_runs_are_on_one_plot_live_and_in_the_saved_file(two: list[Run]) -> None:
    shown = wb.Gallery(*two, lang="en")
    assert shown.static_html().count("<polyline") == shown._area.value.count("<polyline") > 2
    assert "first" in shown._area.value and "gallery.js" in shown.scripts


def test_note_and_star_are_kept_with_the_run_and_shown(two: list[Run]) -> None:
    shown = wb.Gallery(*two, lang="zh")
    shown._which.value, shown._note.value, shown._star.value = "second", "学习率太高", True
    shown._keep()
    assert read_remarks(two[1].path) == Remarks("学习率太高", True)
    assert "学习率太高" in shown._area.value and "★" in shown._area.value
    shown._which.value = "first"
    assert (shown._note.value, shown._star.value) == ("", False)


def test_what_is_shared_is_one_file_without_notes(two: list[Run], tmp_path: Path) -> None:
    shown = wb.Gallery(*two, lang="en")
    shown.note(two[0], "only mine")
    file = shown.share()
    assert file == Path("my-work/gallery.html") and "only mine" not in file.read_text(encoding="utf-8")
    friend = wb.Gallery(file, two[0], lang="en")
    assert [exhibit.name for exhibit in friend.runs.exhibits] == ["first", "second", "first (2)"]
    assert friend._which.options == ("first",)


def test_a_click_that_fails_says_why(two: list[Run]) -> None:
    shown = wb.Gallery(*two, lang="en")
    shown._note.value = "x" * 2_001
    shown._attempt(shown._keep)
    assert "2000" in shown._said.value


def test_a_star_is_given_by_its_button_alone(two: list[Run]) -> None:
    shown = wb.Gallery(*two, lang="en")
    shown._which.value, shown._note.value = "second", "not yet kept"
    shown._star.value = True
    assert read_remarks(two[1].path) == Remarks("", True) and "★" in shown._area.value
    assert shown._note.value == "not yet kept"
    shown._which.value = "first"
    shown._star.value = True
    shown._star.value = False
    assert read_remarks(two[0].path) == Remarks("", False) and read_remarks(two[1].path).star
