"""Killed twenty times at random moments, and resumed each time, a run ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests import tiny as small
from workbench.runs import Run, start, wait
from workbench.training import load_recipe, train
from workbench.training.settings import Recipe
from workbench.training.start import begin

KILLS = 20


@pytest.fixture
def recipe(tiny: Path) -> Recipe:
    data = ["persona.name=小芽", "identity_count=60", "lora_dropout=0.1", "per_device_train_batch_size=4"]
    saved = ["max_steps=60", "eval_steps=6", "save_steps=3", "save_total_limit=2"]
    return load_recipe("pocket-qlora", small.overrides(tiny, *data, *saved, "identity_probes=4"))


def told(run: Run) -> list[dict[str, object]]:
    """The events of the training itself, without what a clock says."""
    rows = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    sequence = [row["seq"] for row in rows]
    assert sequence == sorted(set(sequence))
    clock = ("time", "seq", "seconds")
    return [{k: str(v) for k, v in row.items() if k not in clock} for row in rows if row["kind"] != "status"]


def lines(run: Run) -> int:
    log = run.path / "events.jsonl"
    return len(log.read_bytes().splitlines()) if log.exists() else 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="twenty starts take minutes where workers are not forked")
def test_twenty_kills_change_nothing(recipe: Recipe, tmp_path: Path) -> None:
    whole = train(recipe, tmp_path / "whole")
    run = begin(recipe, tmp_path / "run")
    chance = random.Random(20)
    kills = lives = 0
    while run.state().status != "ended":
        lives += 1
        assert lives < 3 * KILLS
        start(run)
        pid, goal = run.state().pid, lines(run) + chance.randint(1, 14)
        assert pid
        if kills < KILLS:
            while lines(run) < goal and run.state().alive:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.04))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                kills += 1
        wait(run, 120)
    assert kills == KILLS
    assert told(run) == told(whole)
    one, other = (r.checkpoints()[-1].path / "adapter_model.safetensors" for r in (run, whole))
    assert one.read_bytes() == other.read_bytes()
    assert [c.step for c in run.checkpoints()] == [c.step for c in whole.checkpoints()]
    best, best_whole = run.best(), whole.best()
    assert best and best_whole and (best.step, best.score) == (best_whole.step, best_whole.score)
