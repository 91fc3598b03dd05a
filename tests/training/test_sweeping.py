"""A sweep trains each value with each seed, once, and calls nothing a difference that seeds make by themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.tiny import overrides
from workbench.errors import BadInput, UnknownName
from workbench.evaluation import Measurement
from workbench.training.old_names import OTHER, SAME
from workbench.training.recipe import setting_names
from workbench.training.sweeping import Cell, Sweep, sweep


def made(scores: dict[int, list[float]]) -> Sweep:
    """A sweep over the rank with these shares of general questions."""
    return Sweep(
        tuple(
            Cell({"adapter.r": r}, seed, Path("x"), Measurement(1, general=value))
            for r, values in scores.items()
            for seed, value in enumerate(values)
        )
    )


def test_a_difference_smaller_than_the_seeds_own_is_none() -> None:
    found = made({4: [0.81, 0.88, 0.84], 16: [0.85, 0.90, 0.83]})
    assert [round(line.mean["general"], 3) for line in found.lines()] == [0.843, 0.86]
    assert round(found.lines()[0].spread["general"], 2) == 0.07
    assert not found.differ("general") and not found.differ("task")
    assert made({4: [0.81, 0.88, 0.84], 16: [0.99, 1.0, 0.98]}).differ("general")


def test_a_table_says_whether_anything_was_found() -> None:
    assert "no difference was found" in wb.show(made({4: [0.8, 0.9], 16: [0.85, 0.9]}), lang="en").plain
    assert "among themselves: general" in wb.show(made({4: [0.1, 0.2], 16: [0.8, 0.9]}), lang="en").plain


def test_each_value_is_trained_once_and_what_is_finished_is_taken_as_it_is(tiny: Path, tmp_path: Path) -> None:
    few = ["persona.name=Sprout", "identity_count=8", "identity_probes=2", "max_steps=1", "quantization=none"]
    how: dict[str, Any] = {"seeds": 1, "overrides": overrides(tiny, *few)}
    first = sweep("pocket-qlora", {"adapter.r": [2]}, tmp_path, **how)
    began = [cell.run.joinpath("manifest.json").stat().st_mtime_ns for cell in first.cells]
    more = sweep("pocket-qlora", {"adapter.r": [2, 4]}, tmp_path, **how)
    assert [cell.run.joinpath("manifest.json").stat().st_mtime_ns for cell in more.cells][:1] == began
    assert [cell.run.name for cell in more.cells] == ["r-2-seed-0", "r-4-seed-0"]
    assert "r: 4" in wb.Run(more.cells[1].run).recipe_text()


@pytest.mark.parametrize(
    ("varied", "words"),
    [
        ({"rank": [1]}, "adapter"),
        ({"adapter.r": []}, "no values"),
        ({}, "0 trainings"),
        ({"adapter.r": range(1, 300)}, "897 trainings"),
        ({"adapter.r": ["many"]}, "adapter.r"),
        ({"runtime.seed": [1]}, "seeds=N"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_the_first(varied: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises((BadInput, UnknownName), match=re.escape(words)):
        sweep("pocket-qlora", varied, tmp_path / "out", overrides=["persona.name=Sprout"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("page", ["hyperparameters.md", "hyperparameters.zh-CN.md"])
def test_the_table_has_seventeen_rows_of_settings_that_are_there(page: str, root: Path) -> None:
    lines = (root / "docs" / page).read_text(encoding="utf-8").splitlines()
    rows = [line.split("|")[1:4] for line in lines if line.startswith("| `")]
    assert len(rows) == 17
    for theirs, ours, _ in rows:
        assert all(name in {*SAME, *OTHER, "max_length", "weight_decay", "warmup_ratio", "save_steps",
                            "save_total_limit"} for name in re.findall(r"`(\w+)`", theirs)), theirs  # fmt: skip
        assert set(re.findall(r"`([\w.]+)`", ours)) <= set(setting_names()), ours
