"""Facts about a training in its own process, from start to end, stop, kill and resume."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests import tiny as small
from tests.zygote import real_workers
from workbench.errors import BadInput, BadSetting, Failed
from workbench.models import load_tokenizer
from workbench.runs import Run, stop, wait
from workbench.runs.process import started
from workbench.templates import get
from workbench.training import load_recipe, train
from workbench.training.settings import Recipe
from workbench.training.start import follow
from workbench.training.worker import work

STEPS = 8


@pytest.fixture(scope="module")
def recipe(tiny: Path) -> Recipe:
    data = ["persona.name=小芽", "identity_count=60", "lora_dropout=0.1", "per_device_train_batch_size=4"]
    return load_recipe(
        "pocket-qlora",
        small.overrides(tiny, *data, f"max_steps={STEPS}", "eval_steps=4", "save_steps=2", "identity_probes=4"),
    )


@pytest.fixture(scope="module")
def whole(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that nobody interrupted; its worker is started as everywhere outside the tests."""
    with real_workers():
        return train(recipe, tmp_path_factory.mktemp("whole") / "run")


def told(run: Run) -> list[tuple[object, ...]]:
    """The events without times, sequence and status."""
    rows = []
    for line in (run.path / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["kind"] != "status" and event.get("reason") != "stop":
            rows.append(tuple((k, str(v)) for k, v in event.items() if k not in ("time", "seq", "seconds", "reason")))
    return rows


def adapter(run: Run) -> bytes:
    latest = run.latest()
    assert latest is not None
    return (latest.path / "adapter_model.safetensors").read_bytes()


def test_a_run_tells_all_that_happened(whole: Run) -> None:
    assert whole.state().status == "ended"
    kinds = [e.kind for e in whole.events.all()]
    assert kinds.count("train") == STEPS
    assert [e.step for e in whole.events.all() if e.kind == "eval"] == [0, 4, 8]
    assert [c.step for c in whole.checkpoints()] == [2, 4, 6, 8]
    assert kinds.count("verdict") == 3
    best = whole.best()
    assert best is not None
    assert best.step in (4, 8)


def test_a_checkpoint_holds_no_pickle(whole: Run) -> None:
    latest = whole.latest()
    assert latest is not None
    suffixes = {p.suffix for p in latest.path.iterdir()}
    assert suffixes <= {".safetensors", ".json", ".md"}
    assert {"adapter_model.safetensors", "adapter_config.json"} <= {p.name for p in latest.path.iterdir()}


def test_the_manifest_tells_what_the_template_renders(recipe: Recipe, whole: Run) -> None:
    tokenizer = load_tokenizer(recipe.model.name)
    assert whole.manifest()["template_hash"] == get(None, tokenizer).fingerprint(tokenizer)


def test_a_resume_with_another_template_is_refused(whole: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(whole.path, tmp_path / "run"))
    manifest = json.loads((run.path / "manifest.json").read_text(encoding="utf-8"))
    (run.path / "manifest.json").write_text(json.dumps({**manifest, "template_hash": "0"}), encoding="utf-8")
    with pytest.raises(BadInput, match="template"):
        work(run)


def test_the_loss_falls(whole: Run) -> None:
    losses = [e.loss for e in whole.events.all() if e.kind == "train"]
    assert losses[-1] < losses[0]


def test_killed_and_resumed_it_ends_bit_for_bit_the_same(recipe: Recipe, whole: Run, tmp_path: Path) -> None:
    run = train(recipe, tmp_path / "run", detach=True)
    deadline = time.monotonic() + 120
    while not any(c.step >= 2 for c in run.checkpoints()) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(run.state().pid, signal.SIGKILL)
    assert wait(run, 30).status == "died"
    again = train(recipe, tmp_path / "run", resume=True)
    assert again.state().status == "ended"
    assert adapter(again) == adapter(whole)
    assert told(again) == told(whole)
    names = ("adapter_config.json", "optimizer.safetensors", "scheduler.json", "random_state.safetensors")
    ends = [one.latest() for one in (whole, again)]
    for name in names:  # equal runs write equal files, to the order of what they list
        first, second = ((end.path / name).read_bytes() for end in ends if end is not None)
        assert first == second, name


def test_a_folder_that_goes_while_it_trains_is_no_success(recipe: Recipe, tmp_path: Path) -> None:
    run = train(recipe, tmp_path / "run", detach=True)
    until = time.monotonic() + 120
    while not run.checkpoints() and time.monotonic() < until:
        time.sleep(0.01)
    pid = run.state().pid
    shutil.rmtree(run.path, ignore_errors=True)
    shutil.rmtree(run.path, ignore_errors=True)  # what was just being written, too
    with pytest.raises(Failed, match="folder of the run is gone"):
        follow(run)
    while started(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not started(pid) and not run.path.exists()


def test_stopped_it_saves_and_resumed_it_ends_the_same(recipe: Recipe, whole: Run, tmp_path: Path) -> None:
    run = train(recipe, tmp_path / "run", detach=True)
    for event in run.follow():
        if event.kind == "train":
            break
    state = stop(run, timeout=120)
    assert state.status == "stopped"
    latest = run.latest()
    assert latest is not None
    assert latest.step == state.step
    again = train(recipe, tmp_path / "run", resume=True)
    assert adapter(again) == adapter(whole)


def test_accumulated_batches_take_the_same_steps(recipe: Recipe, whole: Run, tmp_path: Path) -> None:
    """T15: the loss is divided by the trained tokens of the whole step, so it does not matter how the step is cut."""
    from workbench.training import with_overrides

    cut = with_overrides(
        recipe,
        schedule={"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4},
        adapter={"lora_dropout": 0.0},
    )
    packed = with_overrides(recipe, data={"packing": True}, adapter={"lora_dropout": 0.0})
    plain = with_overrides(recipe, adapter={"lora_dropout": 0.0})
    curves = []
    for name, settings in (("plain", plain), ("cut", cut), ("packed", packed)):
        run = train(with_overrides(settings, schedule={"max_steps": 4}), tmp_path / name)
        curves.append([e.loss for e in run.events.all() if e.kind == "train"])
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)
    assert curves[2] == pytest.approx(curves[0], rel=1e-3)


def test_a_resume_with_other_settings_is_refused(recipe: Recipe, whole: Run) -> None:
    from workbench.training import with_overrides

    with pytest.raises(BadSetting, match="learning_rate"):
        train(with_overrides(recipe, optimizer={"learning_rate": 1e-4}), whole.path, resume=True)


def test_a_folder_that_is_not_empty_is_refused(recipe: Recipe, whole: Run) -> None:
    with pytest.raises(BadInput, match="empty"):
        train(recipe, whole.path)


def test_without_a_name_and_without_data_nothing_starts(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="nothing to train on"):
        train(load_recipe("pocket-qlora", [f"model.name={tiny}"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_ends_the_run_and_says_what_to_change(recipe: Recipe, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from workbench.training import with_overrides

    base = tmp_path / "base"
    base.mkdir()
    for file in Path(recipe.model.name).iterdir():
        (base / file.name).write_bytes(file.read_bytes())
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], float("nan"))
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    broken = with_overrides(recipe, model={"name": str(base), "quantization": "none"})
    with pytest.raises(Failed, match="learning_rate"):
        train(broken, tmp_path / "run")
    assert Run(tmp_path / "run").state().status == "failed"
