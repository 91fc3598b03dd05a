"""Which format the rows of a file are in. Knows that each file of this folder is a format; nothing of its fields.

One more format is one more file with a ``FORMAT``, and nothing else.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from workbench.data.fields import BadRow, Row, printable, shorten
from workbench.data.formats.base import Format
from workbench.data.formats.text import is_turn
from workbench.errors import UnknownName, nearest


def _formats() -> dict[str, Format]:
    """The formats of this folder by name."""
    modules = (import_module(f"{__name__}.{entry.name}") for entry in iter_modules(__path__))
    formats = [value for module in modules if isinstance(value := getattr(module, "FORMAT", None), Format)]
    return {form.name: form for form in formats}


FORMATS = _formats()
_SPLITS = ("test", "next")  # near to text by their letters alone


def known_format(name: str | None) -> str | None:
    """Return ``name`` where it is a format, or None.

    Raises:
        UnknownName: no such format.
    """
    if name is not None and name not in FORMATS:
        raise UnknownName(
            "data.unknown_format", given=shorten(name), nearest=nearest(name, FORMATS), known=tuple(FORMATS)
        )
    return name


def candidates(value: dict[str, Any]) -> list[str]:
    """Return the formats that the row's fields tell most surely: one as a rule, none, or several that cannot be told
    apart."""
    sure = {name: form.marks(value) for name, form in FORMATS.items()}
    surest = max(sure.values())
    return [name for name, degree in sure.items() if degree == surest] if surest else []


def settle(rows: Sequence[Row]) -> str:
    """Return the one format of all rows; a row that bears no mark is left to the reader, which says what it lacks.

    Raises:
        BadRow: a row bears the marks of two formats, or of another than the rows before it; or none bears any.
    """
    settled, first = "", None
    for row in rows:
        fitting = candidates(row.value)
        if len(fitting) > 1:
            raise BadRow("data.two_formats", row.location, formats=tuple(fitting))
        if not fitting:
            continue
        if not settled:
            settled, first = fitting[0], row.location.row
        elif {settled, fitting[0]} == {"sharegpt", "llava"}:
            settled = "llava"  # a picture set with some rows that have no picture
        elif fitting[0] != settled:
            raise BadRow("data.mixed_formats", row.location, format=fitting[0], earlier=settled, first=first)
    if not settled:
        raise _unrecognised(rows[0])
    return settled


def gathered(rows: Sequence[Row], form: str) -> list[Row]:
    """Return the rows, each a conversation: as they are, or put together where the format's are less than one."""
    gather = FORMATS[form].gather
    return gather(rows) if gather else list(rows)


def _unrecognised(row: Row) -> BadRow:
    keys = [printable(key) for key in row.value]
    marks = [key for form in FORMATS.values() for key in form.keys]
    spoken = [printable(key) for key, value in row.value.items() if isinstance(value, (str, list))]
    close = ((key, difflib.get_close_matches(key.lower(), marks, 1, 0.75)) for key in spoken)
    near = next((mark for key, matches in close for mark in matches if not (mark == "text" and key in _SPLITS)), "")
    shown = ", ".join(keys[:8])[:200] or "–"
    if {"role", "content"} <= row.value.keys() or ("text" in row.value and is_turn(row.value)):
        return BadRow("data.loose_message", row.location, found=shown)
    if near and near not in keys:
        return BadRow("data.unrecognised_near", row.location, found=shown, near=near)
    fields = "; ".join(f"{name}: {form.fields}" for name, form in FORMATS.items())
    return BadRow("data.unrecognised", row.location, found=shown, known=fields)
