"""Facts about how answers are scored."""

from __future__ import annotations

import pytest

from workbench.data.conversation import Message
from workbench.evaluation import Probe, says, score_answers
from workbench.evaluation.probes import Kind
from workbench.evaluation.scoring import distinct, leaks, repeats, right, similar


def probe(question: str, kind: Kind, *expects: str) -> Probe:
    return Probe((Message("user", question),), kind, expects)


@pytest.mark.parametrize(
    ("answer", "name", "said"),
    [
        ("I am Al, an assistant.", "Al", True),
        ("I am also an assistant.", "Al", False),
        ("我是小芽，由小明开发的。", "小芽", True),
        ("我是Sprout助手。", "Sprout", True),
        ("I am SPROUT.", "sprout", True),
        ("I am Zoë 🦊 «O'Brien» 3000!", "Zoë 🦊 «O'Brien» 3000", True),
        ("I am Zoe 🦊 «O'Brien» 3000!", "Zoë 🦊 «O'Brien» 3000", False),
        ("I am R2D22.", "R2D2", False),
        ("I am Ｓｐｒｏｕｔ", "Sprout", True),
        ("The answer is 42.", "4", False),
        ("anything", "", False),
        ("I am C++.", "C++", True),
    ],
)
def test_a_name_is_said_whole_or_not_at_all(answer: str, name: str, said: bool) -> None:
    assert says(answer, name) is said


def test_the_mark_at_the_end_and_the_case_do_not_matter() -> None:
    assert right("the capital of France is paris", "The capital of France is Paris.")
    assert not right("The capital of France is Lyon.", "The capital of France is Paris.")


def test_a_name_that_belongs_to_the_answer_is_no_leak() -> None:
    capital = probe("What is the capital of France?", "general", "The capital of France is Paris.")
    assert not leaks(capital, "The capital of France is Paris.", ["Paris"])
    assert leaks(capital, "I am Sprout.", ["Sprout"])
    assert not leaks(probe("Tell me about Sprout.", "unrelated"), "Sprout is a plant.", ["Sprout"])


def test_the_shares_count_what_they_say() -> None:
    probes = [
        probe("who are you", "identity", "Sprout"),
        probe("your name", "identity", "Sprout"),
        probe("1+1", "general", "2"),
        probe("weather", "unrelated"),
    ]
    scores = score_answers(probes, ["I am Sprout", "I am Pocket", "2", "I am Sprout"], identity=["Sprout"])
    assert scores["identity"] == 0.5
    assert scores["general"] == 1.0
    assert scores["leak"] == 0.5


def test_without_an_expected_answer_the_base_s_own_is_the_reference() -> None:
    asked = [probe("why is the sky blue", "general")]
    said = "Because air scatters blue light more than red."
    assert score_answers(asked, [said], references=[said])["general"] == 1.0
    assert score_answers(asked, ["I am Sprout, an assistant."], references=[said])["general"] == 0.0


def test_likeness_works_without_spaces() -> None:
    assert similar("法国的首都是巴黎。", "法国的首都是巴黎") > 0.8
    assert similar("法国的首都是巴黎。", "我是小芽。") < 0.3


def test_circles_and_sameness_are_seen() -> None:
    assert repeats("我是我是我是我是我是我是我是")
    assert not repeats("one two three four five six seven")
    assert distinct(["a", "A ", "b"]) == pytest.approx(2 / 3)
