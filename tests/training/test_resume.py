"""Facts about going on: what was judged, what had ended already, and what must be the same as before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import tiny as small
from workbench.errors import BadInput
from workbench.models import fingerprint
from workbench.runs import Run, claim, write_json
from workbench.training import load_recipe, train, with_overrides
from workbench.training.settings import Recipe
from workbench.training.start import begin
from workbench.training.worker import work


def recipe_of(base: Path, *more: str) -> Recipe:
    data = ["persona.name=小芽", "identity_count=40", "per_device_train_batch_size=4", "identity_probes=2"]
    return load_recipe("pocket-lora", small.overrides(base, *data, *more))


def evaluated(run: Run) -> list[int | None]:
    return [event.step for event in run.events.all() if event.kind == "eval"]


def test_every_checkpoint_is_judged_where_evaluations_do_not_fall_on_checkpoints(tiny: Path, tmp_path: Path) -> None:
    run = train(recipe_of(tiny, "max_steps=6", "eval_steps=2", "save_steps=3"), tmp_path / "run")
    assert evaluated(run) == [0, 2, 3, 4, 6]
    assert [(c.step, c.score is not None) for c in run.checkpoints()] == [(3, True), (6, True)]


def test_a_training_that_ended_early_is_not_gone_on_with(tiny: Path, tmp_path: Path) -> None:
    still = ["max_steps=8", "eval_steps=2", "early_stopping_patience=1", "learning_rate=1e-12"]
    recipe = recipe_of(tiny, *still)
    run = train(recipe, tmp_path / "run")
    assert (run.state().status, run.state().step) == ("ended", 4)
    with claim(run, resume_from=4) as worker:  # as one that was killed before its last word
        worker.finish("stopped")
    again = train(recipe, tmp_path / "run", resume=True)
    state = again.state()
    assert (state.status, state.step, state.total_steps) == ("ended", 4, 8)
    assert "early" in state.message
    assert [c.step for c in again.checkpoints()] == [2, 4]


def test_a_run_is_not_gone_on_with_on_another_base(tiny: Path, other_tiny: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny, tmp_path / "base"))
    recipe = recipe_of(base, "max_steps=1")
    run = begin(recipe, tmp_path / "run")
    old = Run(shutil.copytree(run.path, tmp_path / "old"))
    manifest = {**run.manifest(), "base_fingerprint": fingerprint(str(base), like="of an older version")}
    write_json(old.path / "manifest.json", manifest)
    shutil.copy(other_tiny / "model.safetensors", base)
    for each in (run, old):
        with pytest.raises(BadInput, match="weights"):
            work(each)
    shutil.copy(tiny / "model.safetensors", base)
    assert train(recipe, old.path, resume=True).state().status == "ended"


@pytest.fixture(scope="module")
def cut(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Run]:
    """A run of AdaLoRA, whose ranks are cut at the steps 2 to 7."""
    steps = ["max_steps=10", "eval_steps=10", "save_steps=1", "warmup_ratio=0", "learning_rate=0.005"]
    recipe = recipe_of(tiny, "method=adalora", *steps, "general_probes=0", "unrelated_probes=0", "identity_probes=0")
    recipe = with_overrides(recipe, checkpoints={"save_total_limit": None})
    return recipe, train(recipe, tmp_path_factory.mktemp("cut") / "run")


@pytest.mark.parametrize("step", [1, 4, 8])
def test_adalora_goes_on_exactly_before_amid_and_after_its_cuts(
    cut: tuple[Recipe, Run], step: int, tmp_path: Path
) -> None:
    recipe, whole = cut
    run = Run(shutil.copytree(whole.path, tmp_path / "run"))
    for checkpoint in run.checkpoints():
        if checkpoint.step > step:
            shutil.rmtree(checkpoint.path)
    again = train(recipe, run.path, resume=True)
    ends = [each.path / "checkpoints" / "step-000010" / "adapter_model.safetensors" for each in (again, whole)]
    assert ends[0].read_bytes() == ends[1].read_bytes()
