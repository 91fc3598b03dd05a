"""A question and its answer in two columns, under the names that sets give them. Knows these names; no file.

``query`` and ``response`` with ``history``, ``prompt`` and ``completion``, ``system``, ``input`` and ``output`` …
"""

from __future__ import annotations

from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import Location, clean, mapped, required
from workbench.data.flags import plain_name
from workbench.data.formats.alpaca import asked
from workbench.data.formats.base import NAMES, Format
from workbench.data.turns import SHAREGPT, Shape, history, message, row_thinking, system_beside

# the usual couples first: of a row with several names these two belong together
_COUPLES = (
    ("query", "response"), ("question", "answer"), ("prompt", "completion"), ("prompt", "response"),
    ("instruction", "response"), ("instruction", "output"), ("prompt", "output"), ("question", "output"),
    ("query", "output"), ("problem", "solution"), ("input", "output"), ("input", "target"), ("inputs", "targets"),
    ("input", "content"), ("question", "content"),
)  # fmt: skip
_QUESTIONS = (
    "query", "question", "prompt", "instruction", "input", "problem", "user", "human", "ask", "q",
    "问题", "提问", "提示", "指令", "输入", "用户", "问",
)  # fmt: skip
_ANSWERS = (
    "response", "answer", "completion", "output", "reply", "assistant", "bot", "solution", "a",
    "回答", "答案", "回复", "输出", "助手", "答",
)  # fmt: skip
_ANSWERING = frozenset(
    {*_ANSWERS, *(answer for _, answer in _COUPLES)}
)  # a row without one of these is none; looked at first, since most rows have none
_CONTEXTS = ("input", "context", "passage", "background", "材料", "背景", "上下文")


def _couple(row: dict[str, Any]) -> tuple[str, str] | None:
    """The row's own names for the question and for the answer; None where it has not both."""
    names = {plain_name(key): key for key, value in reversed(row.items()) if value is not None}
    if _ANSWERING.isdisjoint(names):
        return None
    couples = (*_COUPLES, *((question, answer) for question in _QUESTIONS for answer in _ANSWERS))
    return next(((names[q], names[a]) for q, a in couples if q in names and a in names), None)


def _half_couple(row: dict[str, Any]) -> tuple[str, str]:
    """The usual names of a couple of which the row has one: the other one is missing."""
    names = {plain_name(key): key for key in row}
    for couple in _COUPLES:
        if names.keys() & set(couple):
            return tuple(names.get(name, name) for name in couple)  # type: ignore[return-value]
    return _COUPLES[0]


def _marks(row: dict[str, Any]) -> int:
    return NAMES if _couple(row) else 0


def _parse(remaining: dict[str, Any], location: Location, _: dict[str, Any]) -> list[Message]:
    asking, answering = _couple(remaining) or _half_couple(remaining)
    question, answer = (required(remaining, key, location) for key in (asking, answering))
    for key in (asking, answering):
        remaining.pop(key)
    messages = spoken(question, "user", location, asking)
    answered = spoken(answer, "assistant", location, answering)
    if isinstance(question, str):
        messages = asked(question, _context(remaining, location))
    before = history(remaining, location)
    if isinstance(answer, str):
        answered = [Message("assistant", answer, thinking=row_thinking(remaining, location, answer))]
    return [*system_beside(remaining, [*messages, *answered], location), *before, *messages, *answered]


def _context(remaining: dict[str, Any], location: Location) -> str:
    """What the question is asked about, from a column of its own; takes it out of the row."""
    key = next((key for key in remaining if plain_name(key) in _CONTEXTS and isinstance(remaining[key], str)), None)
    return "" if key is None else clean(remaining.pop(key), location, key)


def spoken(value: object, role: str, location: Location, field: str) -> list[Message]:
    """Return a text as one message of ``role``; one message, or a list of them, as they are."""
    turns = [value] if isinstance(value, dict) else value
    if not isinstance(turns, (list, tuple)) or not turns:
        return [Message(role, clean(value, location, field))]  # type: ignore[arg-type]
    messages = []
    for index, turn in enumerate(turns):
        within = f"{field}[{index}]"
        fields = dict(mapped(turn, location, within))
        names = ("from", "value") if "from" in fields else ("role", "content")
        messages.append(message(fields, Shape(*names, SHAREGPT), location, within))
    return messages


FORMAT = Format(
    "pairs",
    "query, response, history (or question, answer; prompt, completion; input, output)",
    _marks,
    _parse,
    ("query", "question", "prompt"),
)
