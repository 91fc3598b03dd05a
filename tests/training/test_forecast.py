"""Whether a training fits is said before it starts, and what to lower."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.training import load_recipe
from workbench.training.batches import plan_batches
from workbench.training.forecast import outlook, size, widest_batch, work_of


def test_a_recipe_that_fits_is_told_in_one_line(tiny: Path) -> None:
    seen = outlook(load_recipe("pocket-qlora", [f"model.name={tiny}"]), (4, 64, 100))
    assert seen.fits and not seen.remedies
    said = seen.sentence("en")
    assert "\n" not in said and "weights" in said and seen.device in said


def test_one_that_does_not_fit_says_what_to_lower(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.training.forecast.free_memory", lambda device: 2**20)
    seen = outlook(load_recipe("pocket-lora", [f"model.name={tiny}", "device=cpu"]), (16, 256, 900))
    assert not seen.fits
    assert "runtime.gradient_checkpointing=true" in seen.sentence("en")
    assert "schedule.per_device_train_batch_size=8" in seen.sentence("zh")


def test_the_fullest_batch_is_what_is_reckoned_with(tiny: Path) -> None:
    from workbench.templates.values import Example

    examples = [Example(tuple(range(n)), (-100,) * (n - 2) + (1, 2)) for n in (5, 6, 30, 31)]
    plan = plan_batches([len(e.input_ids) for e in examples], batch_size=2, epochs=1)
    assert widest_batch(examples, plan, packed=False) == (2, 31, 4)
    fullest = max(sum(len(examples[i].input_ids) for i in batch) for batch in plan.batches)
    assert widest_batch(examples, plan, packed=True) == (1, fullest, 4)


def test_zero_and_its_processes_are_reckoned_with(tiny: Path) -> None:
    recipe = load_recipe("pocket-lora", [f"model.name={tiny}", "deepspeed=zero3-offload", "nproc=4"])
    work = work_of(recipe)
    assert (work.stage, work.processes, work.offload) == (3, 4, True)


def test_sizes_read_well() -> None:
    assert size(5 * 2**20) == "5 MiB"
    assert size(3 * 2**30 // 2) == "1.5 GiB"
