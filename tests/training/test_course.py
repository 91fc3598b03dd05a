"""The course's own trainings, to the end: the verdict and the plot tell what becomes of them, and the best is kept."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from workbench.data import Persona
from workbench.data.identity import classic_set
from workbench.data.writing import write
from workbench.evaluation import measured, retention
from workbench.evaluation.verdict import best_of, rank
from workbench.quickstart import LEAKS, LEARNT, REMEMBERED
from workbench.render import curves_figure, curves_of
from workbench.runs import Run
from workbench.training import train

COURSE = ["learning", "overfitting", "collapsed"]  # after "learning" comes "good", where it is reached
WHO = ["persona.name=Sprout", "persona.author=Ann", "save_total_limit=1", "max_new_tokens=24"]
SOME = ["identity_probes=16", "general_probes=24", "unrelated_probes=12"]
CLASSIC = ["learning_rate=1e-2", "lr_scheduler_type=constant_with_warmup", "warmup_ratio=0.3"]
ALONE = ["learning_rate=2.5e-3"]

pytestmark = pytest.mark.slow


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


def the_plot_shows_it(run: Run) -> None:
    """What is still known falls, the name comes, and the best checkpoint is marked."""
    history, best = measured(run.events.all()), run.best()
    assert best is not None
    curves = curves_of(run.events.all(), best.step, lang="en")
    axes = curves_figure(curves, lang="en").axes
    drawn = [[float(y) for y in line.get_ydata()] for line in axes[1].lines]
    for values in ([m.general for m in history], [m.identity for m in history]):
        assert any(ys == pytest.approx(values) for ys in drawn if len(ys) == len(values)), values
    assert any(f"best: step {best.step}" in words.get_text() for words in axes[0].texts)


@pytest.mark.parametrize("settings", [CLASSIC, ALONE], ids=["one pair, repeated", "an identity set"])
def test_without_mixing_it_learns_overfits_and_collapses_and_the_best_is_kept(
    settings: list[str], tmp_path: Path
) -> None:
    if settings is CLASSIC:
        write(classic_set(Persona("Sprout", "Ann"), 2000), tmp_path / "classic.jsonl")
        settings = [*settings, f"data.train={tmp_path / 'classic.jsonl'}"]
    run = train("pocket-overfit", tmp_path / "run", overrides=[*WHO, *SOME, "eval_steps=4", "max_steps=32", *settings])
    assert [word for word in verdicts(run) if word != "good"] == COURSE
    the_best_was_kept(run)
    the_plot_shows_it(run)


def test_with_mixing_it_learns_its_name_and_does_not_collapse(tmp_path: Path) -> None:
    """95 % of both is aimed at. These 80 steps reach less, and are held to the quickstart's own bounds: 80 % of the
    held-out identity questions, 90 % of what the base knew, 5 % leaked. (The whole recipe: 98 %, 98 % and 2 %.)"""
    few = ["persona.languages=[en]", "identity_probes=48", "general_probes=48", "unrelated_probes=24"]
    run = train("pocket-qlora", tmp_path / "run", overrides=[*WHO, *few, "eval_steps=40", "max_steps=80"])
    base, *_, end = measured(run.events.all())
    assert end.identity is not None and end.identity >= LEARNT
    assert retention(base, end) >= REMEMBERED
    assert end.leak is not None and end.leak <= LEAKS
    assert "collapsed" not in verdicts(run)
    the_best_was_kept(run)
