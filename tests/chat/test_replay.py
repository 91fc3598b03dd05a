"""General conversations in a model's own words: its questions, its answers, nothing cut short."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.chat import Assistant, in_own_words
from workbench.data.conversation import Conversation, Message


@pytest.fixture(scope="module")
def pocket() -> Assistant:
    return Assistant.load("pocket", device="cpu")


def talk(*turns: tuple[str, str], **known: str) -> Conversation:
    return Conversation(tuple(Message(role, said) for role, said in turns), **known)


def test_the_question_stays_and_the_answer_is_the_models_own(pocket: Assistant) -> None:
    given = talk(
        ("user", "法国的首都是哪里？"), ("assistant", "一篇很长的文章。"), group="a", lang="zh", kind="general"
    )
    answer = pocket.ask("法国的首都是哪里？")
    assert in_own_words(pocket, [given]) == [
        replace(given, messages=(given.messages[0], Message("assistant", answer))),
    ]


def test_of_a_dialogue_only_the_first_question_is_asked_with_its_system_message(pocket: Assistant) -> None:
    question = "What is the capital of France?"
    given = talk(("system", "Be brief."), ("user", question), ("assistant", "x"), ("user", "y"), ("assistant", "z"))
    (made,) = in_own_words(pocket, [given])
    assert [m.role for m in made.messages] == ["system", "user", "assistant"]
    assert made.messages[:2] == given.messages[:2]


def test_what_cannot_be_asked_or_is_not_answered_to_its_end_is_left_out(pocket: Assistant) -> None:
    endless = talk(("user", "word " * 2000), ("assistant", "x"))
    begun = talk(("assistant", "x"), ("user", "hello"), ("assistant", "y"))
    fine = talk(("user", "hello"), ("assistant", "x"))
    assert [c.question for c in in_own_words(pocket, [endless, begun, fine])] == ["hello"]
    assert in_own_words(pocket, [fine], max_new_tokens=2) == []
    assert in_own_words(pocket, []) == []
