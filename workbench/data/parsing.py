"""A raw row of any format to a conversation: what all formats have in common. Knows no format's own fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workbench.data.acting import acted
from workbench.data.calls import tools
from workbench.data.columns import MEDIA, refuse_media
from workbench.data.conversation import Conversation, Message
from workbench.data.fields import Location, Row, clean
from workbench.data.flags import plain_name, row_flag
from workbench.data.formats import FORMATS
from workbench.data.formats.base import Format
from workbench.data.pictures import place_pictures, rename_pictures

ESCAPED = "_meta"  # where the writer puts what would be mistaken for a field
EXTRAS = "message_extras"  # meta: what single messages held beyond their fields, by index


def parse(row: Row, form: str, *, xtuner: bool = False) -> Conversation:
    """Return the conversation of a row in the format ``form``.

    Args:
        row: the raw row.
        form: a key of ``FORMATS``.
        xtuner: read as XTuner does: Alpaca's instruction and input are joined with a line break even where the input
            is empty, and a system text beside ``messages`` is not theirs.

    Raises:
        BadRow: a field is missing or not what the format says.
    """
    layout = FORMATS[form]
    remaining = dict(row.value)
    escaped = remaining.pop(ESCAPED) if isinstance(remaining.get(ESCAPED), dict) else {}
    extras: dict[str, Any] = {}
    read = layout.as_xtuner if xtuner and layout.as_xtuner else layout.parse
    messages = read(remaining, row.location, extras)
    offered = tools(remaining.pop("tools", None), row.location)
    if not layout.plain:
        messages, offered, extras = acted(messages, offered, extras, row.location, _list_of(row.value))
    for index, fields in extras.items():
        refuse_media(fields, row.location, f"{_list_of(row.value)}[{index}].")
    conversation = _finish(messages, offered, remaining, row.location, layout)
    meta = {**remaining, **escaped}
    if extras:
        meta[EXTRAS] = extras
    return replace(conversation, meta=meta, mended=tuple(row.location.mends))


def _list_of(row: dict[str, Any]) -> str:
    """Return the name of the row's list of turns, for errors."""
    return next((key for key in ("messages", "conversations", "conversation", "chat") if key in row), "messages")


def _finish(
    messages: list[Message], offered: tuple[str, ...], remaining: dict[str, Any], location: Location, layout: Format
) -> Conversation:
    """Pictures, flags and the labels of the row, taken out of ``remaining``; what remains is its meta."""
    if not layout.plain:  # beside a plain text they are no part of what it says
        rename_pictures(remaining)
        refuse_media(remaining, location)
    messages = place_pictures(messages, remaining, location)
    refuse_media({key: value for key, value in remaining.items() if plain_name(key) in MEDIA}, location)
    if row_flag(remaining) is False:
        messages = [replace(m, train=False) if m.role == "assistant" and m.train is None else m for m in messages]
    labels: dict[str, Any] = {"kind": "text"} if layout.plain else {}
    for key in ("group", "kind", "lang"):
        if type(remaining.get(key)) is str and key not in labels and not _another_kind(key, remaining[key], messages):
            labels[key] = clean(remaining.pop(key), location, key)
    return Conversation(tuple(messages), source=f"{location.file}:{location.row}", tools=offered, **labels)


def _another_kind(key: str, value: str, messages: list[Message]) -> bool:
    """Whether a set's own column ``kind: text`` stands beside a dialogue: only one answer alone is plain text, of which
    all is trained and nothing marked."""
    return (key, value) == ("kind", "text") and [message.role for message in messages] != ["assistant"]
