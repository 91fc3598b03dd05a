"""What is wrong with calls in people's data is found, and what is right is left alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.data import Conversation, Message, check
from workbench.data.tool_faults import faults_of

TOOL = json.dumps(
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    }
)


def call(arguments: Any, name: str = "weather", **more: Any) -> str:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return json.dumps({**more, "type": "function", "function": {"name": name, "arguments": text}})


def row(
    *calls: str, results: int | None = None, answer: str = "Fine.", question: str = "Paris, 3 days?"
) -> Conversation:
    messages = [Message("user", question), Message("assistant", "", tool_calls=calls)]
    messages += [Message("tool", "sunny")] * (len(calls) if results is None else results)
    messages += [Message("assistant", answer)] if answer else []
    return Conversation(tuple(messages), tools=(TOOL,))


GOOD = call({"city": "Paris", "days": 3})
EXTRAS = {"message_extras": {"2": {"tool_call_id": "b"}}}
STRANGE = Conversation(row(call({"city": "Paris"}, id="a")).messages, tools=(TOOL,), meta=EXTRAS)


def plain(count: int) -> list[Conversation]:
    asked = [(Message("user", f"Hi {n}"), Message("assistant", f"Hello {n}.")) for n in range(count)]
    return [Conversation(messages, tools=(TOOL,)) for messages in asked]


def test_a_right_row_has_no_fault() -> None:
    assert faults_of(row(GOOD)) == faults_of(row(GOOD, call({"city": "Paris"}))) == []


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (row(call({"city": "Paris"}, name="forecast")), "unoffered"),
        (row(call({})), "arguments"),
        (row(call({"city": "Paris", "days": "three"})), "arguments"),
        (row(call({"city": "Paris", "town": "Paris"})), "arguments"),
        (row(call(json.dumps(json.dumps({"city": "Paris"})))), "twice"),
        (row(GOOD, results=0), "no_result"),
        (row(GOOD, GOOD, results=1), "no_result"),
        (row(GOOD, results=2), "no_call"),
        (row(GOOD, answer=""), "no_answer"),
        (STRANGE, "ids"),
    ],
)
def test_a_fault_is_found(made: Conversation, fault: str) -> None:
    assert faults_of(made) == [fault]
    assert "broken_calls" in {finding.code for finding in check([made], only=["broken_calls"])}


@pytest.mark.parametrize("value", ["London", "南京", "2031-05-05"])
def test_an_argument_out_of_nowhere_is_found(value: str) -> None:
    only = ["invented_arguments"]
    assert [f.code for f in check([row(call({"city": value}))], only=only)] == only
    assert not check([row(call({"city": value}), question=f"And {value}?")], only=only)
    assert not check([row(call({"city": value.upper()}), question=f"And {value}?")], only=only)


def test_rows_that_always_call_are_found() -> None:
    rows = [row(call({"city": f"Town {n}"}), question=f"Town {n}?") for n in range(30)]
    only = ["always_calls"]
    assert [f.code for f in check(rows, only=only)] == only
    assert not check([*rows, *plain(9)], only=only) and not check(rows[:10], only=only)


def test_the_same_call_in_a_fifth_of_the_rows_is_found() -> None:
    (found,) = check([*plain(30), *[row(GOOD)] * 10], only=["always_calls"])
    assert len(found.rows) == 10 and "Paris" in found.message and len(found.surplus) == 9
