"""Conversations that are learnt, as a table."""

from __future__ import annotations

from workbench.data import Conversation, Message
from workbench.render import conversations_html


def talk(*said: str) -> Conversation:
    return Conversation(tuple(Message(("user", "assistant")[at % 2], words) for at, words in enumerate(said)))


def test_what_was_said_before_the_answer_stands_beside_it() -> None:
    drawn = conversations_html([talk("Which day comes after Monday?", "Tuesday.", "Who are you?", "I am Sprout.")])
    asked, answer = drawn.partition("</thead>")[2].split("I am Sprout.")[0], drawn.count("I am Sprout.")
    assert answer == 1
    assert [words in asked for words in ("Monday?", "Tuesday.", "Who are you?")] == [True, True, True]
    assert asked.index("Monday?") < asked.index("Tuesday.") < asked.index("Who are you?")
    assert "user" in asked and "assistant" in asked


def test_a_lone_question_needs_no_role_and_text_is_escaped() -> None:
    drawn = conversations_html([talk("<b>Who</b> are you?", "<i>I</i>")], lang="zh")
    assert "user" not in drawn and "<b>" not in drawn and "<i>" not in drawn
    assert "问的是什么" in drawn


def test_whose_words_they_are_is_said_in_the_readers_language() -> None:
    drawn = conversations_html([talk("一年有几个月？", "十二个月。", "你是谁？", "我是小芽。")], lang="zh")
    assert "用户" in drawn and "助手" in drawn and "user" not in drawn and "assistant" not in drawn
