"""The embedded model's template: plain ChatML, without BOS; its end-of-turn is its EOS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import workbench
from workbench.data.conversation import Conversation, Message, ask
from workbench.templates import default_system, encode, get, prompt_ids, stop_ids
from workbench.templates.codec import codec

from .test_laws import conversations, runs, words

WEIGHTS = Path(workbench.__file__).parent / "models" / "pocket" / "weights"


@pytest.fixture(scope="module")
def pocket():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(WEIGHTS)


def test_it_is_plain_chatml(pocket):
    segments = get(None, pocket).segments(ask("你好", "Hi!", system="Be brief."))
    assert "".join(s.text for s in segments) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\n你好<|im_end|>\n"
        "<|im_start|>assistant\nHi!<|im_end|>\n"
    )
    assert [s.text for s in segments if s.trained] == ["Hi!", "<|im_end|>"]
    assert default_system(get(None, pocket)).text == ""


def test_it_stops_at_its_end_of_turn_and_writes_no_bos(pocket):
    end, start = pocket.convert_tokens_to_ids(["<|im_end|>", "<|im_start|>"])
    assert stop_ids(pocket) == [end] == [pocket.eos_token_id]
    served = prompt_ids([Message("user", "a")], pocket)
    assert served[0] == start
    assert served.count(start) == 2


def test_its_own_template_and_the_named_one_of_the_same_strings_agree(pocket):
    rows = [ask("你好", "Hi!", system="Be brief."), ask("a", "b")]
    own, named = (encode(rows, pocket, template=t).examples for t in (None, "internlm2_chat"))
    assert own == named


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(conversations(), words)
def test_the_law_of_masks_holds(pocket, conversation, other):
    (example,) = encode([conversation], pocket).examples
    answers = [m.content for m in conversation.messages if m.role == "assistant"]
    assert [codec(pocket).decode(run) for run in runs(example)] == [answer + "<|im_end|>" for answer in answers]
    changed = [m if m.role == "assistant" else Message(m.role, other) for m in conversation.messages]
    assert runs(encode([Conversation(tuple(changed))], pocket).examples[0]) == runs(example)
    served = prompt_ids(conversation.messages[:-1], pocket)
    assert list(example.input_ids[: len(served)]) == served
    assert example.input_ids[len(served)] == example.labels[len(served)]


def test_calls_are_trained_and_tools_and_results_are_not(pocket):
    call = json.dumps({"name": "weather", "arguments": {"city": "Paris"}})
    tool = json.dumps({"name": "weather", "description": "the weather", "parameters": {"properties": {"city": {}}}})
    messages = (Message("user", "Weather?"), Message("assistant", "", tool_calls=(call,)), Message("tool", "sunny"))
    example = encode([Conversation((*messages, Message("assistant", "It is fine.")), tools=(tool,))], pocket).examples[
        0
    ]
    trained = pocket.decode([label for label in example.labels if label != -100])
    assert trained == (
        '<tool_call>{"name": "weather", "arguments": {"city": "Paris"}}</tool_call><|im_end|>It is fine.<|im_end|>'
    )
    assert "weather(city: string): the weather" in pocket.decode(example.input_ids)
