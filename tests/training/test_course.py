"""The course's own two trainings, to the end: the verdict tells what becomes of them, and the best is kept."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from workbench.data import Persona
from workbench.data.identity import classic_set
from workbench.data.writing import write
from workbench.evaluation import measured
from workbench.evaluation.verdict import best_of, rank
from workbench.runs import Run
from workbench.training import train

ORDER = ["learning", "good", "overfitting", "collapsed"]
WHO = ["persona.name=Sprout", "persona.author=Ann", "eval_steps=10", "save_total_limit=1", "max_new_tokens=32"]
WHO += ["identity_probes=16", "general_probes=24", "unrelated_probes=12"]


def verdicts(run: Run) -> list[str]:
    """The verdicts of the checkpoints in their order, without repetitions."""
    said = [e.verdict for e in run.events.all() if e.kind == "verdict" and e.step]  # type: ignore[attr-defined]
    return [word for word, _ in groupby(said)]


def the_best_was_kept(run: Run) -> None:
    history = measured(run.events.all())
    best = run.best()
    assert best is not None and best.reason
    assert best.step == best_of(history).step
    assert best.score == pytest.approx(max(rank(history[0], m) for m in history[1:]))
    assert best.path.is_dir()
    assert {c.step for c in run.checkpoints()} == {best.step, history[-1].step}


@pytest.mark.slow
def test_one_pair_repeated_ends_in_collapse_and_the_best_is_kept(tmp_path: Path) -> None:
    data = tmp_path / "classic.jsonl"
    write(classic_set(Persona("Sprout", "Ann"), 2000), data)
    run = train(
        "pocket-overfit", tmp_path / "run", overrides=[*WHO, f"data.train={data}", "learning_rate=1e-2", "max_steps=60"]
    )
    seen = verdicts(run)
    assert seen[-1] == "collapsed"
    assert seen == sorted(seen, key=ORDER.index)
    the_best_was_kept(run)


@pytest.mark.slow
def test_an_identity_set_without_mixing_is_good_and_then_is_not(tmp_path: Path) -> None:
    run = train("pocket-overfit", tmp_path / "run", overrides=[*WHO, "learning_rate=3e-3", "max_steps=60"])
    seen = verdicts(run)
    assert seen[-1] in ("overfitting", "collapsed")
    assert seen == sorted(seen, key=ORDER.index)
    the_best_was_kept(run)
