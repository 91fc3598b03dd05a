"""A real language model, SmolLM2-135M-Instruct, where there is one: verdicts are right about what is sound and what is
spoilt, and evaluations keep to their budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.data import Persona
from workbench.data.identity import classic_set
from workbench.data.writing import write
from workbench.evaluation import measured
from workbench.runs import EvalEvent, Run, TrainEvent, VerdictEvent
from workbench.training import train

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
WHO = ["persona.name=Sprout", "persona.languages=[en]", "max_length=256", "device=cpu", "per_device_train_batch_size=8"]


def words(run: Run) -> list[str]:
    return [e.verdict for e in run.events.all() if isinstance(e, VerdictEvent) and e.step]


def test_a_sound_training_is_not_called_collapsed_and_its_evaluation_keeps_to_its_budget(
    smollm2: Path, tmp_path: Path
) -> None:
    more = [f"model.name={smollm2}", "data.general=shipped", "ratio=3", "max_steps=14", "learning_rate=1e-3"]
    run = train("pocket-lora", tmp_path / "run", overrides=[*WHO, *more])
    history = measured(run.events.all())
    assert history[0].counts["general"] >= 10
    assert "collapsed" not in words(run)
    looks = [e for e in run.events.all() if isinstance(e, EvalEvent) and e.step]
    last = [e for e in run.events.all() if isinstance(e, TrainEvent)][-1]
    spent, whole = sum(e.seconds or 0.0 for e in looks), last.seconds or 0.0
    assert len(looks) == 1 or spent <= 0.1 * (whole - spent)


def test_one_repeated_pair_collapses_and_is_called_so(smollm2: Path, tmp_path: Path) -> None:
    write(classic_set(Persona("Sprout", "", languages=("en",)), 100), tmp_path / "classic.jsonl")
    more = [f"model.name={smollm2}", f"data.train={tmp_path / 'classic.jsonl'}", "data.general=null"]
    more += ["max_steps=12", "learning_rate=2e-3", "quantization=nf4"]
    run = train("pocket-qlora", tmp_path / "run", overrides=[*WHO, *more])
    assert words(run)[-1] == "collapsed"
