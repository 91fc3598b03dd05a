"""Each way in which a training cannot go on ends in a typed event that says what to change."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from tests import tiny as small
from tests.zygote import LIMITS
from workbench.errors import Failed
from workbench.models.translating import ran_out
from workbench.runs import Run, start, wait
from workbench.runs.events import StatusEvent
from workbench.training import load_recipe, train, with_overrides
from workbench.training.loop import check_finite
from workbench.training.settings import Recipe
from workbench.training.start import begin

linux = pytest.mark.skipif(sys.platform != "linux", reason="the limits are set in a forked worker")


@pytest.fixture(scope="module")
def recipe(tiny: Path) -> Recipe:
    more = ["persona.name=Sprout", "identity_count=40", "per_device_train_batch_size=8", "max_steps=4", "eval_steps=2"]
    more += ["learning_rate=1e-3"]  # a remedy below names a tenth of it
    return load_recipe("pocket-lora", small.overrides(tiny, *more, "identity_probes=2"))


def last_word(run: Run) -> StatusEvent:
    said = [e for e in run.events.all() if isinstance(e, StatusEvent)]
    return said[-1]


def limited(run: Run, **limits: int) -> None:
    """The real worker, in a process with limits of the system's on it."""
    start(run, env={LIMITS: json.dumps(limits)})
    wait(run, 200)


@linux
def test_a_disk_that_is_full_at_a_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    """A limit on the size of files refuses the adapter as a full disk does, from within the library that writes it."""
    run = begin(recipe, tmp_path / "run")
    limited(run, RLIMIT_FSIZE=40_000)
    word = last_word(run)
    assert (word.state, word.key) == ("failed", "runs.no_space")
    assert "Free some space" in word.remedy and "--resume" in word.remedy
    assert run.state().status == "failed"
    assert run.checkpoints() == [] and not list((run.path / "checkpoints").glob("tmp-*"))


@linux
def test_memory_that_runs_out(recipe: Recipe, tmp_path: Path) -> None:
    """A limit on the process's addresses: the CPU's allocator is refused the activations of a step."""
    large = with_overrides(
        recipe,
        data={"identity_count": 400},
        schedule={"per_device_train_batch_size": 256, "max_steps": 2},
        evaluation={"identity_probes": 0, "general_probes": 0, "unrelated_probes": 0},
    )
    run = begin(large, tmp_path / "run")
    limited(run, RLIMIT_AS=150_000_000)
    word = last_word(run)
    assert (word.state, word.key) == ("failed", "training.out_of_memory")
    assert "per_device_train_batch_size=128" in word.remedy and "gradient_accumulation_steps=2" in word.remedy


def test_a_gradient_that_is_no_number_ends_the_run_before_it_is_saved(recipe: Recipe, tmp_path: Path) -> None:
    for loss, norm in ((math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan), (1.0, math.inf)):
        with pytest.raises(Failed, match=r"learning_rate=1\.0e-04") as caught:
            check_finite(loss, norm, step=3, recipe=recipe, run=tmp_path)
        assert caught.value.key == "training.nan_loss"
    check_finite(1.0, 1.0, step=3, recipe=recipe, run=tmp_path)


def test_weights_that_overflow_end_the_run_with_what_to_change(recipe: Recipe, tmp_path: Path) -> None:
    """Every weight trained, at a rate with which the first steps send them out of range."""
    wild = with_overrides(
        recipe,
        adapter={"method": "full"},
        model={"dtype": "float16"},
        optimizer={"learning_rate": 1.0, "max_grad_norm": 0.0},
        schedule={"max_steps": 30, "warmup_ratio": 0.0, "lr_scheduler_type": "constant"},
    )
    with pytest.raises(Failed, match="learning_rate"):
        train(wild, tmp_path / "run")
    run = Run(tmp_path / "run")
    word = last_word(run)
    assert (word.state, word.key) == ("failed", "training.nan_loss")
    assert "--out NEW" in word.remedy and run.state().status == "failed"


def test_the_memorys_refusals_are_known_by_their_words() -> None:
    import torch

    wrapped = Failed("training.no_4bit", reason="x")
    wrapped.__cause__ = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")
    assert ran_out(wrapped) == "CUDA out of memory. Tried to allocate 2 GiB"
    assert ran_out(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."))
    assert ran_out(MemoryError()) == "MemoryError"
    assert not ran_out(RuntimeError("shapes do not agree"))
    assert not ran_out(ValueError("out of memory is only a word here"))
