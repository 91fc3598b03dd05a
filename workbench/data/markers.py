"""Placeholders and control tokens that stand in a conversation's text. Knows their spelling; nothing of rows."""

from __future__ import annotations

import re

from workbench.data.conversation import Message
from workbench.data.pictures import PICTURE

_PLACEHOLDER = re.compile(
    r"\{\{\s*(?P<double>[A-Za-z_]\w*)\s*\}\}|\$?\{(?P<single>name|author|NAME|AUTHOR|assistant_name|bot_name)\}"
    r"|<(?P<angle>NAME|AUTHOR|ASSISTANT_NAME)>|\[(?P<square>NAME|AUTHOR|ASSISTANT_NAME)\]"
)
# In a block of code such a mark belongs to its language.
_CODE = re.compile(r"(```.*?(?:```|\Z))", re.DOTALL)
# The templates' own markers, and the special tokens of well-known tokenizers.
_CONTROL = re.compile(
    r"<\|[A-Za-z0-9_ ./-]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</?s>|\[/?INST\]|<</?SYS>>"
    r"|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"
    r"|<(?:bos|eos|pad|unk|mask|start_of_turn|end_of_turn|eoa|eoh|eosys|eot|reserved_\d+|TOKENS_UNUSED_\d+|unused\d+)>"
    r"|\[(?:UNUSED_TOKEN_\d+|gMASK|sMASK|MASK|CLS|SEP|PAD)\]|<sop>|<eop>|<\[SEP\]>"
)


def placeholders(text: str) -> list[str]:
    """The names of the placeholders in ``text``, such as ``name`` of ``{{name}}``, in order."""
    if not any(mark in text for mark in "{<["):
        return []
    prose = _CODE.split(text)[::2]
    return [match[match.lastgroup or 0].lower() for part in prose for match in _PLACEHOLDER.finditer(part)]


def fill(text: str, values: dict[str, str]) -> str:
    """``text`` with its placeholders filled in once; those that ``values`` does not name stay."""
    parts = _CODE.split(text)
    parts[::2] = [
        _PLACEHOLDER.sub(lambda match: values.get(match[match.lastgroup or 0].lower(), match[0]), part)
        for part in parts[::2]
    ]
    return "".join(parts)


def control_tokens(message: Message) -> list[str]:
    """The control tokens in the text of a message; ``<image>`` is one where it stands for no picture."""
    text = message.content
    if "<" not in text and "[" not in text:
        return []
    found = [match[0] for match in _CONTROL.finditer(text)]
    if PICTURE in text and text.count(PICTURE) != len(message.images):
        found.append(PICTURE)
    return found
