"""From the text of an answer to words and calls. Knows forms and ``parse_response``; runs nothing.

Where a call ends is found by decoding its JSON, so that a marker inside an argument is an argument: before the text is
parsed, whatever in that JSON looks like a marker is written in JSON's own escapes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from workbench.data.conversation import Message
from workbench.templates.thoughts import thought_end
from workbench.tools.forms import Form
from workbench.tools.values import Call, Tool

_DECODER = json.JSONDecoder(strict=False)
_ESCAPES = {"<": "\\u003c", "TOOL_CALLS": "TOOL\\u005fCALLS", "CALL_ID": "CALL\\u005fID", "[ARGS": "\\u005bARGS"}
_UNREADABLE = (ValueError, KeyError, TypeError, RecursionError)
DEEPEST = 32  # levels of arguments
MOST_CALLS = 64  # of one answer that are looked at; who runs them allows far fewer


@dataclass(frozen=True, slots=True)
class Spoken:
    """Hold the words of an answer and its calls.

    Args:
        content: its words, with its thought where it has one.
        calls: in order.
    """

    content: str
    calls: tuple[Call, ...] = ()

    @property
    def message(self) -> Message:
        """Return the answer as a message; a call that cannot be read stays in its words."""
        unread = "".join(call.raw for call in self.calls)
        return Message("assistant", self.content + unread, tool_calls=tuple(c.json for c in self.calls if not c.raw))


def spoken(text: str, form: Form, tokenizer: Any, tools: Sequence[Tool] = ()) -> Spoken:
    """Take an answer apart: a call that cannot be read has its text in ``raw``; a call in a thought is none.

    Args:
        text: all of the answer, without its end-of-turn; the control tokens of ``form`` are spelled out.
        form: in which calls are written.
        tokenizer: whose ``parse_response`` reads it.
        tools: by whose schemas arguments are cast, ``"7"`` to 7 for an integer.
    """
    start = thought_end(text)
    schemas = [json.loads(tool.schema) for tool in tools]
    body = sheltered(text[start:], form)
    for template in form.templates:
        try:
            parsed = tokenizer.parse_response(body, schema=dict(template), prefix="", tools=schemas)
        except _UNREADABLE:
            continue
        content = text[:start] + str(parsed.get("content") or "")
        fields = ("tool_calls", "single_calls", "broken_calls")
        values = [value for name in fields for value in parsed.get(name) or ()]
        return Spoken(content.strip("\n "), tuple(_calls(values))[:MOST_CALLS])
    return Spoken(text[:start].strip(), (Call("", raw=text[start:]),))


def sheltered(text: str, form: Form) -> str:
    """Return the text with nothing in the JSON of its calls that looks like a marker; the JSON's values stay."""
    parts: list[str] = []
    last = 0
    while opening := _first(text, form, last, fresh=not parts):
        end = opening.end()
        try:
            value, stop = _DECODER.raw_decode(text, end)
            written = json.dumps(value, ensure_ascii=False)
        except (ValueError, RecursionError):
            parts.append(text[last:end])
            last = end
            continue
        for marker, escape in _ESCAPES.items():
            written = written.replace(marker, escape)
        parts += [text[last:end], written]
        last = stop
    return "".join(parts) + text[last:]


def _first(text: str, form: Form, start: int, *, fresh: bool) -> re.Match[str] | None:
    """Return the opening that comes first after ``start``, or, where nothing was looked at yet, at it."""
    matches = [match for match in (pattern.search(text, start) for pattern in _openings(form.openings)) if match]
    earliest = min(matches, key=lambda match: match.start(), default=None)
    return earliest if earliest is not None and (fresh or earliest.end() > start) else None


@cache
def _openings(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


def _calls(values: Sequence[Any]) -> Iterator[Call]:
    """Give the calls of what was parsed: one, a list of them, or text that is none."""
    for value in values:
        function = value.get("function") if isinstance(value, Mapping) else value
        for item in function if isinstance(function, list) else [function]:
            yield called(item)


def called(value: Any) -> Call:
    """Return a call of any usual shape; one whose text is in ``raw`` where it is none."""
    if isinstance(value, Mapping):
        inner = value.get("function")
        value = {**value, **inner} if isinstance(inner, Mapping) else value
        name = value.get("name")
        arguments = value["arguments"] if "arguments" in value else value.get("parameters", {})
        for _ in range(2):  # a text of JSON, which some models write twice over
            arguments = _decoded(arguments)
        if isinstance(name, str) and name.strip() and isinstance(arguments, Mapping) and _is_shallow(arguments):
            id_ = value.get("id")
            return Call(name.strip(), dict(arguments), id_ if isinstance(id_, str) else "")
    try:
        raw = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        raw = ""
    return Call("", raw=raw or "…")


def _is_shallow(value: Any) -> bool:
    """Whether a value is nested so little that whatever walks it may call itself."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            item
            for node in level
            for item in (node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ())
        ]
    return not level


def _decoded(value: Any) -> Any:
    if value is None:
        return {}
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, strict=False) if value.strip() else {}
    except (ValueError, RecursionError):
        return value
