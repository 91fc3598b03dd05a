"""Taking typed fields out of a raw row, or saying which row and field is wrong. Knows no format and no file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import BadData, nearest
from workbench.texts import entry, fill, text

SHOWN = 60  # characters of a wrong value that an error repeats
DEEPEST = 64  # levels of lists and objects in a row


class Undecoded(str):
    """Hold what stands for bytes that are no text, such as ``<24 bytes>``: may be kept as meta, and is never words.

    Args:
        shown: what stands for them.
        data: the bytes themselves, where they may be a picture's; else none.
    """

    __slots__ = ("data",)
    data: bytes

    def __new__(cls, shown: str, data: bytes = b"") -> Undecoded:
        """Return the text, which knows its bytes."""
        made = super().__new__(cls, shown)
        made.data = data
        return made


@dataclass(frozen=True, slots=True)
class Location:
    """Hold where a row stands.

    Args:
        file: the path as it was given.
        row: counted from 1; of JSON lines it is the line, of a table the heading does not count.
        line: the line of the file on which the row begins; ``None`` where there are no lines.
        mends: what was mended while the row was read: (field, key under ``data.mends``).
    """

    file: str
    row: int
    line: int | None = None
    mends: list[tuple[str, str]] = field(default_factory=list, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """Hold a raw row and its place."""

    value: dict[str, Any]
    location: Location


class BadRow(BadData):
    """Signal that one row of a file is not as it must be; the sentence begins with the file and the row."""

    def __init__(self, key: str, location: Location, **values: object) -> None:
        super().__init__(key, file=printable(location.file), row=location.row, line=location.line, **values)

    def say(self, lang: str | None = None) -> str:
        """Return the place, then what is wrong there."""
        values = dict(self.values)
        for word in ("kind", "reason"):  # keys of the texts until the language is known
            if word in values:
                values[word] = text(f"data.{word}s.{values[word]}", lang)
        same = values["line"] in (None, values["row"])
        where = text("data.where_row" if same else "data.where_line", lang, **values)
        return where + fill(entry(self.key, lang)["say"], values)


def name_set(names: str) -> frozenset[str]:
    """Return the names of a text, with spaces between them."""
    return frozenset(names.split())


def printable(value: str) -> str:
    """Return ``value`` without anything that a terminal would obey or could not encode."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)


def shorten(value: object, limit: int = SHOWN) -> str:
    """Return ``value`` as a short, printable piece for an error."""
    if isinstance(value, str):
        shown = json.dumps(value[: limit + 1], ensure_ascii=False)
    else:
        try:
            shown = json.dumps(value, ensure_ascii=False, default=str)
        except (RecursionError, ValueError):
            shown = type(value).__name__
    return printable(shown if len(shown) <= limit else shown[:limit] + "…")


def kind(value: object) -> str:
    """Return the word for the type of ``value``: a key of ``data.kinds``."""
    if value is None:
        return "null"
    if isinstance(value, Undecoded):
        return "bytes"
    for name, types in (("bool", bool), ("text", str), ("number", (int, float)), ("list", (list, tuple))):
        if isinstance(value, types):
            return name
    return "object" if isinstance(value, dict) else "other"


def clean(value: object, location: Location, field: str) -> str:
    """Return ``value`` where it is text that can be encoded.

    Raises:
        BadRow: not text; half of a surrogate pair; a NUL.
    """
    if not isinstance(value, str) or isinstance(value, Undecoded):
        raise BadRow("data.not_text", location, field=field, kind=kind(value), given=shorten(value))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadRow("data.surrogate", location, field=field, given=f"U+{ord(value[error.start]):04X}") from None
    if "\0" in value:
        raise BadRow("data.nul_text", location, field=field)
    return value


def required(row: dict[str, Any], key: str, location: Location, within: str = "") -> Any:
    """Return the value of ``key``; an error names the field that looks like it."""
    if key not in row:
        names = [k for k in row if isinstance(k, str)]
        close = nearest(key, names) if names else ("–",)
        shown = ", ".join([*close, *(name for name in names if name not in close)][:8])
        raise BadRow("data.missing_field", location, field=within + key, found=printable(shown[: 2 * SHOWN]))
    return row[key]


def optional_text(row: dict[str, Any], key: str, location: Location, within: str = "") -> str:
    """Return the text of ``key``, or ``''`` where it is absent or null."""
    value = row.get(key)
    return "" if value is None else clean(value, location, within + key)


def listed(value: object, location: Location, field: str) -> list[Any]:
    """Return ``value`` where it is a list, or JSON text of one, as table files hold it."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        value = parsed(value, location, field)
    if not isinstance(value, (list, tuple)):
        raise BadRow("data.not_list", location, field=field, kind=kind(value), given=shorten(value))
    return list(value)


def mapped(value: object, location: Location, field: str) -> dict[str, Any]:
    """Return ``value`` where it is an object."""
    if not isinstance(value, dict):
        raise BadRow("data.not_object", location, field=field, kind=kind(value), given=shorten(value))
    return value


def parsed(value: str, location: Location, field: str) -> Any:
    """Return the JSON that the text of a field holds."""
    try:
        return shallow(json.loads(value), location)
    except ValueError:
        raise BadRow("data.json_field", location, field=field, given=shorten(value)) from None
    except RecursionError:
        raise BadRow("data.too_deep", location) from None


def shallow(value: Any, location: Location) -> Any:
    """Return ``value`` where it is nested at most ``DEEPEST`` levels deep, so that whatever walks it may call itself.

    Raises:
        BadRow: it is nested deeper.
    """
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [item for node in level if isinstance(node, (dict, list)) for item in _items(node)]
        if not level:
            return value
    raise BadRow("data.too_deep", location)


def _items(node: dict[str, Any] | list[Any]) -> Any:
    return node.values() if isinstance(node, dict) else node
