"""A raw row of any format to a conversation: what all formats have in common. Knows no format's own fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workbench.data.calls import tools
from workbench.data.columns import refuse_media
from workbench.data.conversation import Conversation, Message
from workbench.data.fields import Place, Row, clean
from workbench.data.flags import row_flag
from workbench.data.formats import FORMATS
from workbench.data.formats.base import Format
from workbench.data.pictures import place_pictures

ESCAPED = "_meta"  # where the writer puts what would be mistaken for a field
EXTRAS = "message_extras"  # meta: what single messages held beyond their fields, by index


def parse(row: Row, form: str, *, xtuner: bool = False) -> Conversation:
    """The conversation of a row in the format ``form``.

    Args:
        row: the raw row.
        form: a key of ``FORMATS``.
        xtuner: read as XTuner does: Alpaca's instruction and input are joined with a line break even where the input
            is empty, and a system text beside ``messages`` is not theirs.

    Raises:
        BadRow: a field is missing or not what the format says.
    """
    layout = FORMATS[form]
    left = dict(row.value)
    escaped = left.pop(ESCAPED) if isinstance(left.get(ESCAPED), dict) else {}
    extras: dict[str, Any] = {}
    read = layout.as_xtuner if xtuner and layout.as_xtuner else layout.parse
    conversation = _finish(read(left, row.place, extras), left, row.place, layout)
    meta = {**left, **escaped}
    if extras:
        meta[EXTRAS] = extras
    return replace(conversation, meta=meta)


def _finish(messages: list[Message], left: dict[str, Any], place: Place, layout: Format) -> Conversation:
    """Pictures, tools, flags and the labels of the row, taken out of ``left``; what remains is its meta."""
    offered = tools(left.pop("tools", None), place)
    messages = place_pictures(messages, left, place)
    refuse_media(left, place)
    if row_flag(left) is False:
        messages = [replace(m, train=False) if m.role == "assistant" and m.train is None else m for m in messages]
    labels: dict[str, Any] = {"kind": "text"} if layout.plain else {}
    for key in ("group", "kind", "lang"):
        if type(left.get(key)) is str and key not in labels and not _another_kind(key, left[key], messages):
            labels[key] = clean(left.pop(key), place, key)
    return Conversation(tuple(messages), source=f"{place.file}:{place.row}", tools=offered, **labels)


def _another_kind(key: str, value: str, messages: list[Message]) -> bool:
    """Whether a set's own column ``kind: text`` stands beside a dialogue: only one answer alone is plain text, of which
    all is trained and nothing marked."""
    return (key, value) == ("kind", "text") and [message.role for message in messages] != ["assistant"]
