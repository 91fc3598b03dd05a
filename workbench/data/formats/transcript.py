"""A dialogue written out in one ``text``: ``### Human: … ### Assistant: …`` and its kin. Knows the marks; no file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from workbench.data.conversation import Message, Role
from workbench.data.fields import BadRow, Location, clean, required
from workbench.data.formats.base import RENDERED, Format

_ROLES: dict[str, Role] = {
    **dict.fromkeys(
        ("human", "user", "prompter", "question", "instruction", "q", "用户", "人类", "问", "问题"), "user"
    ),
    **dict.fromkeys(
        ("assistant", "ai", "bot", "gpt", "chatgpt", "model", "response", "answer", "a", "助手", "助理", "答", "回答"),
        "assistant",
    ),
    **dict.fromkeys(("system", "系统"), "system"),
}
_INPUT = "input"  # Alpaca's, which belongs to the instruction before it
_LONG = "|".join(sorted((word for word in (*_ROLES, _INPUT) if len(word) > 1), key=len, reverse=True))
_ALL = "|".join(sorted((*_ROLES, _INPUT), key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class _Style:
    """How one kind of transcript marks who speaks.

    Args:
        opens: the mark before a turn; its group ``who`` names the speaker.
        ends: what stands at the end of a turn and is no word of it.
        first: whether the text must begin with a mark, since one in its midst may be anything.
    """

    opens: re.Pattern[str]
    ends: re.Pattern[str]
    first: bool = False


_NOTHING = re.compile(r"(?!)")
_STYLES = (
    _Style(re.compile(rf"#{{2,4}} ?(?P<who>{_LONG}) ?[:：]", re.IGNORECASE), re.compile(r"</s>\s*$")),
    _Style(re.compile(r"<\|im_start\|>(?P<who>\w+)\r?\n"), re.compile(r"<\|im_end\|>\s*(?:<\|endoftext\|>\s*)?$")),
    _Style(
        re.compile(r"<\|start_header_id\|>(?P<who>\w+)<\|end_header_id\|>\s*"),
        re.compile(r"<\|eot_id\|>\s*(?:<\|end_of_text\|>\s*)?$"),
    ),
    _Style(re.compile(r"<start_of_turn>(?P<who>\w+)\r?\n"), re.compile(r"<end_of_turn>\s*(?:<eos>\s*)?$")),
    _Style(
        re.compile(r"<\|(?P<who>system|user|assistant)\|>\s*"), re.compile(r"(?:</s>|<\|end\|>|<\|endoftext\|>)\s*$")
    ),
    _Style(re.compile(r"\b(?P<who>USER|ASSISTANT|SYSTEM): ?"), re.compile(r"</s>\s*$")),
    _Style(re.compile(rf"^[ \t]*(?P<who>{_ALL}) ?[:：]", re.IGNORECASE | re.MULTILINE), _NOTHING, first=True),
)
_LLAMA = re.compile(r"\[INST\](?P<asked>.*?)\[/INST\](?P<answer>.*?)(?=(?:<s>\s*)?\[INST\]|\Z)", re.DOTALL)
_LLAMA_SYSTEM = re.compile(r"\s*<<SYS>>(?P<system>.*?)<</SYS>>", re.DOTALL)
_BEGINS = re.compile(r"\s*(?:<s>|<\|begin_of_text\|>|<bos>)?\s*")


def transcribed(text: str) -> list[Message] | None:
    """Return the messages of a dialogue that is written out, or None where the text is none: it needs both sides'
    marks, or must begin with one that can be nothing else."""
    for style in _STYLES:
        messages = _turns(text, style)
        if {"user", "assistant"} <= {message.role for message in messages} or _one_sided(text, style):
            return messages
    return _llama(text)


def _one_sided(text: str, style: _Style) -> bool:
    """Whether a text begins with the mark of a speaker that no other kind of text begins with."""
    mark = None if style.first else style.opens.match(text, _BEGINS.match(text).end())  # type: ignore[union-attr]
    return mark is not None and mark["who"].lower() in ("human", "user", "assistant", "用户", "人类", "助手")


def _turns(text: str, style: _Style) -> list[Message]:
    """The turns that a style sees in a text; none where it sees no mark, or not at the beginning as it must."""
    marks = list(style.opens.finditer(text))
    before = text[: marks[0].start()] if marks else text
    opening = before[_BEGINS.match(before).end() :].strip()  # type: ignore[union-attr]
    if not marks or (style.first and opening):
        return []
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    messages = [Message("system", opening)] if opening else []
    for mark, end in zip(marks, ends, strict=True):
        content = style.ends.sub("", text[mark.end() : end]).strip()
        who = mark["who"].lower()
        if who == _INPUT and messages and messages[-1].role == "user":
            messages[-1] = Message("user", f"{messages[-1].content}\n{content}" if content else messages[-1].content)
            continue
        role = _ROLES.get(who)
        if role is None:
            return []
        messages.append(Message(role, content))
    return messages[:-1] if not messages[-1].content and messages[-1].role == "user" else messages


def _llama(text: str) -> list[Message] | None:
    """The turns of ``[INST] … [/INST] …``."""
    messages: list[Message] = []
    for match in _LLAMA.finditer(text):
        question = match["asked"]
        system = _LLAMA_SYSTEM.match(question)
        if system:
            messages.append(Message("system", system["system"].strip()))
            question = question[system.end() :]
        answer = match["answer"].strip().removesuffix("</s>").strip()
        messages += [Message("user", question.strip()), Message("assistant", answer)]
    return messages or None


def _marks(row: dict[str, Any]) -> int:
    text = row.get("text")
    return RENDERED if isinstance(text, str) and transcribed(text) else 0


def _parse(remaining: dict[str, Any], location: Location, _: dict[str, Any]) -> list[Message]:
    text = clean(required(remaining, "text", location), location, "text")
    messages = transcribed(text)
    if messages is None:
        raise BadRow("data.no_transcript", location, field="text")
    del remaining["text"]
    return messages


FORMAT = Format("transcript", "text: ### Human: … ### Assistant: …", _marks, _parse)
