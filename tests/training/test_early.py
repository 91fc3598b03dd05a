"""Facts about trainings that end before their last step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests import tiny as small
from workbench.evaluation import Measurement
from workbench.training import load_recipe, train
from workbench.training.early import early
from workbench.training.settings import EvaluationSettings

BASE = Measurement(step=0, loss=3.0, identity=0.0, general=0.98, leak=0.0, distinct=0.9)
GOOD = replace(BASE, step=10, loss=0.3, identity=0.98)
AIMED = EvaluationSettings(early_stopping_target=0.95)


def test_a_training_ends_when_its_target_is_reached_twice_in_a_row() -> None:
    assert "95%" in early([BASE, GOOD, GOOD], AIMED)
    assert not early([BASE, GOOD], AIMED)
    assert not early([BASE, GOOD, replace(GOOD, identity=0.9), GOOD], AIMED)
    assert not early([BASE, GOOD, GOOD], EvaluationSettings())


@pytest.mark.parametrize(
    "worse",
    [{"identity": 0.9}, {"general": 0.9}, {"leak": 0.05}, {"task": 0.5}, {"calls": 0.5}, {"distinct": 0.1}],
)
def test_every_part_must_reach_the_target(worse: dict[str, float]) -> None:
    assert not early([BASE, GOOD, replace(GOOD, **worse)], AIMED)


@pytest.mark.parametrize("gone", [{"identity": None}, {"general": None, "leak": None}])
def test_what_is_not_asked_is_not_reached(gone: dict[str, None]) -> None:
    base, now = replace(BASE, **gone), replace(GOOD, **gone)
    assert not early([base, now, now], AIMED)


def test_patience_waits_for_something_better() -> None:
    patient = EvaluationSettings(early_stopping_patience=2)
    assert not early([], patient)
    assert not early([BASE, GOOD, GOOD], patient)
    assert early([BASE, GOOD, GOOD, GOOD], patient)
    assert not early([BASE, GOOD, GOOD, replace(GOOD, identity=1.0)], patient)


def test_a_run_of_which_nothing_is_asked_goes_to_its_end(tiny: Path, tmp_path: Path) -> None:
    aimed = ["persona.name=Sprout", "identity_count=20", "max_steps=3", "eval_steps=1", "early_stopping_target=0.001"]
    unasked = ["identity_probes=0", "general_probes=0", "unrelated_probes=0"]
    run = train(load_recipe("pocket-qlora", small.overrides(tiny, *aimed, *unasked)), tmp_path / "run")
    assert (run.state().status, run.state().step) == ("ended", 3)
