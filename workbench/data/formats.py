"""Which format the rows of a file are in. Knows the formats' marks; nothing of how a row is read."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from workbench.data.fields import BadRow, Row, printable, shorten
from workbench.errors import UnknownName, nearest

# name -> the fields by which people know it
FORMATS: dict[str, str] = {
    "messages": "messages: [{role, content}]",
    "alpaca": "instruction, input, output",
    "sharegpt": "conversations: [{from, value}]",
    "llava": "image, conversations: [{from, value}]",
    "xtuner": "conversation: [{input, output}]",
    "text": "text",
}


def known(name: str | None) -> str | None:
    """``name`` where it is a format, or None.

    Raises:
        UnknownName: no such format.
    """
    if name is not None and name not in FORMATS:
        raise UnknownName(
            "data.unknown_format", given=shorten(name), nearest=nearest(name, FORMATS), known=", ".join(FORMATS)
        )
    return name


def candidates(value: dict[str, Any]) -> list[str]:
    """The formats whose mark the row bears. A ``text`` column counts only where there is no other mark,
    since sets in other formats often carry their rendered text along."""
    found = []
    if "messages" in value:
        found.append("messages")
    if "conversations" in value:
        found.append("llava" if "image" in value else "sharegpt")
    if "conversation" in value:
        found.append(_singular(value["conversation"]))
    if "instruction" in value and ("output" in value or not found):
        found.append("alpaca")
    if not found and "text" in value:
        found.append("text")
    return found


def _singular(turns: object) -> str:
    """XTuner's own key, or LLaVA's misspelt as a well-known course spells it: told by the turns' keys."""
    first = turns[0] if isinstance(turns, list) and turns else None
    return "llava" if isinstance(first, dict) and ("from" in first or "value" in first) else "xtuner"


def settle(rows: Sequence[Row]) -> str:
    """The one format of all rows; a row that bears no mark is left to the reader, which says what it lacks.

    Raises:
        BadRow: a row bears the marks of two formats, or of another than the rows before it; or none bears any.
    """
    settled, first = "", None
    for row in rows:
        found = candidates(row.value)
        if len(found) > 1:
            raise BadRow("data.two_formats", row.place, formats=", ".join(found))
        if not found:
            continue
        if not settled:
            settled, first = found[0], row.place.row
        elif {settled, found[0]} == {"sharegpt", "llava"}:
            settled = "llava"  # a picture set with some rows that have no picture
        elif found[0] != settled:
            raise BadRow("data.mixed_formats", row.place, format=found[0], earlier=settled, first=first)
    if not settled:
        raise _unrecognised(rows[0])
    return settled


def _unrecognised(row: Row) -> BadRow:
    keys = [printable(key) for key in row.value]
    marks = ["messages", "conversations", "conversation", "instruction", "text"]
    near = next((mark for key in keys for mark in difflib.get_close_matches(key.lower(), marks, 1, 0.75)), "")
    shown = ", ".join(keys[:8])[:200] or "–"
    if near:
        return BadRow("data.unrecognised_near", row.place, found=shown, near=near)
    return BadRow("data.unrecognised", row.place, found=shown, known="; ".join(FORMATS.values()))
