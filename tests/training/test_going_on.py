"""To go on from what was learnt: from a chosen checkpoint, from what was imported, merged first; each by one flag."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from tests.tiny import overrides
from workbench.cli import run as command
from workbench.errors import BadInput
from workbench.runs import Run
from workbench.training import load_recipe
from workbench.training.checks import adapter_folder
from workbench.training.start import with_absolute_paths


def test_a_chosen_checkpoint_is_named_by_its_step(trained: Any) -> None:
    first = trained.checkpoints()[0]
    assert adapter_folder(f"{trained.path}@{first.step}") == first.path
    assert adapter_folder(str(first.path)) == first.path
    steps = ", ".join(str(one.step) for one in trained.checkpoints())
    with pytest.raises(BadInput, match=f"no checkpoint of step 999.\nIt has these: {steps}"):
        adapter_folder(f"{trained.path}@999")


def test_what_was_imported_begins_with_its_adapter(trained: Any, tmp_path: Path) -> None:
    adapter = Path(copytree(trained.latest().path, tmp_path / "brought" / "adapter"))
    for name in ("recipe.yaml", "import.json"):
        (tmp_path / "brought" / name).write_text("{}")
    assert adapter_folder(str(tmp_path / "brought")) == adapter


def test_a_run_with_a_step_is_found_from_another_folder(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained.path.parent)
    recipe = load_recipe("pocket-qlora", [f"adapter.start={trained.name}@2"])
    assert with_absolute_paths(recipe).adapter.start == f"{trained.path}@2"


def test_a_whole_model_is_no_adapter_and_the_error_names_the_way(tiny: Path) -> None:
    with pytest.raises(BadInput, match="--merged"):
        adapter_folder(str(tiny))


def test_merged_and_trained_again_is_one_flag(trained: Any, tiny: Path, tmp_path: Path) -> None:
    few = ["persona.name=Sprout", "identity_count=8", "identity_probes=2", "max_steps=1", "quantization=none"]
    sets = [word for pair in overrides(tiny, *few) for word in ("--set", pair)]
    out = tmp_path / "again"
    assert command(["train", "pocket-qlora", *sets, "--merged", str(trained.path), "--out", str(out), "--json"]) == 0
    assert (tmp_path / "again-base" / "model.safetensors").is_file()
    assert f"name: {tmp_path / 'again-base'}" in Run(out).recipe_text() and Run(out).latest() is not None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pocket-qlora", "--resume", "{run}/checkpoints/step-000002"], "--from RUN@STEP"),
        (["--resume", "{run}"], "--from RUN@STEP"),
        (["pocket-qlora", "--merged", "{run}", "--from", "{run}"], "--merged begins a new run"),
        (["pocket-qlora", "more"], "Words too many: more"),
    ],
)
def test_what_cannot_be_is_answered_with_the_flag_that_can(
    words: list[str], told: str, trained: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [word.format(run=trained.path) for word in words]
    assert command(["train", *given, "--out", str(tmp_path / "out")]) == 2
    assert told in capfd.readouterr().err and not (tmp_path / "out").exists()


def test_a_run_is_resumed_without_a_word_more(trained: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    again = copytree(trained.path, tmp_path / "again")
    assert command(["train", "--resume", "--out", str(again), "--json"]) == 0
    assert command(["train", str(again / "recipe.yaml"), "--resume", "--out", str(again), "--json"]) == 0


def test_a_run_with_other_settings_names_the_flags(trained: Any, capfd: pytest.CaptureFixture[str]) -> None:
    recipe = str(trained.path / "recipe.yaml")
    assert command(["train", recipe, "--set", "learning_rate=0.5", "--resume", "--out", str(trained.path)]) == 2
    assert all(flag in capfd.readouterr().err for flag in ("--from",))
