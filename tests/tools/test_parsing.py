"""Calls are read in the five common forms, by transformers' parser; what is none is told, never raised."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.errors import BadInput
from workbench.models import load_tokenizer
from workbench.tools import Call, chosen, form_of, spoken, tool_of
from workbench.tools.forms import FORMS
from workbench.tools.parsing import Spoken


def weather(city: str, days: int = 1) -> str:
    """Tell the weather.

    Args:
        city: where
        days: how many
    """
    return f"{city} {days}"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer("pocket")


def read(text: str, form: str, tokenizer: Any) -> Spoken:
    return spoken(text, FORMS[form], tokenizer, [tool_of(weather), *chosen("calculator")])


CALL = '{"name": "weather", "arguments": {"city": "Paris"}}'
PARAMETERS = '{"name": "weather", "parameters": {"city": "Paris"}}'
FORMED = {
    "hermes": f"<tool_call>{CALL}</tool_call>",
    "hermes lines": f"<tool_call>\n{CALL}\n</tool_call>",
    "hermes unclosed": f"<tool_call>{CALL}",
    "llama3": PARAMETERS,
    "llama3 tag": f"<|python_tag|>{PARAMETERS}<|eom_id|>",
    "llama3 arguments": CALL,
    "mistral": f"[TOOL_CALLS] [{CALL}]",
    "mistral new": '[TOOL_CALLS]weather[ARGS]{"city": "Paris"}',
    "mistral id": '[TOOL_CALLS]weather[CALL_ID]abc123456[ARGS]{"city": "Paris"}',
    "internlm2": f"<|action_start|><|plugin|>\n{PARAMETERS}<|action_end|>",
    "react": 'Thought: I need it.\nAction: weather\nAction Input: {"city": "Paris"}\nObservation: sunny',
}


@pytest.mark.parametrize("name", FORMED)
def test_each_form_is_read(name: str, tokenizer: Any) -> None:
    answer = read(FORMED[name], name.partition(" ")[0], tokenizer)
    assert [(call.name, call.arguments, call.raw) for call in answer.calls] == [("weather", {"city": "Paris"}, "")]


@pytest.mark.parametrize("form", FORMS)
def test_words_alone_are_no_call(form: str, tokenizer: Any) -> None:
    assert read("It is 5. {so}", form, tokenizer) == Spoken("It is 5. {so}")


def test_words_before_calls_stay_and_several_calls_keep_their_order(tokenizer: Any) -> None:
    second = '{"name": "calculator", "arguments": {"expression": "1+1"}}'
    text = f"I look.<tool_call>{CALL}</tool_call><tool_call>{second}</tool_call>"
    answer = read(text, "hermes", tokenizer)
    assert answer.content == "I look." and [call.name for call in answer.calls] == ["weather", "calculator"]
    pair = f'[TOOL_CALLS] [{CALL}, {{"name": "calculator", "arguments": {{}}}}]'
    assert [call.name for call in read(pair, "mistral", tokenizer).calls] == ["weather", "calculator"]


INSIDE = {
    "hermes": ("<tool_call>", "</tool_call>", "arguments"),
    "mistral": ("[TOOL_CALLS] [", "]", "arguments"),
    "internlm2": ("<|action_start|><|plugin|>", "<|action_end|>", "parameters"),
    "llama3": ("", "<|eom_id|>", "parameters"),
}


@pytest.mark.parametrize("form", INSIDE)
def test_a_marker_inside_an_argument_is_an_argument(form: str, tokenizer: Any) -> None:
    opening, closing, key = INSIDE[form]
    words = f'a "{opening}" b {closing} c [TOOL_CALLS] </tool_call> d <|action_end|>'
    text = opening + json.dumps({"name": "weather", key: {"city": words}}) + closing
    assert read(text, form, tokenizer).calls[0].arguments == {"city": words}


@pytest.mark.parametrize("cut", range(12, 62, 7))
def test_a_call_that_breaks_off_is_told_with_its_text(cut: int, tokenizer: Any) -> None:
    text = FORMED["hermes"][:cut]
    (call,) = read(text, "hermes", tokenizer).calls
    assert call.name == "" and call.raw and call.raw in text


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "5",
        "null",
        '"weather"',
        "{'name': 'weather', 'arguments': {}}",
        '{"name": "weather", "arguments": [1]}',
        '{"name": "weather", "arguments": "Paris"}',
        '{"name": 5, "arguments": {}}',
        '{"name": "", "arguments": {}}',
        "[" * 3000,
        '{"name": "weather", "arguments": {"city": ' + "[" * 10_000 + "]" * 10_000 + "}}",
        '{"name": "weather", "arguments": {"city": ' + "[" * 300 + "]" * 300 + "}}",
        '{"name": "weather", "arguments": {"city": ' + '{"a":' * 200 + "1" + "}" * 200 + "}}",
        '{"name": "weather", "arguments": {"days": ' + "9" * 6000 + "}}",
    ],
)
def test_what_is_no_call_is_one_that_cannot_be_read(body: str, tokenizer: Any) -> None:
    for form, text in (("hermes", f"<tool_call>{body}</tool_call>"), ("mistral", f"[TOOL_CALLS]{body}")):
        answer = read(text, form, tokenizer)
        assert all(not call.name and call.raw for call in answer.calls)


def test_arguments_are_cast_by_the_schema_and_unpacked_where_they_are_text(tokenizer: Any) -> None:
    def arguments(value: object) -> Any:
        text = json.dumps({"name": "weather", "arguments": value})
        return read(f"<tool_call>{text}</tool_call>", "hermes", tokenizer).calls[0].arguments

    assert arguments({"city": "7", "days": "7"}) == {"city": "7", "days": 7}
    assert arguments('{"city": "a"}') == arguments(json.dumps('{"city": "a"}')) == {"city": "a"}
    assert arguments(None) == {}


def test_a_call_in_a_thought_is_none(tokenizer: Any) -> None:
    answer = read(f"<think>\nPerhaps <tool_call>{CALL}</tool_call>\n</think>\n\nNo.", "hermes", tokenizer)
    assert not answer.calls and answer.content.endswith("No.")


def test_a_flood_of_calls_is_cut_short(tokenizer: Any) -> None:
    assert len(read(FORMED["hermes"] * 200, "hermes", tokenizer).calls) == 64


def test_a_call_is_kept_in_the_one_shape_of_the_data(tokenizer: Any) -> None:
    message = read(FORMED["hermes"], "hermes", tokenizer).message
    assert json.loads(json.loads(message.tool_calls[0])["function"]["arguments"]) == {"city": "Paris"}
    assert Call("a", {"x": 1}).key == Call("a", {"x": 1}, id="7").key != Call("a", {"x": 2}).key


def test_the_form_is_told_by_the_chat_template(tokenizer: Any) -> None:
    class Model:
        def __init__(self, source: str) -> None:
            self.chat_template = source

        def get_chat_template(self, tools: Any = None) -> str:
            return self.chat_template

    assert form_of(tokenizer).name == "hermes"
    sources = {
        "mistral": "tools [TOOL_CALLS]",
        "internlm2": "tools <|action_start|>",
        "llama3": 'tools {"name": function name, "parameters":',
    }
    assert {form_of(Model(source)).name for source in sources.values()} == set(sources)
    for source in ("{{ messages }}", "tools <tool_call><function=", "tools"):
        with pytest.raises(BadInput):
            form_of(Model(source))
