"""One set of figures: what report, cards, curves, and the cards of adapter, model and bundle say, agrees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import tiny as small
from workbench.cli.quickstart import _page, _score_rows
from workbench.data import Persona
from workbench.evaluation import measured
from workbench.export import convert
from workbench.quickstart import Outcome, Quickstart
from workbench.render import curves_of
from workbench.runs import VerdictEvent

QUICK = ("identity_count=40", "identity_probes=6", "per_device_train_batch_size=8", "max_steps=4", "eval_steps=2")


@pytest.fixture(scope="module")
def walked(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Quickstart, Outcome]:
    out = tmp_path_factory.mktemp("walk") / "mine"
    way = Quickstart(Persona("Sprout"), out, overrides=small.overrides(tiny, *QUICK, "learning_rate=1e-2"))
    run, _ = way.begin()
    way.follow(run, lambda _: None)
    return way, way.finish(run)


def test_cards_and_curves_hold_the_same_numbers(walked: tuple[Quickstart, Outcome]) -> None:
    _, outcome = walked
    run, best = outcome.run, outcome.run.best()
    assert best is not None
    curves = curves_of(run.events.all(), best.step)
    base, shown, last = _score_rows(outcome)
    history = {m.step: m for m in measured(run.events.all())}
    assert (shown.step, last.step) == (best.step, max(history))
    for row, step in ((base, 0), (shown, best.step), (last, max(history))):
        for name in ("identity", "task", "general", "leak"):
            assert getattr(row, name) == getattr(history[step], name) == dict(getattr(curves, name)).get(step)
    assert outcome.record()["best"]["identity"] == shown.identity
    low, high = shown.ranges["identity"]
    assert low <= (shown.identity or 0.0) <= high
    assert shown.counts["identity"] == history[best.step].counts["identity"] > 0


def test_the_headline_is_the_verdict_that_the_cards_of_adapter_and_model_give(
    walked: tuple[Quickstart, Outcome],
) -> None:
    way, outcome = walked
    run, best = outcome.run, outcome.run.best()
    assert best is not None
    page = _page(way, outcome, None)
    words = [e for e in run.events.all() if isinstance(e, VerdictEvent) and e.step == best.step]
    assert best.reason == curves_of(run.events.all(), best.step, "en").verdict_text
    for folder in ("adapter", "merged"):
        note = json.loads((run.path / folder / "workbench.json").read_text(encoding="utf-8"))
        assert (note["run"]["reason"], note["run"]["verdict"]) == (best.reason, words[-1].verdict)
        card = (run.path / folder / "README.md").read_text(encoding="utf-8")
        assert best.reason.split(":")[0] in card and "knows what its base knew" not in card
    assert words[-1].reason in page


def test_a_checkpoint_that_was_judged_collapsed_says_so_wherever_it_goes(
    walked: tuple[Quickstart, Outcome], tmp_path: Path
) -> None:
    run = walked[1].run
    other = next(c for c in run.checkpoints())
    run.events.append("verdict", step=other.step, verdict="collapsed", reason="as said")
    run.events.close()
    note = json.loads((convert(other.path, tmp_path / "it") / "workbench.json").read_text(encoding="utf-8"))
    assert note["run"]["verdict"] == "collapsed"
