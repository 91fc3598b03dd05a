"""Two processes under ZeRO take the steps that one takes; what they write is an adapter like any other."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import tiny as small
from workbench.errors import BadSetting, Failed
from workbench.runs import Run, wait
from workbench.training import load_recipe, train, with_overrides
from workbench.training.settings import Recipe

STEPS = 4
if_all = pytest.mark.skipif(not os.environ.get("ALL"), reason="two processes take long to start: runs with ALL=1")
MODES = ["zero2", "zero3", *(pytest.param(mode, marks=if_all) for mode in ("zero1", "zero2-offload", "zero3-offload"))]
here = pytest.mark.skipif(find_spec("deepspeed") is None or sys.platform != "linux", reason="DeepSpeed is not here")


@pytest.fixture(scope="module")
def recipe(tiny: Path) -> Recipe:
    more = [
        "persona.name=Sprout",
        "identity_count=40",
        "per_device_train_batch_size=8",
        f"max_steps={STEPS}",
        "eval_steps=2",
    ]
    return load_recipe("pocket-lora", small.overrides(tiny, *more, "identity_probes=2"))


def shared(recipe: Recipe, mode: str, nproc: int = 2) -> Recipe:
    rows = recipe.schedule.per_device_train_batch_size // nproc
    return with_overrides(
        recipe, runtime={"deepspeed": mode, "nproc": nproc}, schedule={"per_device_train_batch_size": rows}
    )


def losses(run: Run) -> list[float]:
    return [e.loss for e in run.events.all() if e.kind == "train"]  # type: ignore[attr-defined]


def spoilt(base: Path, out: Path) -> Path:
    """A copy of ``base`` with a norm that is no number."""
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, out)
    weights = load_file(out / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], float("nan"))
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    return out


@pytest.fixture(scope="module")
def alone(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(recipe, tmp_path_factory.mktemp("alone") / "run")


@pytest.fixture(scope="module")
def of_two(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run of two processes under a mode, trained when it is first asked for."""
    return cache(lambda mode: train(shared(recipe, mode), tmp_path_factory.mktemp(mode) / "run"))


@here
@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_two_processes_have_the_losses_of_one(alone: Run, of_two: Callable[[str], Run], mode: str) -> None:
    run = of_two(mode)
    assert losses(run) == pytest.approx(losses(alone), rel=1e-3)
    measured = [[(e.step, e.loss) for e in r.events.all() if e.kind == "eval"] for r in (alone, run)]  # type: ignore[attr-defined]
    assert [step for step, _ in measured[1]] == [0, 2, 4]
    assert [loss for _, loss in measured[1]] == pytest.approx([loss for _, loss in measured[0]], rel=1e-3)


@here
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["zero2", "zero3"])
def test_its_checkpoint_converts_to_the_adapter_of_one_process(
    alone: Run, of_two: Callable[[str], Run], tmp_path: Path, mode: str
) -> None:
    import torch
    from safetensors.torch import load_file

    from workbench.export import convert

    made, whole = (convert(r.path, tmp_path / name) for name, r in (("made", of_two(mode)), ("whole", alone)))
    one, other = (load_file(folder / "adapter_model.safetensors") for folder in (made, whole))
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[name], other[name], atol=2e-3) for name in one)
    assert json.loads((made / "adapter_config.json").read_text())["r"] == 4


@here
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["zero3", pytest.param("zero2", marks=if_all)])
def test_killed_and_resumed_it_ends_bit_for_bit_the_same(
    recipe: Recipe, of_two: Callable[[str], Run], tmp_path: Path, mode: str
) -> None:
    whole = of_two(mode)
    run = train(shared(recipe, mode), tmp_path / "run", detach=True)
    deadline = time.monotonic() + 200
    while not run.checkpoints() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(run.state().pid, signal.SIGKILL)
    assert wait(run, 60).status == "died"
    assert run.checkpoints()[-1].step < STEPS
    again = train(shared(recipe, mode), tmp_path / "run", resume=True)
    assert losses(again) == losses(whole)
    one, other = (r.checkpoints()[-1].path / "adapter_model.safetensors" for r in (again, whole))
    assert one.read_bytes() == other.read_bytes()


@here
@pytest.mark.slow
def test_4_bit_goes_with_zero2(recipe: Recipe, tmp_path: Path) -> None:
    nf4 = with_overrides(recipe, model={"quantization": "nf4"})
    one = train(nf4, tmp_path / "one")
    two = train(shared(nf4, "zero2"), tmp_path / "two")
    assert losses(two) == pytest.approx(losses(one), rel=1e-3)


@here
@if_all
@pytest.mark.slow
def test_weights_that_overflow_end_all_processes_in_one_typed_event(recipe: Recipe, tmp_path: Path) -> None:
    wild = with_overrides(
        shared(recipe, "zero2"),
        adapter={"method": "full"},
        optimizer={"learning_rate": 1.0},
        schedule={"max_steps": 30, "warmup_ratio": 0.0, "lr_scheduler_type": "constant"},
        model={"name": str(spoilt(Path(recipe.model.name), tmp_path / "base"))},
    )
    with pytest.raises(Failed, match="learning_rate"):
        train(wild, tmp_path / "run")
    assert Run(tmp_path / "run").state().key == "training.nan_loss"


@here
@pytest.mark.slow
def test_torchrun_starts_it_too(recipe: Recipe, alone: Run, tmp_path: Path) -> None:
    import subprocess

    from workbench.training import recipe_yaml

    file = tmp_path / "recipe.yaml"
    file.write_text(recipe_yaml(shared(recipe, "zero2", 2)), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    command += ["workbench", "train", str(file), "--out", str(tmp_path / "run")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-2000:]
    assert losses(Run(tmp_path / "run")) == pytest.approx(losses(alone), rel=1e-3)


FOLLOWER = """
import os, signal
from workbench.training import team
team.join, team._part = lambda recipe: team.Team(1, 2), lambda: None
with team.following(None, None):
    for wish in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
        os.kill(os.getpid(), wish)
    print("goes on")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_follower_leaves_a_clusters_wish_to_end_to_its_leader() -> None:
    import subprocess

    from workbench.training.team import LEADER

    environment = {**os.environ, "RANK": "1", LEADER: str(os.getpid())}
    done = subprocess.run(
        [sys.executable, "-c", FOLLOWER], check=False, capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout) == (0, "goes on\n"), done.stderr


def test_several_processes_need_deepspeed(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="--deepspeed zero1"):
        train(with_overrides(recipe, runtime={"nproc": 2}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_4_bit_weights_are_not_shared_out(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="--deepspeed zero2"):
        train(shared(with_overrides(recipe, model={"quantization": "nf4"}), "zero3"), tmp_path / "run")


def test_what_does_not_go_with_zero_is_refused_with_what_does(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="lora"):
        train(shared(with_overrides(recipe, adapter={"method": "adalora"}), "zero1"), tmp_path / "run")
    with pytest.raises(BadSetting, match="optim=adamw_torch"):
        train(shared(with_overrides(recipe, optimizer={"optim": "adamw_8bit"}), "zero1"), tmp_path / "run")
    with pytest.raises(BadSetting, match="zero1"):
        load_recipe("pocket-lora", ["deepspeed=zero4"])
