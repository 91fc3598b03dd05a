"""Conversations of several turns: what goes on from the turn before is right, and nothing held out is drawn."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from workbench.models.pocket import WEIGHTS, facts, phrasing, tokens
from workbench.models.pocket.calling import Tool, offered
from workbench.models.pocket.conversations import Conversations
from workbench.models.pocket.corpus import held_out_samples
from workbench.models.pocket.dialogue import Dialogues, wordings
from workbench.models.pocket.scenes import Scenes, caption, draw
from workbench.models.pocket.talking import POSITIONS, avoided, talks


@pytest.fixture(scope="module")
def encoder() -> tokens.Encoder:
    return tokens.Encoder(tokens.load(WEIGHTS))


def test_the_same_seed_draws_the_same_conversations() -> None:
    first, second = (list(islice(Conversations(random.Random(3)).mixed(), 40)) for _ in range(2))
    assert first == second


def test_conversations_have_one_to_eight_questions_and_a_third_a_system_text() -> None:
    drawn = Conversations(random.Random(0))
    chats = [drawn.chat() for _ in range(600)]
    systems = sum(turns[0][0] == "system" for turns in chats)
    assert 0.25 < systems / len(chats) < 0.45
    assert {1, 8} <= {sum(role == "user" for role, _ in turns) for turns in chats}


def test_no_held_out_question_is_trained() -> None:
    apart = avoided(held_out_samples(0))
    drawn = Conversations(random.Random(1), avoided=apart)
    questions = {
        (lang, phrasing.normalised(text))
        for turns in islice(drawn.mixed(), 600)
        for role, text in turns
        if role == "user"
        for lang in facts.LANGUAGES
    }
    said_in_passing = {("en", ""), ("zh", "")}
    assert not (questions & apart) - said_in_passing


def test_no_wording_between_questions_is_both_trained_and_held_out() -> None:
    for lang in facts.LANGUAGES:
        for name, texts in wordings(lang, "held").items():
            assert not {phrasing.normalised(text) for text in texts} & {
                phrasing.normalised(text) for text in wordings(lang, "train")[name]
            }, (lang, name)


def test_asking_on_about_another_row_has_that_row_s_answer() -> None:
    parts = Dialogues(random.Random(2))
    capitals = {row["country_en"]: row["capital_en"] for row in facts.table("countries")}
    asked = 0
    while asked < 20:
        _, topic = parts.question("en")
        going = parts.on(topic) if topic.entry.name == "capitals/of" else None
        if going:
            (_, question), (_, answer) = going[0]
            country = next(c for c in sorted(capitals, key=len, reverse=True) if c in question or c.lower() in question)
            assert answer == f"The capital of {country} is {capitals[country]}."
            asked += 1


def test_a_wrong_answer_is_context_and_never_trained(encoder: tokens.Encoder) -> None:
    turns, topic = Dialogues(random.Random(4)).mistaken("en")
    example = encoder.conversation(turns[:2])
    assert turns[1][0] == "wrong"
    assert turns[1][1] != topic.answer
    assert set(example.labels) == {tokens.IGNORED}


def test_a_persona_of_the_system_text_names_itself_so() -> None:
    drawn = Conversations(random.Random(5))
    text, persona = drawn.persona("en")
    assert persona.name in text
    assert "Pocket" not in "".join(text for role, text in drawn._strung("en", 40, persona, []) if role == "assistant")


def test_what_is_mixed_into_a_learner_s_training_says_nothing_of_who_it_is() -> None:
    drawn = Conversations(random.Random(6), nameless=True)
    for _ in range(200):
        turns = drawn.chat(4)
        assert "wrong" not in {role for role, _ in turns}
        assert "Pocket" not in "".join(text for role, text in turns if role == "assistant")


def test_the_answers_to_a_described_picture_stand_in_its_caption() -> None:
    rng = random.Random(7)
    for lang in facts.LANGUAGES:
        groups = draw(rng, lang)
        assert all(group.colour in caption(groups, lang) for group in groups)
        (_, question), (_, answer) = Scenes(rng).turns(lang)
        assert answer
        assert any(
            group in question for group in ("Picture", "picture", "Caption", "see", "Look", "Here", "图", "看", "画")
        )


def schema_of(tool: Tool) -> dict[str, Any]:
    """A tool as the chat template takes it."""
    properties = {name: {"type": kind} for name, kind in tool.arguments}
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def bodies(text: str) -> list[dict[str, Any]]:
    """The calls of a turn."""
    parts = text.removeprefix("<tool_call>").removesuffix("</tool_call>").split("</tool_call><tool_call>")
    return [json.loads(part) for part in parts]


def inner(text: str) -> str:
    """What a tool gave."""
    return text.removeprefix("<tool_response>").removesuffix("</tool_response>")


def message(turn: tuple[str, str]) -> dict[str, Any]:
    """A turn as the chat template takes it."""
    role, text = turn
    if role == "call":
        calls = [{"type": "function", "function": body} for body in bodies(text)]
        return {"role": "assistant", "content": "", "tool_calls": calls}
    return {"role": "tool", "content": inner(text)} if role == "result" else {"role": role, "content": text}


def with_calls(count: int) -> Iterator[tuple[list[Tool], list[tuple[str, str]]]]:
    """Tools of one look-up and one of expressions, and what needs them."""
    drawn = Dialogues(random.Random(8)).calling
    for number in range(count):
        lang = facts.LANGUAGES[number % 2]
        tools = [drawn._look_up(lang), drawn._run(lang), *drawn.tools(lang)]
        yield tools, drawn._needing(tools, lang)


def test_calls_are_written_as_the_chat_template_writes_them(encoder: tokens.Encoder) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    tokenizer.chat_template = tokens.TEMPLATE
    for tools, turns in with_calls(60):
        schemas = [schema_of(tool) for tool in tools]
        rendered = tokenizer.apply_chat_template([message(turn) for turn in turns], tools=schemas, tokenize=False)
        own = encoder.conversation([("system", offered(tools)), *turns])
        assert tokenizer(rendered, add_special_tokens=False)["input_ids"] == list(own.ids)


def test_calls_name_an_offered_tool_and_its_arguments_and_every_one_has_a_result() -> None:
    several, chained = 0, 0
    for tools, turns in with_calls(300):
        arguments = {tool.name: [name for name, _ in tool.arguments] for tool in tools}
        results = [inner(text) for role, text in turns if role == "result"]
        calls = [bodies(text) for role, text in turns if role == "call"]
        assert sum(map(len, calls)) == len(results)
        assert all(list(body["arguments"]) == arguments[body["name"]] for of_turn in calls for body in of_turn)
        assert turns[-1][0] == "assistant"
        several += any(len(of_turn) == 2 for of_turn in calls)
        texts = [str(value) for of_turn in calls[1:] for body in of_turn for value in body["arguments"].values()]
        chained += bool(results) and any(re.match(rf"{re.escape(results[0])}[+*-]\d", text) for text in texts)
    assert several >= 15
    assert chained >= 60  # the first result is a part of the next call


def test_what_a_tool_tells_is_nearly_always_another_word_and_never_one_of_those_held_out() -> None:
    drawn = Dialogues(random.Random(2)).calling
    nouns = [drawn._noun()["en"] for _ in range(2000)]
    assert len(set(nouns)) > 500
    assert not set(nouns) & {noun["en"] for noun in facts.document("calls")["held_nouns"]}


def test_conversations_fill_the_tokens_asked_for_and_no_more_positions_than_there_are(encoder: tokens.Encoder) -> None:
    examples = talks(encoder, [], random.Random(9), 20_000)
    lengths = [len(example.ids) for example in examples]
    assert 20_000 <= sum(lengths) < 20_000 + POSITIONS
    assert max(lengths) <= POSITIONS
