"""JSON and JSON lines to raw rows, each with its place. Knows JSON; nothing of what a row means."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from workbench.data.fields import BadRow, Location, Row, kind, name_set, printable, shallow, shorten
from workbench.data.formats import candidates
from workbench.errors import BadData

_LISTS = name_set(
    "train training test testing valid validation val dev eval rows data examples samples instances items records"
)
_SPACE = re.compile(r"[ \t\r\n]*")
# Python's words for a JSON mistake, by how they begin -> our sentence (they differ from one Python to the next).
_REASONS = {
    "Expecting value": "value",
    "Expecting ',' delimiter": "comma",
    "Expecting property name": "key",
    "Expecting ':' delimiter": "colon",
    "Unterminated string": "string",
    "Invalid control character": "control",
    "Invalid \\u": "escape",
    "Invalid \\escape": "escape",
    "Extra data": "extra",
    "Illegal trailing comma": "trailing",
}


class _RefusedError(ValueError):
    """JSON that Python would take and we do not."""

    def __init__(self, key: str, excerpt: str) -> None:
        super().__init__(key)
        self.key, self.given = key, excerpt


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        seen: set[str] = set()
        twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise _RefusedError("data.duplicate_key", twice)
    return mapping


def _constant(name: str) -> Any:
    raise _RefusedError("data.not_json_number", name)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _RefusedError("data.not_json_number", digits)
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)


def rows(text: str, name: str, *, lines: bool, limit: int | None = None) -> Iterator[Row]:
    """Yield the rows of a JSON list, of ``{"data": [...]}``, of one object, or of JSON lines, whatever the file is
    called.

    Args:
        text: the file's text.
        name: how errors call the file.
        lines: the name says JSON lines; then each line stands for itself.
        limit: stop after so many rows.
    """
    start = _skip(text, 0)
    list_a_line = text[start : start + 1] == "[" and _list_a_line(text, start)
    if text[start : start + 1] == "[" and not list_a_line:
        yield from _list(text, start, name, limit)
    elif lines or list_a_line or _looks_like_lines(text, start):
        yield from _lines(text, name, limit)
    else:
        yield from _single(text, start, name, limit)


def _skip(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _list_a_line(text: str, start: int) -> bool:
    """Whether the first line is a whole list of turns, and another list or nothing comes after it."""
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    if text[_skip(text, end) :][:1] not in ("", "["):
        return False
    try:
        return bool(turns_row(_DECODER.decode(text[start:end].rstrip())))
    except (ValueError, RecursionError):
        return False


def turns_row(value: Any) -> dict[str, Any]:
    """Return the row of a bare list of turns; empty where it is none: a turn has a speaker, words, and no id of its
    own."""
    if not isinstance(value, list) or not value:
        return {}
    for key, who, what in (("messages", "role", "content"), ("conversations", "from", "value")):
        if all(isinstance(turn, dict) and {who, what} <= turn.keys() for turn in value):
            of_others = any(
                "id" in name.lower().split("_") for turn in value for name in turn if name != "tool_call_id"
            )
            return {} if of_others else {key: value}
    return {}


def _looks_like_lines(text: str, start: int) -> bool:
    """Whether the first line is an object that is whole, and a second one begins after it."""
    end = text.find("\n", start)
    if end < 0 or not text.startswith("{", _skip(text, end)):
        return False
    try:
        return isinstance(_DECODER.decode(text[start:end].rstrip()), dict)
    except (ValueError, RecursionError):
        return False


def _decode(text: str, start: int, location: Location, first: int = 1) -> tuple[Any, int]:
    """The value at ``start`` and where it ends; ``first`` is the line of the file on which ``text`` begins."""
    try:
        return _DECODER.raw_decode(text, start)
    except _RefusedError as error:
        raise BadRow(error.key, location, given=shorten(error.given)) from None
    except json.JSONDecodeError as error:
        raise _broken(error.msg, text, error.pos, location, first) from None
    except RecursionError:
        raise BadRow("data.too_deep", location) from None
    except ValueError:  # an integer of more digits than Python converts
        raise BadRow("data.too_long_number", location) from None


def _broken(message: str, text: str, offset: int, location: Location, first: int = 1) -> BadRow:
    reason = next((r for begin, r in _REASONS.items() if message.startswith(begin)), "other")
    if offset >= len(text.rstrip()):
        reason = "ends"
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    line = first + text.count("\n", 0, offset)
    near = shorten(text[offset : offset + 24].split("\n", maxsplit=1)[0])
    return BadRow("data.broken_json", location, reason=reason, at_line=line, column=column, near=near)


def _row(value: Any, location: Location) -> Row:
    value = turns_row(value) or value
    if not isinstance(value, dict):
        raise BadRow("data.row_not_object", location, kind=kind(value), given=shorten(value))
    return Row(shallow(value, location), location)


def _list(text: str, start: int, name: str, limit: int | None) -> Iterator[Row]:
    offset, row, line, counted = _skip(text, start + 1), 0, 1, 0
    if _begins_with_turn(text, offset):
        value, end = _decode(text, start, Location(name, 1, 1))
        _nothing_after(text, end, Location(name, 1, 1))
        if turns_row(value):
            yield _row(value, Location(name, 1, 1))
            return
    if text[offset : offset + 1] == "]":
        _nothing_after(text, offset + 1, Location(name, 1, 1))
        return
    while limit is None or row < limit:
        line += text.count("\n", counted, offset)
        counted, row = offset, row + 1
        location = Location(name, row, line)
        value, end = _decode(text, offset, location)
        yield _row(value, location)
        end = _skip(text, end)
        if text[end : end + 1] == "]":
            _nothing_after(text, end + 1, location)
            return
        if text[end : end + 1] != ",":
            raise _broken("Expecting ',' delimiter", text, end, location)
        offset = _skip(text, end + 1)
        if text[offset : offset + 1] == "]":
            raise _broken("Illegal trailing comma", text, end, location)


def _begins_with_turn(text: str, start: int) -> bool:
    """Whether the value at ``start`` is a turn, so that the list may be one conversation."""
    try:
        return bool(turns_row([_DECODER.raw_decode(text, start)[0]]))
    except (ValueError, RecursionError):
        return False


def _nothing_after(text: str, start: int, location: Location, first: int = 1) -> None:
    end = _skip(text, start)
    if end != len(text):
        raise _broken("Extra data", text, end, location, first)


def _lines(text: str, name: str, limit: int | None) -> Iterator[Row]:
    size = 0
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if limit is not None and size >= limit:
            return
        location = Location(name, number, number)
        try:
            value, end = _decode(line, _skip(line, 0), location, number)
        except BadRow as error:
            if error.values.get("reason") == "ends" and any(map(str.strip, lines[number:])):
                error.values["reason"] = "line_ends"
            raise
        _nothing_after(line, end, location, number)
        yield _row(value, location)
        size += 1


def _single(text: str, start: int, name: str, limit: int | None) -> Iterator[Row]:
    location = Location(name, 1, 1)
    value, end = _decode(text, start, location)
    _nothing_after(text, end, location)
    while isinstance(value, dict) and len(value) == 1 and not candidates(value):
        inner = next(iter(value.values()))
        if not isinstance(inner, dict):
            break
        value = inner
    key = _list_key(value)
    if not key:
        yield _row(value, location)
        return
    data = value[key]
    if not isinstance(data, list):
        raise BadData("data.data_not_list", file=printable(name), given=shorten(data))
    siblings = [sibling for sibling, rows in value.items() if sibling != key and _is_rows(sibling, rows)]
    if siblings:
        lists = ", ".join(map(printable, [key, *siblings]))
        raise BadData("data.several_lists", file=printable(name), lists=lists[:200], first=printable(key)[:60])
    for number, item in enumerate(data[:limit], 1):
        location = Location(name, number)
        yield _row(item, location)


def _list_key(value: Any) -> str:
    """The key under which an object holds a list of rows; ``''`` where it is itself a row."""
    if not isinstance(value, dict):
        return ""
    if "data" in value and (len(value) == 1 or isinstance(value["data"], list)):
        return "data"
    if candidates(value):
        return ""
    return next((key for key, rows in value.items() if _is_rows(key, rows)), "")


def _is_rows(key: str, value: object) -> bool:
    """Whether a value is a list of rows: of some format, or of none under a name that lists of rows have."""
    if not isinstance(value, list) or not value:
        return False
    return bool(turns_row(value[0])) or (isinstance(value[0], dict) and (bool(candidates(value[0])) or key in _LISTS))
