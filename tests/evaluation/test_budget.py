"""Facts about what evaluations may take."""

from __future__ import annotations

from workbench.evaluation.budget import Budget, Pace, plan

COUNTS = {"identity": 40, "general": 40, "unrelated": 20, "sample": 2}


def test_a_quick_look_is_whole_whatever_the_training_takes() -> None:
    looks = plan(Budget(0.1, 100), Pace(1e-6, 0.01, 0.2), COUNTS)
    assert (looks.looks, dict(looks.counts), looks.short) == (4, COUNTS, False)


def test_a_long_training_has_whole_looks() -> None:
    looks = plan(Budget(0.1, 1_000_000), Pace(0.01, 0.5, 5), COUNTS)
    assert (looks.looks, looks.share, looks.short) == (4, 1.0, False)
    assert looks.seconds <= 0.1 * looks.training


def test_a_shorter_one_has_fewer_questions_and_shorter_answers_within_its_budget() -> None:
    looks = plan(Budget(0.1, 30_000), Pace(0.01, 0.5, 5), COUNTS)
    assert looks.short and sum(looks.counts.values()) < sum(COUNTS.values())
    assert looks.seconds <= 0.1 * looks.training


def test_the_shortest_has_one_look_of_ten_questions_each() -> None:
    looks = plan(Budget(0.1, 1000), Pace(0.01, 0.5, 5), COUNTS)
    assert (looks.looks, dict(looks.counts)) == (1, {"identity": 10, "general": 10, "unrelated": 10, "sample": 2})


def test_looks_that_were_asked_for_are_all_taken_but_made_smaller() -> None:
    looks = plan(Budget(0.1, 1000, looks=7), Pace(0.01, 0.5, 5), COUNTS)
    assert (looks.looks, looks.counts["general"]) == (7, 10)


def test_without_a_budget_nothing_is_cut() -> None:
    looks = plan(Budget(None, 1000), Pace(0.01, 0.5, 5), COUNTS)
    assert (looks.looks, dict(looks.counts), looks.short) == (4, COUNTS, False)
