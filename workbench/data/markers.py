"""Placeholders and control tokens that stand in a conversation's text. Knows their spelling; nothing of rows."""

from __future__ import annotations

import re
from collections.abc import Collection

from workbench.data.conversation import Message
from workbench.data.pictures import PICTURE

_LABELS = r"NAME|AUTHOR|(?:YOUR|ASSISTANT|BOT)[ _](?:NAME|AUTHOR)"
_INTRODUCED = "|".join(
    f"(?<={opening})"
    for opening in (
        "I am ",
        "I'm ",
        "I’m ",
        "ame is ",
        "made by ",
        "created by ",
        "developed by ",
        "我是",
        "我叫",
        "由",
    )
)
# In small letters <name> may be XML and [Your Name] the gap in a letter: one only where somebody introduces himself.
_PLACEHOLDER = re.compile(
    r"\{\{\s*(?P<double>[^\W\d][\w.-]*)\s*\}\}|\$?\{(?P<single>name|author|NAME|AUTHOR|assistant_name|bot_name)\}"
    rf"|<(?P<angle>{_LABELS})>|\[(?P<square>{_LABELS})\]|[【<](?P<han>姓名|名字|作者)[】>]"
    rf"|(?:{_INTRODUCED})<(?P<small>(?i:{_LABELS}))>"
)
_CHINESE = {"姓名": "name", "名字": "name", "作者": "author"}
# In a block of code such a mark belongs to its language.
_CODE = re.compile(r"(```.*?(?:```|\Z))", re.DOTALL)
# The templates' own markers, and the special tokens of well-known tokenizers.
_THINK = ("<think>", "</think>")
_CONTROL = re.compile(
    r"<\|[A-Za-z0-9_ ./-]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</?s>|\[/?INST\]|<</?SYS>>"
    r"|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"
    r"|<(?:bos|eos|pad|unk|mask|start_of_turn|end_of_turn|eo[achm]|eosys|eot|reserved_\d+|TOKENS_UNUSED_\d+|unused\d+)>"
    r"|</?tool_(?:call|response)>"
    r"|\[(?:UNUSED_TOKEN_\d+|gMASK|sMASK|MASK|CLS|SEP|PAD)\]|<sop>|<eop>|<\[SEP\]>"
)
# The place of a film or a sound in a question. In its midst it may be HTML that is asked about.
_MEDIA = re.compile(r"\A\s*(<(?:video|audio)>)|(<(?:video|audio)>)\s*\Z")


def placeholders(text: str) -> list[str]:
    """Return the names of the placeholders in ``text``, such as ``name`` of ``{{name}}``, in order."""
    if not any(mark in text for mark in "{<[【"):
        return []
    prose = _CODE.split(text)[::2]
    return [_name(match) for part in prose for match in _PLACEHOLDER.finditer(part)]


def _name(match: re.Match[str]) -> str:
    """What the placeholder is called in ``--set``: without spaces, and the few Chinese words by their English ones."""
    label = match[match.lastgroup or 0].lower()
    if match.lastgroup in ("angle", "square", "small"):
        label = label.removeprefix("your").strip(" _").replace(" ", "_")
    return _CHINESE[label] if match.lastgroup == "han" else label


def fill(text: str, values: dict[str, str]) -> str:
    """Return ``text`` with its placeholders filled in once; those that ``values`` does not name stay."""
    parts = _CODE.split(text)
    parts[::2] = [_PLACEHOLDER.sub(lambda match: values.get(_name(match), match[0]), part) for part in parts[::2]]
    return "".join(parts)


def control_tokens(message: Message, vocabulary: Collection[str] = ()) -> list[str]:
    """Return the control tokens in the text of a message: those of well-known tokenizers, and the ``vocabulary`` ones.

    ``<image>`` is one where it stands for no picture, ``<think>`` where no answer opens its thoughts with it once.
    """
    text = message.content
    if "<" not in text and "[" not in text:
        return []
    tokens = [match[0] for match in _CONTROL.finditer(text)]
    tokens += [
        token for token in vocabulary if token in text and token not in tokens and token not in (PICTURE, *_THINK)
    ]
    if PICTURE in text and text.count(PICTURE) != len(message.images):
        tokens.append(PICTURE)
    if message.role == "user":
        tokens += [match[1] or match[2] for match in _MEDIA.finditer(text)]
    opened, closed = (text.count(token) for token in _THINK)
    thinks = message.role == "assistant" and opened <= 1 and closed == 1
    if opened + closed and not thinks and message.role != "system":  # a system text may say how to think
        tokens += [token for token in _THINK if token in text]
    return tokens
