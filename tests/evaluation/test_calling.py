"""Questions that offer tools are asked to the end, and how far each came is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from workbench.data.conversation import Conversation, Message
from workbench.evaluation import Evaluator, Probe, task_probes
from workbench.evaluation.calling import Outcome, follow, shares
from workbench.evaluation.scoring import correct
from workbench.models import load_tokenizer
from workbench.templates import prompt_ids
from workbench.tools import Call, chosen
from workbench.tools.rows import tool_rows

TOOL = chosen("calculator")[0].schema
CALL = Call("calculator", {"expression": "6*7"})


def row(*middle: Message, answer: str = "The result is 42.", question: str = "6*7?") -> Conversation:
    return Conversation((Message("user", question), *middle, Message("assistant", answer)), tools=(TOOL,))


CALLED = row(Message("assistant", "", tool_calls=(CALL.json,)), Message("tool", "42"))
FAILED = row(
    Message("assistant", "", tool_calls=(Call("calculator", {"expression": "6/0"}).json,)),
    Message("tool", "error: division by zero"),
    answer="Sorry, that did not work: division by zero.",
    question="6/0?",
)
PLAIN = row(answer="The capital of France is Paris.", question="What is the capital of France?")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer("pocket")


def written(expression: str = "6*7", name: str = "calculator") -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': {'expression': expression}})}</tool_call>"


def following(probes: Sequence[Probe], first: Sequence[str], left: list[Any], tokenizer: Any) -> dict[int, Outcome]:
    def prompt(conversation: Conversation) -> list[int]:
        return list(prompt_ids(conversation, tokenizer))

    return follow(probes, first, lambda _: list(left.pop(0)), prompt, tokenizer)


def asked(tokenizer: Any, rows: Sequence[Conversation], *answers: Sequence[str]) -> dict[str, float]:
    """The shares where the model writes these answers, one list a round."""
    probes = task_probes(rows)
    outcomes = following(probes, answers[0], list(answers[1:]), tokenizer)
    return shares(probes, outcomes, correct)


def test_rows_become_probes_of_three_sorts() -> None:
    probes = task_probes([CALLED, FAILED, PLAIN])
    assert {probe.sort for probe in probes} == {"call", "no_call", "error"} and all(p.tools for p in probes)
    (probe,) = [probe for probe in probes if probe.sort == "call"]
    assert probe.messages == CALLED.messages[:1] and probe.results == ("42",)


def test_a_right_call_with_its_right_answer_counts_in_all_parts(tokenizer: Any) -> None:
    found = asked(tokenizer, [CALLED], [written()], ["The result is 42."])
    assert found == {"calls": 1, "formed": 1, "tool": 1, "arguments": 1}


@pytest.mark.parametrize(
    ("first", "parts"),
    [
        ("The result is 42.", {"calls": 0, "formed": 0, "tool": 0, "arguments": 0}),
        ('<tool_call>{"name": ', {"calls": 1, "formed": 0, "tool": 0, "arguments": 0}),
        (written(name="clock"), {"calls": 1, "formed": 1, "tool": 0, "arguments": 0}),
        (written("6 * 7"), {"calls": 1, "formed": 1, "tool": 1, "arguments": 0}),
    ],
)
def test_the_parts_tell_how_far_a_call_came(first: str, parts: dict[str, float], tokenizer: Any) -> None:
    assert asked(tokenizer, [CALLED], [first], ["The result is 42."]) == parts


def test_calls_where_none_is_needed_and_dishonest_answers_are_counted(tokenizer: Any) -> None:
    assert asked(tokenizer, [PLAIN], ["The capital of France is Paris."]) == {"no_call": 1}
    assert asked(tokenizer, [PLAIN], [written()], ["Paris."]) == {"no_call": 0}
    fail = written("6/0")
    assert asked(tokenizer, [FAILED], [fail], ["Sorry, that did not work: division by zero."])["error"] == 1
    assert asked(tokenizer, [FAILED], [fail], ["The result is 0."])["error"] == 0


def test_calls_for_ever_end(tokenizer: Any) -> None:
    endless = [[written(f"6*{n}")] for n in range(20)]
    assert asked(tokenizer, [CALLED], *endless)["calls"] == 0
    assert asked(tokenizer, [CALLED], *[[written()]] * 20)["calls"] == 0


def test_what_the_rows_themselves_write_is_right(tokenizer: Any) -> None:
    """Whatever the generator makes, its own calls and answers have every share at one."""
    rows = [r for r in tool_rows("calculator,weekday,units,lookup", 120, seed=5) if r.kind != "pair"]
    probes = task_probes(rows, limit=60)
    outcomes = {}
    for number, probe in enumerate(probes):
        answers = [f"<tool_call>{_body(call)}</tool_call>" for call in probe.calls] + [probe.answer]
        left = [[answer] for answer in answers[1:]]
        outcomes[number] = following([probe], answers[:1], left, tokenizer)[0]
    assert set(shares(probes, outcomes, correct).values()) == {1.0}


def test_two_calls_in_one_answer_count_and_are_not_cut_off(tokenizer: Any) -> None:
    """The limit that a recipe sets for an answer may be shorter than what its rows have to write."""
    rows = [r for r in tool_rows("calculator", 200, seed=5) if r.kind == "pair"]
    probes = task_probes(rows)
    evaluator = Evaluator(probes, tokenizer=tokenizer, max_new_tokens=64)
    for probe in probes:
        first = "".join(f"<tool_call>{_body(call)}</tool_call>" for call in probe.calls)
        ids = tokenizer(first)["input_ids"]
        assert len(probe.calls) == 2 and 64 < len(ids) <= evaluator.max_new_tokens
        outcomes = following([probe], [first], [[probe.answer]], tokenizer)
        assert set(shares([probe], outcomes, correct).values()) == {1.0}


def _body(call: str) -> str:
    function = json.loads(call)["function"]
    return json.dumps({"name": function["name"], "arguments": json.loads(function["arguments"])}, ensure_ascii=False)
