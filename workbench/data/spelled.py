"""Calls and results that a set writes into its texts, to messages of the one shape. Knows how Hermes, Glaive, Llama,
Mistral, InternLM2, ReAct and ModelScope-Agent spell them; no row, no file.

Only rows that act are looked at: those that offer tools, or hold a result. Elsewhere such marks are words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from workbench.data.calls import call, calls
from workbench.data.conversation import Message
from workbench.data.fields import BadRow, Location, shallow, shorten
from workbench.data.lenient import loosely, no_number, note

_END_TEXT = r"<\|(?:endoftext|im_end|eot_id|eom_id)\|>"
_FENCE = re.compile(r"\s*```[A-Za-z]*\s*|\s*")
_CLOSING_FENCE = re.compile(r"\s*(?:```)?\s*")
_ATTEMPTS = 8  # closing marks that are tried; one may stand in a text of the call
_DECODER = json.JSONDecoder(parse_constant=no_number)
_LABEL = re.compile(r"(?:\A|\n)[ \t]*(Thought|Action|Action Input|Observation|Response|Final Answer)[ \t]*:")
_REGION = re.compile(r"<\|startof(?P<kind>think|exec)\|>(?P<body>.*?)<\|endof(?P=kind)\|>", re.DOTALL)
_RESULTS = re.compile(r"<tool_response>(.*?)</tool_response>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Way:
    """Hold how calls are marked in a text.

    Args:
        opens: with what one begins; a group ``name`` where its name stands before its arguments.
        closes: with what it ends; the end of the text ends it too.
    """

    opens: re.Pattern[str]
    closes: re.Pattern[str]


WAYS = (
    Way(re.compile(r"<tool_call>"), re.compile(r"</tool_call>")),
    Way(re.compile(r"<\|action_start\|>\s*<\|plugin\|>"), re.compile(r"<\|action_end\|>")),
    Way(re.compile(r"<function=(?P<name>[\w.-]+)>"), re.compile(r"</function>")),
    Way(re.compile(r"<functioncall>"), re.compile(rf"</functioncall>|{_END_TEXT}")),
    Way(
        re.compile(r"\[TOOL_CALLS\]\s*(?:(?P<name>[\w.-]+)(?:\[CALL_ID\]\w*)?\s*(?:\[ARGS\])?\s*(?=\{))?"),
        re.compile(r"\[/TOOL_CALLS\]|</s>|(?=\[TOOL_CALLS\])"),
    ),
    Way(re.compile(r"<\|python_tag\|>(?=\s*\{)"), re.compile(_END_TEXT)),
)


def acts(messages: Collection[Message], offered: Collection[str]) -> bool:
    """Tell whether a row is one with tools: it offers some, holds a result, or marks what nothing else marks so."""
    return bool(offered) or any(
        m.role == "tool" or (m.role == "assistant" and ("<|startofthink|>" in m.content or _internlm(m.content)))
        for m in messages
    )


def _internlm(text: str) -> bool:
    return "<|action_start|>" in text and "<|plugin|>" in text


def spells_react(messages: Collection[Message]) -> bool:
    """Tell whether a row writes its calls as ReAct does, so that what it calls a final answer is one."""
    return any(m.role == "assistant" and {"Action", "Action Input"} <= set(_LABEL.findall(m.content)) for m in messages)


def unspelled(
    message: Message, offered: Collection[str], location: Location, field: str, *, react: bool
) -> list[Message]:
    """Return the messages that an assistant's text stands for; itself where it spells nothing.

    Raises:
        BadRow: a call is marked that cannot be read.
    """
    text = message.content
    parts: list[Message] | None
    if message.tool_calls:
        return [message]
    if "<|startofthink|>" in text or "<|startofexec|>" in text:
        parts = _regions(text, location, field)
    elif react and _LABEL.search(text):
        parts = _react(text, location, field)
    else:
        parts = _marked(text, offered, location, field)
    if parts is None:
        return [message]
    note(location, field, "words")
    first = replace(parts[0], thinking=message.thinking or parts[0].thinking, images=message.images)
    spoken = [first, *parts[1:]]
    return [replace(part, train=message.train) if part.role == "assistant" else part for part in spoken]


def results(message: Message, location: Location, field: str) -> list[Message]:
    """Return the results of a tool's message, or of a user's that consists of them: one message each, unwrapped."""
    bodies = _RESULTS.findall(message.content)
    if not bodies or _RESULTS.sub("", message.content).strip():
        return [message]
    note(location, field, "words")
    return [replace(message, role="tool", content=body.strip()) for body in bodies]


def _marked(text: str, offered: Collection[str], location: Location, field: str) -> list[Message] | None:
    """Return a text whose calls stand between marks; None where it has none."""
    start = text.rfind("</think>") + len("</think>") if "</think>" in text else 0  # a call in a thought is none
    way = next((way for way in WAYS if way.opens.search(text, start)), None)
    if way is None:
        return _bare_call(text, offered, location, field)
    lead, called, last = text[:start], list[str](), start
    for begin, end, values in _calls_of(text, start, way, location, field):
        lead += text[last:begin]
        called += calls(values, location, field)
        last = end
    lead = re.sub(_END_TEXT, "", lead + text[last:])
    return [Message("assistant", lead.strip(), tool_calls=tuple(called))]


def _calls_of(
    text: str, start: int, way: Way, location: Location, field: str
) -> Iterator[tuple[int, int, list[dict[str, Any]]]]:
    """Give where each marked region begins and ends, and its calls."""
    while opening := way.opens.search(text, start):
        values, end = value_at(text, opening.end(), way.closes, location, field)
        name = opening.groupdict().get("name")
        flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
        if not flat or not all(isinstance(item, dict) for item in flat):
            raise BadRow("data.unread_call", location, field=field, given=shorten(text[opening.start() :]))
        yield opening.start(), end, [{"name": name, "arguments": item} if name else item for item in flat]
        start = end


def value_at(text: str, start: int, closes: re.Pattern[str], location: Location, field: str) -> tuple[list[Any], int]:
    """Return the objects or lists from ``start`` to a closing mark, and where the mark ends.

    Raises:
        BadRow: there are none, or something else stands behind them.
    """
    values, at = list[Any](), _FENCE.match(text, start).end()  # type: ignore[union-attr]
    try:
        while text[at : at + 1] in ("{", "["):
            value, at = _DECODER.raw_decode(text, at)
            values.append(shallow(value, location))
            at = _CLOSING_FENCE.match(text, at).end()  # type: ignore[union-attr]
    except (ValueError, RecursionError):
        values = []
    closing = closes.match(text, at)
    if values and (closing or at == len(text)):
        return values, closing.end() if closing else at
    return _loosely_at(text, start, closes, location, field)


def _loosely_at(
    text: str, start: int, closes: re.Pattern[str], location: Location, field: str
) -> tuple[list[Any], int]:
    """Do the same for what is not quite JSON: it ends at the first mark up to which it can be read."""
    marks = [(match.start(), match.end()) for match in islice(closes.finditer(text, start), _ATTEMPTS)]
    for stop, end in [*marks, (len(text), len(text))]:
        try:
            value, mend = loosely(_without_fence(text[start:stop]))
        except (ValueError, RecursionError):
            continue
        if mend:
            note(location, field, mend)
        return [shallow(value, location)], end
    raise BadRow("data.unread_call", location, field=field, given=shorten(text[start:].strip()))


def _without_fence(text: str) -> str:
    body = text.strip()
    if body.startswith("```") and body.endswith("```") and len(body) > 6:
        body = re.sub(r"\A```[A-Za-z]*\s*|\s*```\Z", "", body)
    return body


def _bare_call(text: str, offered: Collection[str], location: Location, field: str) -> list[Message] | None:
    """Return Llama 3.1's call: an answer that is one JSON object which names a tool that is offered."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    names = isinstance(value, dict) and value.keys() <= {"name", "parameters", "arguments", "type", "id"}
    if not names or value.get("name") not in offered or not value.keys() & {"parameters", "arguments"}:
        return None
    return [Message("assistant", "", tool_calls=(call(value, location, field),))]


