"""MOSS's ``chat`` of turns with thoughts, commands and results, and its ``plain_text``. Knows these fields; runs no
command.

A command is written as a call of a function with one text, ``Search("…")``; which functions there are, and what they
take, stands in ``meta_instruction``.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from workbench.data.calls import dump
from workbench.data.conversation import Message
from workbench.data.fields import BadRow, Location, clean, mapped, optional_text, required, shorten
from workbench.data.formats.base import MARK, Format
from workbench.data.lenient import note

_MARKS = re.compile(r"\A\s*(?:<\|[A-Za-z ]+\|>|\[[A-Za-z ]+\]) ?: ?|\s*<eo[a-z]>\s*\Z")
_OFFERED = re.compile(
    r"^\s*-?\s*(?P<what>[A-Za-z -]+): enabled\. API: (?P<name>\w+)\((?P<argument>\w+)\)", re.MULTILINE
)
_CAPABILITIES = re.compile(r"\n*Capabilities and tools that MOSS can possess\..*", re.DOTALL)
_COMMAND = re.compile(r"""\s*,?\s*(?P<name>\w+)\((?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\)\s*""", re.DOTALL)
_ANSWERED = re.compile(r"^\w+\(.*\) ?=>[ ]*\n?", re.MULTILINE)
_SPOKEN = re.compile(r"\[(?P<who>Human|MOSS)\]: ?(?P<text>.*?)<eo[a-z]>", re.DOTALL)
_USUAL = {"Search": "query", "Calculate": "expression", "Solve": "equation", "Text2Image": "description"}
_TURN = re.compile(r"turn_(\d+)")


def _marks(row: dict[str, Any]) -> int:
    chat, plain = row.get("chat"), row.get("plain_text")
    turns = isinstance(chat, dict) and any(_TURN.fullmatch(str(key)) for key in chat)
    return MARK if turns or (isinstance(plain, str) and "[Human]:" in plain and "[MOSS]:" in plain) else 0


def _parse(left: dict[str, Any], location: Location, _: dict[str, Any]) -> list[Message]:
    about = optional_text(left, "meta_instruction", location) or optional_text(left, "prefix", location)
    for key in ("meta_instruction", "num_turns", "prefix"):
        left.pop(key, None)
    arguments = {match["name"]: match["argument"] for match in _OFFERED.finditer(about)}
    if arguments:
        left["tools"] = [_tool(match) for match in _OFFERED.finditer(about)]
    system = _CAPABILITIES.sub("", about).strip()
    messages = [Message("system", system)] if system else []
    if "chat" not in left:
        text = clean(left.pop("plain_text"), location, "plain_text")
        return messages + [
            Message("user" if match["who"] == "Human" else "assistant", match["text"].strip())
            for match in _SPOKEN.finditer(text)
        ]
    chat = mapped(left.pop("chat"), location, "chat")
    names = sorted((key for key in chat if _TURN.fullmatch(str(key))), key=lambda key: int(key[5:]))
    for name in names:
        messages += _turn(mapped(chat[name], location, f"chat.{name}"), arguments, location, f"chat.{name}")
    return messages


def _tool(match: re.Match[str]) -> dict[str, Any]:
    argument = match["argument"]
    schema = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {
        "type": "function",
        "function": {"name": match["name"], "description": match["what"].strip(" -"), "parameters": schema},
    }


def _turn(turn: dict[str, Any], arguments: dict[str, str], location: Location, field: str) -> list[Message]:
    """Return a question, its calls with their results, and the answer."""
    question = _bare(required(turn, "Human", location, f"{field}."), location, f"{field}.Human")
    thought, commands, results = (
        _bare(turn.get(key) or "", location, f"{field}.{key}")
        for key in ("Inner Thoughts", "Commands", "Tool Responses")
    )
    thought, commands, results = ("" if text == "None" else text for text in (thought, commands, results))
    answer = _bare(required(turn, "MOSS", location, f"{field}."), location, f"{field}.MOSS")
    if not commands:
        return [Message("user", question), Message("assistant", answer, thinking=thought)]
    note(location, f"{field}.Commands", "words")
    calls = _calls(commands, arguments, location, f"{field}.Commands")
    replies = [Message("tool", text) for text in _replies(results, len(calls))]
    calling = Message("assistant", "", tool_calls=calls, thinking=thought)
    return [Message("user", question), calling, *replies, Message("assistant", answer)]


def _bare(value: Any, location: Location, field: str) -> str:
    """Return a text without the mark of its speaker and its end."""
    return _MARKS.sub("", clean(value, location, field)).strip()


def _calls(commands: str, arguments: dict[str, str], location: Location, field: str) -> tuple[str, ...]:
    at, calls = 0, list[str]()
    while at < len(commands):
        match = _COMMAND.match(commands, at)
        if match is None:
            raise BadRow("data.unread_call", location, field=field, given=shorten(commands[at:]))
        try:
            text = ast.literal_eval(match["text"].replace("\n", "\\n"))
        except (ValueError, SyntaxError):
            text = match["text"][1:-1]
        name = match["name"]
        argument = arguments.get(name) or _USUAL.get(name, "query")
        calls.append(dump({"type": "function", "function": {"name": name, "arguments": dump({argument: text})}}))
        at = match.end()
    return tuple(calls)


def _replies(results: str, count: int) -> list[str]:
    """Return a result for each call where the text parts them by their commands, else all in one."""
    heads = list(_ANSWERED.finditer(results))
    if len(heads) != count or (heads and heads[0].start() > 0):
        return [results] if results else []
    ends = [head.start() for head in heads[1:]] + [len(results)]
    return [results[head.end() : end].strip() for head, end in zip(heads, ends, strict=True)]


FORMAT = Format("moss", "meta_instruction, chat: {turn_1: {Human, Commands, MOSS}}", _marks, _parse, ("plain_text",))
