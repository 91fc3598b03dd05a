"""Questions that offer tools, asked to the end: calls are read, their recorded results given back, the answer taken.

Knows probes, forms of calls and boxes; nothing of models, which are asked by a function. What counts is the right final
answer; broken down, how far it came: a call in good form, the right tool, the exact arguments.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.data.conversation import Conversation, Message
from workbench.evaluation.probes import Probe
from workbench.tools.forms import form_of
from workbench.tools.parsing import Spoken, spoken
from workbench.tools.running import Box
from workbench.tools.values import Call, Tool

ROUNDS = 4
SORTS = ("call", "no_call", "error")
PARTS = ("calls", "formed", "tool", "arguments", "no_call", "error")
"""Shares of a measurement: right final answers of all that need a call, and how far the calls came; of questions that
need none, how many got none; of calls that fail, how many were told honestly."""

Ask = Callable[[Sequence[Sequence[int]]], list[str]]


@dataclass(slots=True)
class Outcome:
    """Hold what an assistant did with a question that offers tools.

    Args:
        calls: that it made, over all rounds.
        answer: its last words.
    """

    calls: list[Call] = field(default_factory=list)
    answer: str = ""

    def formed(self) -> bool:
        """Tell whether it called, and every call could be read."""
        return bool(self.calls) and not any(call.raw for call in self.calls)

    def same_tools(self, probe: Probe) -> bool:
        """Tell whether it called the right tools, in order."""
        return self.formed() and [call.name for call in self.calls] == [name for name, _ in expected(probe)]

    def same_arguments(self, probe: Probe) -> bool:
        """Tell whether every argument is exact, too."""
        made = [dict(call.arguments) for call in self.calls]
        return self.same_tools(probe) and made == [arguments for _, arguments in expected(probe)]


def expected(probe: Probe) -> list[tuple[str, dict[str, Any]]]:
    """Return names and arguments of the calls that a probe's row makes."""
    return [(name, arguments) for name, arguments, _ in _recorded(probe)]


def _recorded(probe: Probe) -> list[tuple[str, dict[str, Any], str]]:
    rows = []
    for text, result in zip(probe.calls, probe.results, strict=True):
        function = json.loads(text)
        function = function.get("function", function)
        arguments = function.get("arguments") or {}
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        rows.append((str(function["name"]), dict(arguments), result))
    return rows


def follow(
    probes: Sequence[Probe], first: Sequence[str], ask: Ask, prompt: Callable[[Conversation], list[int]], tokenizer: Any
) -> dict[int, Outcome]:
    """Return what came of each probe that offers tools, by its row.

    A call gets the result that its row recorded; another one is run where the kit has that very tool, else it fails.

    Args:
        first: the answers to all probes, control tokens spelled out.
        ask: prompts to such answers.
        prompt: a conversation to the ids of its prompt.
        tokenizer: whose form of calls is read.
    """
    waiting = {row: (list(p.messages), Outcome()) for row, p in enumerate(probes) if p.tools}
    outcomes = {row: outcome for row, (_, outcome) in waiting.items()}
    if not waiting:
        return outcomes
    form = form_of(tokenizer)
    answers = {row: first[row] for row in waiting}
    for turn in range(ROUNDS):
        for row, text in answers.items():
            messages, outcome = waiting[row]
            answer = spoken(_bare(text, tokenizer, form.control), form, tokenizer, _tools(probes[row]))
            outcome.answer = answer.content
            if not _go_on(probes[row], messages, outcome, answer):
                del waiting[row]
        if not waiting or turn == ROUNDS - 1:
            break
        rows = list(waiting)
        prompts = [prompt(Conversation(tuple(waiting[row][0]), tools=probes[row].tools)) for row in rows]
        answers = dict(zip(rows, ask(prompts), strict=True))
    return outcomes


def _go_on(probe: Probe, messages: list[Message], outcome: Outcome, answer: Spoken) -> bool:
    """Append calls and results; whether there are any, and none of them was made before."""
    made = {call.key for call in outcome.calls}
    outcome.calls += answer.calls
    if not answer.calls or any(call.key in made for call in answer.calls):
        return False
    messages += [answer.message, *(Message("tool", _result(probe, call)) for call in answer.calls)]
    return True


def _result(probe: Probe, call: Call) -> str:
    recorded = {Call(name, arguments).key: result for name, arguments, result in _recorded(probe)}
    return recorded.get(call.key) or Box(_tools(probe)).run(call).text


def _tools(probe: Probe) -> list[Tool]:
    """Return the offered tools; those of the kit can be run, others say that they cannot."""
    from workbench.tools.registry import names, shipped

    tools = []
    for text in probe.tools:
        function = json.loads(text)
        name = str(function.get("function", function).get("name"))
        kit = shipped(name) if name in names() else None
        same = kit is not None and kit.schema == text and name != "clock"
        tools.append(kit if kit is not None and same else Tool(name, _whole(function), _not_here))
    return tools


def _whole(function: Mapping[str, Any]) -> str:
    return json.dumps(function if "function" in function else {"type": "function", "function": function})


def _not_here(**_: Any) -> str:
    from workbench.tools.values import ToolError

    raise ToolError("not recorded")


def _bare(text: str, tokenizer: Any, markers: Sequence[str]) -> str:
    """Return the answer without control tokens other than the form's own."""
    for token in tokenizer.all_special_tokens:
        if token not in markers:
            text = text.replace(token, "")
    return text


def shares(
    probes: Sequence[Probe], outcomes: Mapping[int, Outcome], right: Callable[[Probe, str], bool]
) -> dict[str, float]:
    """Return the shares :data:`PARTS` of what was asked; a share of nothing is left out."""
    rows = [(probes[row], outcome) for row, outcome in outcomes.items()]
    needed = [(probe, outcome) for probe, outcome in rows if probe.sort in ("call", "error")]
    marks: dict[str, list[bool]] = {
        "calls": [bool(outcome.calls) and right(probe, outcome.answer) for probe, outcome in needed],
        "formed": [outcome.formed() for _, outcome in needed],
        "tool": [outcome.same_tools(probe) for probe, outcome in needed],
        "arguments": [outcome.same_arguments(probe) for probe, outcome in needed],
        "no_call": [not outcome.calls for probe, outcome in rows if probe.sort == "no_call"],
        "error": [right(probe, outcome.answer) for probe, outcome in rows if probe.sort == "error"],
    }
    return {name: sum(values) / len(values) for name, values in marks.items() if values}
