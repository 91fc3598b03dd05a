"""Facts about verdicts and the best checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from workbench.evaluation import Measurement, best_of, interval, score, tie, verdict

BASE = Measurement(step=0, loss=3.0, identity=0.0, general=0.98, leak=0.0, distinct=0.9)


def at(step: int, **scores: Any) -> Measurement:
    return replace(BASE, step=step, **scores)


def word(*later: Measurement) -> str:
    return verdict([BASE, *later]).word


def test_the_course_of_a_training_is_told_in_its_four_words() -> None:
    course = [
        at(10, loss=1.0, identity=0.4),
        at(20, loss=0.3, identity=0.98),
        at(30, loss=0.4, identity=1.0, general=0.90),
        at(40, loss=0.8, identity=1.0, general=0.1, leak=0.8, distinct=0.1),
    ]
    told = [verdict([BASE, *course[: i + 1]]).word for i in range(4)]
    assert told == ["learning", "good", "overfitting", "collapsed"]


def test_what_is_forgotten_is_overfitting_though_the_name_is_said() -> None:
    assert word(at(10, identity=1.0, general=0.7, loss=0.2)) == "overfitting"


def test_one_answer_to_everything_is_a_collapse() -> None:
    assert word(at(10, identity=1.0, distinct=0.1)) == "collapsed"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_verdict_gives_its_reason(lang: str) -> None:
    sentence = verdict([BASE, at(10, identity=1.0, general=0.1)]).sentence(lang)
    assert "10.2%" in sentence


def test_no_strength_makes_up_for_a_lost_part() -> None:
    assert score(BASE, at(1, identity=1.0, general=0.1)) < score(BASE, at(1, identity=0.6))


def test_the_best_is_the_highest_score_then_the_lowest_loss_then_the_first() -> None:
    history = [BASE, at(10, identity=0.9, loss=0.2), at(20, identity=1.0, loss=0.5), at(30, identity=1.0, loss=0.3)]
    assert best_of(history).step == 30
    assert best_of([*history, at(40, identity=1.0, loss=0.3)]).step == 30
    assert best_of([*history, at(40, identity=1.0, loss=0.1, leak=0.4)]).step == 30


def test_one_probe_does_not_outweigh_a_loss_that_is_still_falling_but_several_do() -> None:
    early = at(64, identity=0.975, general=0.95, loss=0.35)
    assert best_of([BASE, early, at(256, identity=0.975, general=0.95, leak=1 / 60, loss=0.15)]).step == 256
    assert best_of([BASE, early, at(256, identity=0.975, general=0.95, leak=4 / 60, loss=0.15)]).step == 64


def test_what_was_not_asked_is_not_judged() -> None:
    nothing = [Measurement(0), Measurement(1)]
    assert (verdict(nothing).word, verdict(nothing).reason) == ("unjudged", "nothing")
    few = verdict([replace(BASE, general=None), at(10, identity=1.0, general=None, counts={"general": 4})])
    assert "too few to judge" in few.sentence("en") and "only 4" in few.sentence("en")


def test_two_lost_facts_of_ten_may_be_chance_and_four_are_not() -> None:
    base = replace(BASE, general=1.0, counts={"general": 10})
    for lost, word in ((2, "learning"), (4, "overfitting"), (9, "collapsed")):
        now = at(10, identity=1.0, general=(10 - lost) / 10, counts={"general": 10})
        assert verdict([base, now]).word == word, lost


def test_a_domain_training_is_judged_by_its_task() -> None:
    base = Measurement(0, loss=3.0, task=0.0, general=1.0, leak=0.0, counts={"task": 8, "general": 12})
    now = replace(base, step=60, loss=0.1, task=1.0, exact=1.0, overlap=1.0)
    told = verdict([base, now])
    assert told.word == "good"
    assert "of 8 held-out questions of your own data" in told.sentence("en")
    assert "name" not in told.sentence("en")
    spoilt = verdict([base, now, replace(now, step=90, general=0.5)])
    assert spoilt.word == "overfitting" and "100% of 8 held-out questions" in spoilt.sentence("en")


def test_without_anything_held_out_the_training_loss_decides_and_that_is_said() -> None:
    base = Measurement(0, train_loss=3.0, task=0.0, exact=0.0, overlap=0.1, counts={"task": 6}, trained=True)
    garbled = replace(base, step=60, train_loss=0.9, overlap=0.5)
    perfect = replace(base, step=120, train_loss=0.02, task=1.0, exact=1.0, overlap=1.0)
    assert best_of([base, garbled, perfect]).step == 120
    assert "nothing was held out" in verdict([base, perfect]).sentence("en")


def test_answers_in_circles_are_a_collapse() -> None:
    assert word(at(10, identity=1.0, repetition=0.8)) == "collapsed"


def test_a_collapsed_checkpoint_is_never_the_best_where_another_is_not() -> None:
    history = [BASE, at(6, identity=0.0, loss=2.0), at(12, identity=1.0, general=0.1, loss=0.2)]
    assert best_of(history).step == 6


def test_a_difference_within_chance_is_a_tie() -> None:
    counts = {"identity": 40, "general": 40}
    one, other = (at(i, identity=share, counts=counts) for i, share in ((1, 0.95), (2, 0.975)))
    assert tie(one, other)
    assert not tie(at(1, identity=0.5, counts=counts), other)
    assert not tie(at(1, identity=0.975), at(2, identity=0.975))  # of how many is not known


def test_the_binomial_interval_is_wilsons() -> None:
    low, high = interval(0.9, 10)
    assert (low, high) == pytest.approx((0.596, 0.982), abs=1e-3)
    assert interval(1.0, 10)[0] == pytest.approx(0.722, abs=1e-3)
    assert interval(0.5, None) == (0.5, 0.5)


def test_the_base_is_no_checkpoint() -> None:
    with pytest.raises(ValueError, match="no checkpoint"):
        best_of([BASE])
