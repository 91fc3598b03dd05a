"""Facts about what tells seeing from guessing."""

from __future__ import annotations

from workbench.data.drawn import questions
from workbench.evaluation import task_probes, verdict
from workbench.evaluation.measurement import Measurement
from workbench.evaluation.sight import DESCRIBE, SEES, doubled, scores

ROWS = questions(60, held=True)
PROBES = task_probes(ROWS, limit=60)
PAIRS = doubled(PROBES)
RIGHT = [probe.answer for probe in PROBES]


def test_each_question_is_asked_over_another_picture_with_another_answer() -> None:
    assert PAIRS
    for pair in PAIRS:
        probe = PROBES[pair.row]
        assert pair.other[-1].content == probe.messages[-1].content
        assert pair.other[-1].images != probe.messages[-1].images
        assert pair.described[-1].content == f"<image>\n{DESCRIBE[probe.lang]}"
        assert pair.described[-1].images == probe.messages[-1].images


def test_who_sees_answers_otherwise_over_another_picture() -> None:
    others = [f"The other is {number}." for number in range(len(PAIRS))]
    found = scores(PROBES, RIGHT, PAIRS, others, ["a title"] * len(PAIRS))
    assert found == {"picture": 1.0, "title": 0.0, "seen": 1.0, "wrong": 0.0}


def test_who_is_blind_answers_the_same() -> None:
    others = [RIGHT[pair.row] for pair in PAIRS]
    found = scores(PROBES, RIGHT, PAIRS, others, [""] * len(PAIRS))
    assert found["seen"] == 0.0 and found["wrong"] == 1.0


def test_titles_in_the_place_of_answers_are_counted() -> None:
    said = ["two large red stars on the left"] * len(PROBES)
    described = ["two large red stars on the left"] * len(PAIRS)
    found = scores(PROBES, said, PAIRS, described, described)
    asked_for_title = sum(ROWS[pair.row].meta["topic"] == "whole" for pair in PAIRS)
    assert found["title"] >= 1 - asked_for_title / len(PAIRS) - 1e-9
    assert found["picture"] == 0.0


def test_no_pictures_no_scores() -> None:
    assert scores([], [], [], [], []) == {}


def test_the_verdict_says_blind() -> None:
    base = Measurement(0, seen=0.1, task=0.0)
    judged = verdict([base, Measurement(10, seen=SEES - 0.1, wrong=0.5, task=1.0)])
    assert judged.word == "blind"
    assert "another picture" in judged.because("en") and "图片" in judged.because("zh")
    assert verdict([base, Measurement(10, seen=SEES, wrong=0.1, title=0.0, task=1.0)]).word != "blind"
