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
        ("human", "user", "prompter", "person", "question", "instruction", "prompt", "q", "用户", "人类", "问", "问题",
         "提问", "指令"),
        "user",
    ),
    **dict.fromkeys(
        ("assistant", "ai", "bot", "gpt", "chatgpt", "model", "response", "answer", "output", "completion", "moss", "a",
         "助手", "助理", "答", "回答", "答案", "回复", "输出", "机器人"),
        "assistant",
    ),
    **dict.fromkeys(("system", "系统"), "system"),
}  # fmt: skip
_INPUT = ("input", "输入")  # Alpaca's, which belongs to the instruction before it
_LONG = "|".join(sorted((word for word in (*_ROLES, *_INPUT) if len(word) > 1), key=len, reverse=True))
_ALL = "|".join(sorted((*_ROLES, *_INPUT), key=len, reverse=True))


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


_ENDS = re.compile(
    r"(?:</s>|<\|(?:end|endoftext|im_end|end_of_turn|eot_id)\|>|<｜end▁of▁sentence｜>|<eo[hams]>|</?(?:human|user|"
    r"assistant|bot|system)>|\[(?:Round|第) ?\d+(?:轮)?\]|\s)+\Z",
    re.IGNORECASE,
)
_STYLES = (
    _Style(re.compile(rf"#{{2,4}} ?(?P<who>{_LONG}) ?[:：]", re.IGNORECASE), re.compile(r"</s>\s*$")),
    _Style(re.compile(r"<\|im_start\|>(?P<who>\w+)\r?\n"), re.compile(r"<\|im_end\|>\s*(?:<\|endoftext\|>\s*)?$")),
    _Style(
        re.compile(r"<\|start_header_id\|>(?P<who>\w+)<\|end_header_id\|>\s*"),
        re.compile(r"<\|eot_id\|>\s*(?:<\|end_of_text\|>\s*)?$"),
    ),
    _Style(re.compile(r"<start_of_turn>(?P<who>\w+)\r?\n"), re.compile(r"<end_of_turn>\s*(?:<eos>\s*)?$")),
    _Style(re.compile(rf"<[|｜]\s*(?P<who>{_LONG})\s*[|｜]>\s*[:：]?\s*", re.IGNORECASE), _ENDS),
    _Style(re.compile(r"\b(?P<who>USER|ASSISTANT|SYSTEM): ?"), re.compile(r"</s>\s*$")),
    _Style(re.compile(rf"^[ \t]*(?P<who>{_ALL}) ?[:：]", re.IGNORECASE | re.MULTILINE), _ENDS, first=True),
    # the name in brackets, in bold or as a heading, with a colon or alone on its line
    _Style(
        re.compile(
            rf"^[ \t]*(?:(?:\#{{1,6}} ?|\*\*|__|<<?|\[|【)[ \t]*)(?P<who>{_ALL})[ \t]*"
            rf"(?:(?:\*\*|__|>>?|\]|】)?[ \t]*[:：][ \t]*(?:\*\*|__)?|(?:\*\*|__|>>?|\]|】)?[ \t]*$)",
            re.IGNORECASE | re.MULTILINE,
        ),
        _ENDS,
        first=True,
    ),
    _Style(re.compile(r"<(?P<who>human|user|assistant|bot|system|gpt)>[ \t]*[:：]?", re.IGNORECASE), _ENDS, first=True),
    # both sides in one line
    _Style(
        re.compile(r"(?:^|(?<=\s))(?P<who>Human|User|Assistant|AI|Bot|System|Question|Answer): ?"), _ENDS, first=True
    ),
    _Style(re.compile(r"(?:^|(?<=[\s。？！?!]))(?P<who>用户|助手|人类|问题|回答|问|答)[:：]"), _ENDS, first=True),
)
_LLAMA = re.compile(r"\[INST\](?P<asked>.*?)\[/INST\](?P<answer>.*?)(?=(?:<s>\s*)?\[INST\]|\Z)", re.DOTALL)
_LLAMA_SYSTEM = re.compile(r"\s*<<SYS>>(?P<system>.*?)<</SYS>>", re.DOTALL)
_SURE = ("human", "user", "prompter", "assistant", "bot", "用户", "人类", "助手", "问", "答")
_BEGINS = re.compile(r"\s*(?:<s>|<\|begin_of_text\|>|<bos>|<｜begin▁of▁sentence｜>)?\s*(?:\[Round \d+\])?\s*")


def transcribed(text: str) -> list[Message] | None:
    """Return the messages of a dialogue that is written out, or None where the text is none: it needs both sides'
    marks, or must begin with one that can be nothing else."""
    for style in _STYLES:
        messages = _turns(text, style)
        if {"user", "assistant"} <= {message.role for message in messages} or _one_sided(text, style):
            return messages
    return _llama(text)


def prompted(text: str) -> list[Message]:
    """Return the turns of a question that is itself a dialogue written out, up to what is now to be answered; none
    where it is a question like others, or a whole dialogue that is asked about."""
    messages = transcribed(text) or []
    if messages and messages[-1].role == "assistant" and not messages[-1].content:
        messages = messages[:-1]
    return messages if messages and messages[-1].role == "user" else []


def _one_sided(text: str, style: _Style) -> bool:
    """Whether a text begins with the mark of a speaker that no other kind of text begins with."""
    return not style.first and _first_speaker(text, style) in _SURE


def begins_as_turn(text: str) -> bool:
    """Tell whether a text begins with the mark of a speaker, though it may be a single turn, or a play."""
    return any(_first_speaker(text, style) in _SURE for style in _STYLES)


def _first_speaker(text: str, style: _Style) -> str:
    """The speaker whose mark a text begins with; empty where there is none."""
    mark = style.opens.match(_begun(text))
    return mark["who"].lower() if mark else ""


def _begun(text: str) -> str:
    """A text without what stands before its first word."""
    return text[_BEGINS.match(text).end() :]  # type: ignore[union-attr]


def _turns(text: str, style: _Style) -> list[Message]:
    """The turns that a style sees in a text; none where it sees no mark, or not at the beginning as it must."""
    text = _begun(text)
    if style.first and not style.opens.match(text):
        return []
    marks = list(style.opens.finditer(text))
    if not marks:
        return []
    opening = text[: marks[0].start()].strip()
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    messages = [Message("system", opening)] if opening else []
    for mark, end in zip(marks, ends, strict=True):
        content = style.ends.sub("", text[mark.end() : end]).strip()
        who = mark["who"].lower()
        if who in _INPUT and messages and messages[-1].role == "user":
            messages[-1] = Message("user", f"{messages[-1].content}\n{content}" if content else messages[-1].content)
            continue
        role = "user" if who in _INPUT else _ROLES.get(who)
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
