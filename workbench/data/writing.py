"""Conversations to messages JSON lines, without loss. Knows the one format that is written; nothing of the others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workbench.data.calls import call, dump
from workbench.data.columns import CHOSEN, MEDIA
from workbench.data.conversation import Conversation, Message
from workbench.data.fields import BadRow, Location, printable
from workbench.data.flags import is_flag, plain_name
from workbench.data.formats.sharegpt import LISTS
from workbench.data.parsing import ESCAPED, EXTRAS
from workbench.data.pictures import PICTURE
from workbench.data.thoughts import NAMES as THOUGHTS
from workbench.data.turns import SYSTEM_NAMES
from workbench.errors import BadInput, OutputExists

# what would be mistaken for a field of the row, or for the mark of another format
_FIELDS = {
    "messages", "tools", "functions", "image", "images", "group", "kind", "lang", *SYSTEM_NAMES, ESCAPED, EXTRAS,
    *LISTS, "instruction", "message_id", "prompt", *MEDIA, *CHOSEN,
}  # fmt: skip
_OF_A_MESSAGE = {"role", "content", "tool_calls", "function_call", "images", *THOUGHTS}


def write(conversations: Iterable[Conversation], path: str | Path, *, overwrite: bool = False) -> None:
    """Write messages JSON lines, a conversation a line; the file is whole or not there.

    Reading it again gives equal conversations, but for their ``source``. The meta must be JSON's types.

    Args:
        conversations: what to write; each has at least one message.
        path: the file; its name should end in ``.jsonl``.
        overwrite: whether a file that is there may be replaced.

    Raises:
        OutputExists: the file is there.
        BadInput: the folder is not there, or a conversation cannot be written as JSON.
    """
    from workbench.runs.files import write_bytes

    file = Path(path)
    if file.is_dir():
        raise BadInput("data.out_is_folder", path=printable(str(file)))
    if file.exists() and not overwrite:
        raise OutputExists("data.out_exists", path=printable(str(file)))
    if not file.parent.is_dir():
        raise BadInput("data.out_no_folder", path=printable(str(file)), folder=printable(str(file.parent)))
    lines = [_line(c, Location(str(file), number)) for number, c in enumerate(conversations, 1)]
    write_bytes(file, b"".join(lines))


def _line(conversation: Conversation, location: Location) -> bytes:
    if not conversation.messages:
        raise BadRow("data.no_messages", location, field="messages")
    if any("\0" in message.content + message.thinking for message in conversation.messages):
        raise BadRow("data.nul_text", location, field="messages")
    try:
        return json.dumps(to_row(conversation, location), ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError):
        raise BadRow("data.unwritable", location) from None


def to_row(conversation: Conversation, location: Location) -> dict[str, Any]:
    """Return the messages row of a conversation, in JSON's types; ``location`` is where it is to stand."""
    meta = dict(conversation.meta)
    extras = meta.pop(EXTRAS, None) if _spreads(meta.get(EXTRAS), conversation) else {}
    at_row = _pictures_stand_in_text(conversation)
    row: dict[str, Any] = {
        "messages": [
            {**_message(m, not at_row, location, f"messages[{index}]"), **extras.get(str(index), {})}
            for index, m in enumerate(conversation.messages)
        ]
    }
    if at_row:
        row["images"] = [image.in_row(Path(location.file).parent) for image in conversation.pictures]
    if conversation.tools:
        row["tools"] = [_object_or_text(tool) for tool in conversation.tools]
    for key in ("group", "kind", "lang"):
        if getattr(conversation, key):
            row[key] = getattr(conversation, key)
    escaped = {key: meta.pop(key) for key in list(meta) if plain_name(key) in _FIELDS or is_flag(key)}
    row |= meta
    if escaped:
        row[ESCAPED] = escaped
    return row


def _message(message: Message, own_pictures: bool, location: Location, field: str) -> dict[str, Any]:
    row: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.train is not None:
        row["train"] = message.train
    if message.thinking:
        row["thinking"] = message.thinking
    if message.tool_calls:
        row["tool_calls"] = [
            _call(call, location, f"{field}.tool_calls[{index}]") for index, call in enumerate(message.tool_calls)
        ]
    if own_pictures and message.images:
        row["images"] = [image.in_row(Path(location.file).parent) for image in message.images]
    return row


def _call(encoded: str, location: Location, field: str) -> Any:
    """The call as an object where reading that gives the same text, else as text."""
    return json.loads(encoded) if call(encoded, location, field) == encoded else encoded


def _object_or_text(tool: str) -> Any:
    value = json.loads(tool)
    return value if isinstance(value, dict) and dump(value) == tool else tool


def _pictures_stand_in_text(conversation: Conversation) -> bool:
    """Whether one list for the row says which picture belongs where."""
    counts = [(m.content.count(PICTURE), len(m.images)) for m in conversation.messages]
    return any(pictures for _, pictures in counts) and all(places == pictures for places, pictures in counts)


def _spreads(extras: object, conversation: Conversation) -> bool:
    """Whether what single messages held more can stand in them again without being mistaken for a field."""
    if not isinstance(extras, dict) or not extras:
        return False
    indices = {str(index) for index in range(len(conversation.messages))}
    return all(
        key in indices
        and isinstance(value, dict)
        and value
        and not any(plain_name(key) in _OF_A_MESSAGE or is_flag(key) for key in value)
        and all(value is not None for value in value.values())
        for key, value in extras.items()
    )
