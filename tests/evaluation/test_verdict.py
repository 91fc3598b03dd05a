"""Facts about verdicts and the best checkpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.evaluation import Measurement, best_of, score, verdict

BASE = Measurement(step=0, loss=3.0, identity=0.0, general=0.98, leak=0.0, distinct=0.9)


def at(step: int, **scores: float) -> Measurement:
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
    assert "10%" in sentence


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


def test_the_base_is_no_checkpoint() -> None:
    with pytest.raises(ValueError, match="no checkpoint"):
        best_of([BASE])