def _regions(text: str, location: Location, field: str) -> list[Message]:
    """Return the messages of ModelScope-Agent's answer: words, a call, its result, and so on."""
    parts, last = list[Message](), 0
    for region in _REGION.finditer(text):
        lead, last = text[last : region.start()].strip(), region.end()
        if region["kind"] == "exec":
            parts += [Message("assistant", lead)] if lead else []
            parts.append(Message("tool", _without_fence(region["body"])))
            continue
        body = region["body"]
        values, _ = value_at(body, 0, re.compile(r"\Z"), location, field)
        parts.append(Message("assistant", lead, tool_calls=calls(values, location, field)))
    if "<|startof" in text[last:]:
        raise BadRow("data.unread_call", location, field=field, given=shorten(text[last:].strip()))
    rest = text[last:].strip()
    return [*parts, Message("assistant", rest)] if rest or not parts else parts


def _react(text: str, location: Location, field: str) -> list[Message]:
    """Return the messages of a text with ReAct's labels."""
    marks = list(_LABEL.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    lead, thought, name, parts = text[: marks[0].start()].strip(), "", "", list[Message]()
    for mark, end in zip(marks, ends, strict=True):
        label, body = mark[1], text[mark.end() : end].strip()
        if label == "Thought":
            thought = body
        elif label == "Action":
            name = body
        elif label in ("Observation", "Response"):
            parts.append(Message("tool", body))
        else:
            parts.append(_acted(label, name, body, lead, thought, location, field))
            lead, thought = "", ""
    if thought or lead:
        parts.append(Message("assistant", "\n".join(part for part in (lead, thought) if part)))
    return parts or [Message("assistant", text.strip())]


def _acted(label: str, name: str, body: str, lead: str, thought: str, location: Location, field: str) -> Message:
    """Return the message of an action, or of a final answer; ToolBench's ``Finish`` is one."""
    if label == "Final Answer":
        return Message("assistant", body, thinking=thought)
    empty = body in ("", "None", "null")
    values = [{}] if empty else value_at(body, 0, re.compile(r"\Z"), location, field)[0]
    arguments = values[0]
    if name == "Finish" and isinstance(arguments, dict) and isinstance(arguments.get("final_answer"), str):
        return Message("assistant", arguments["final_answer"], thinking=thought)
    return Message(
        "assistant", lead, thinking=thought, tool_calls=(call({"name": name, "arguments": arguments}, location, field),)
    )
