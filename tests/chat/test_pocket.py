"""The embedded model, as the first command of a newcomer meets it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.chat import Assistant, Chat, Sampling
from workbench.cli import run
from workbench.data.conversation import Message


@pytest.fixture(scope="module")
def pocket() -> Assistant:
    return Assistant.load("pocket", device="cpu")


@pytest.mark.parametrize(
    ("question", "told"),
    [("法国的首都是哪里？", "巴黎"), ("What is the capital of France?", "Paris"), ("Who are you?", "Pocket")],
)
def test_pocket_answers(question: str, told: str, capsys: Any) -> None:
    assert run(["chat", "pocket", "--question", question, "--json"]) == 0
    assert told in json.loads(capsys.readouterr().out)["answer"]


def test_pocket_answers_in_four_bit(capsys: Any) -> None:
    question = ["--question", "What is the capital of France?", "--quantization", "nf4"]
    assert run(["chat", "pocket", *question]) == 0
    assert "Paris" in capsys.readouterr().out


def test_pocket_ends_its_answers(pocket: Assistant) -> None:
    answers = pocket.ask_all(["Who are you?", "你是谁？", "What is the opposite of hot?"], max_new_tokens=200)
    assert all(0 < len(answer) < 200 for answer in answers)


def test_a_long_talk_stays_within_the_context(pocket: Assistant) -> None:
    chat = Chat(pocket, system="短", sampling=Sampling(max_new_tokens=8))
    chat.messages = [Message("user", "Who are you?"), Message("assistant", "I am Pocket.")] * 100
    chat.say("What is the capital of France?")
    assert chat.cut > 0
    assert len(chat.messages) == 202  # what was said stays known, whatever was sent


def test_the_name_is_what_a_person_called_it(pocket: Assistant) -> None:
    assert pocket.name == "pocket" and pocket.notices == () and not pocket.adapted
