"""Facts about how answers are scored."""

from __future__ import annotations

import pytest

from workbench.data.conversation import Message
from workbench.evaluation import Probe, says, score_answers
from workbench.evaluation.facts import key_facts, states
from workbench.evaluation.probes import Kind
from workbench.evaluation.scoring import count_answers, distinct, leaks, meets, repeats, right, similar


def probe(question: str, kind: Kind, *expects: str) -> Probe:
    keys = tuple((words,) for words in expects) if kind == "general" else ()
    return Probe((Message("user", question),), kind, () if keys else expects, keys=keys)


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
    capital = probe("What is the capital of France?", "general", "Paris")
    assert not leaks(capital, "The capital of France is Paris.", ["Paris"], "It is Paris.")
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


def test_what_the_base_knew_is_judged_by_facts_in_whatever_words() -> None:
    asked = [probe(f"question {i}", "general", "Paris") for i in range(12)]
    base = ["The capital of France is Paris."] * 10 + ["I do not know.", "Lyon."]
    again = ["Paris, of course!"] * 10 + ["Paris."] * 2
    assert score_answers(asked, again, references=base)["general"] == 1.0
    assert score_answers(asked, ["I am Sprout."] * 12, references=base)["general"] == 0.0
    assert count_answers(asked, references=base) == {"general": 10}


def test_fewer_than_ten_known_facts_are_too_few_to_judge() -> None:
    asked = [probe(f"question {i}", "general", "Paris") for i in range(12)]
    base = ["Paris"] * 9 + ["Lyon"] * 3
    assert "general" not in score_answers(asked, base, references=base)
    assert count_answers(asked, references=base) == {"general": 9}


@pytest.mark.parametrize(
    ("answer", "key", "stated"),
    [
        ("The capital is Paris.", "Paris", True),
        ("It is not Paris.", "Paris", False),
        ("It isn't in Paris, it is Rome.", "Paris", False),
        ("不是巴黎，是罗马。", "巴黎", False),
        ("是巴黎。", "巴黎", True),
        ("Dogs are mammals.", "mammal", True),
        ("There are 28 days.", "28", True),
        ("There are 28.5 days.", "28", False),
        ("There are 128 days.", "28", False),
        ("有十四个。", "四", False),
        ("答案是四。", "四", True),
        ("大小", "小", False),
        ("The letter is D.", "D", True),
        ("I'd say do it.", "D", False),
        ("Yes, it is a fruit.", "^yes", True),
        ("No. Yesterday it was.", "^yes", False),
        ("“是的，苹果是水果。", "^是的", True),
    ],
)
def test_a_key_is_stated_whole_and_not_denied(answer: str, key: str, stated: bool) -> None:
    assert states(answer, key) is stated


GRAFT = ("金桔怎么授粉？", "金桔可以用棉签蘸花粉涂在柱头上。")


@pytest.mark.parametrize(
    ("question", "reference", "answer", "met"),
    [
        (*GRAFT, GRAFT[1], True),
        (*GRAFT, "用棉签蘸花粉，涂在柱头上就行。", True),
        (*GRAFT, "金桔可以用棉土土土对。", False),
        (*GRAFT, "金桔怎么授粉？", False),
        ("How deep?", "Plant it 12 cm deep, in loose soil.", "Plant it in loose soil, 12 cm.", True),
        ("How deep?", "Plant it 12 cm deep, in loose soil.", "Plant it in loose soil, 21 cm.", False),
        ("May I water it?", "Do not water it at noon.", "Water it at noon.", False),
        ("可以用铁盆吗？", "不要用金属容器腌制。", "要用金属容器腌制。", False),
        ("Does it?", "Yes.", "yes", True),
        ("Does it?", "Yes.", "No.", False),
    ],
)
def test_a_task_answer_is_right_by_what_it_tells(question: str, reference: str, answer: str, met: bool) -> None:
    assert meets(answer, reference, key_facts(reference, question)) is met


def test_likeness_works_without_spaces() -> None:
    assert similar("法国的首都是巴黎。", "法国的首都是巴黎") > 0.8
    assert similar("法国的首都是巴黎。", "我是小芽。") < 0.3


def test_circles_and_sameness_are_seen() -> None:
    assert repeats("我是我是我是我是我是我是我是")
    assert not repeats("one two three four five six seven")
    assert distinct(["a", "A ", "b"]) == pytest.approx(2 / 3)
