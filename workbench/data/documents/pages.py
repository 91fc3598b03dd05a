"""A page of a PDF to its lines. Knows where pieces of text stand on a page; nothing of passages.

A PDF says where each piece of text stands, and not in which order a person reads. Most programs write column by column;
those that write line by line over both columns are recognised by where the lines begin, and read column by column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

from workbench.data.fields import printable
from workbench.errors import BadData

# More pages no document has.
PAGES = 20_000
# Two columns of prose: so many lines beside one another at least, so many letters a line on an average (half as many
# in Chinese), and most lines nearly full. A table's cells are shorter, or of many lengths.
_LINES, _LETTERS, _FULL, _MOST = 5, 24, 0.75, 0.6
# places where the right column may begin that are tried
_TRIED = 6
# points by which what stands in one line, or begins in one column, may be apart
_APART = 3.0
# of a page whose font says of no letter which it is
_UNKNOWN = 0.3


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold a text and where it begins, in points from the lower left."""

    x: float
    y: float
    text: str


def pages(file: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each page and its lines, none where the page is a picture or its letters cannot be told.

    Raises:
        BadData: it is no PDF, damaged, locked, or has too many pages.
    """
    reader = _opened(file, name)
    count = len(reader.pages)
    if count > PAGES:
        raise BadData("data.documents.too_many_pages", file=printable(name), found=count, most=PAGES)
    for number in range(count):
        lines = _lines(reader.pages[number])
        yield number + 1, [] if _is_unknown("".join(lines)) else lines


def _opened(file: Path, name: str) -> Any:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PdfReadError

    with file.open("rb") as opened:
        if b"%PDF" not in opened.read(1024):
            raise BadData("data.documents.not_it", file=printable(name), kind="PDF")
    try:
        reader: Any = PdfReader(file, strict=False)
        locked = reader.is_encrypted and not reader.decrypt("")
    except DependencyError as error:  # a way to lock it that the library alone does not know
        raise BadData("data.documents.locked", file=printable(name)) from error
    except PdfReadError as error:
        raise BadData("data.documents.damaged", file=printable(name), reason=printable(str(error)[:200])) from error
    if locked:
        raise BadData("data.documents.locked", file=printable(name))
    return reader


def _lines(page: Any) -> list[str]:
    pieces = list[Piece]()

    def visit(text: str, cm: Sequence[float], tm: Sequence[float], *_: Any) -> None:
        if text.strip():
            x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
            y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
            pieces.append(Piece(x, y, text))

    plain = page.extract_text(visitor_text=visit) or ""
    return by_column(pieces) or plain.split("\n")


def _is_unknown(text: str) -> bool:
    letters = [c for c in text if not c.isspace()]
    unknown = sum(c == "\ufffd" or "\ue000" <= c <= "\uf8ff" for c in letters)
    return unknown > _UNKNOWN * len(letters)


def by_column(pieces: Sequence[Piece]) -> list[str]:
    """Return the lines of a page that is written line by line over two columns, one column after the other; none where
    it is written otherwise."""
    for right in _begins(pieces):
        if lines := _parted_at(pieces, right):
            return [text for line in lines for text in line.text.strip("\n").split("\n")]
    return []


def _begins(pieces: Sequence[Piece]) -> list[float]:
    """Where a right column may begin: where many pieces do that stand beside the one before them."""
    begins = Counter(
        round(after.x) for before, after in pairwise(pieces)
        if abs(before.y - after.y) < _APART and after.x > before.x
    )  # fmt: skip
    return [float(where) for where, count in begins.most_common(_TRIED) if count >= _LINES]


def _parted_at(pieces: Sequence[Piece], right: float) -> list[Piece]:
    """The lines in the order in which they are read, if the right column begins at ``right``; none if it does not."""
    lines = _joined(pieces, right)
    pairs = [n for n, (a, b) in enumerate(pairwise(lines)) if _beside(a, b, right)]
    if not pairs:
        return []
    first, last = pairs[0], pairs[-1] + 2
    columns = [[line for line in lines[first:last] if (line.x >= right - _APART) is side] for side in (False, True)]
    if not all(_is_prose(column) for column in columns):
        return []
    rest = list(lines[last:])
    while rest and (column := _continued(columns, rest[0])):  # the longer column's last lines
        column.append(rest.pop(0))
    return [*lines[:first], *columns[0], *columns[1], *rest]


def _joined(pieces: Sequence[Piece], right: float) -> list[Piece]:
    """The pieces of a line as one: where its font changes it is parted."""
    lines = list[Piece]()
    for piece in pieces:
        before = lines[-1] if lines else None
        if (
            before
            and not before.text.endswith("\n")
            and abs(before.y - piece.y) < _APART
            and abs(piece.x - right) >= _APART
        ):
            lines[-1] = Piece(before.x, before.y, before.text + piece.text)
        else:
            lines.append(piece)
    return lines


def _beside(before: Piece, after: Piece, right: float) -> bool:
    return abs(before.y - after.y) < _APART and abs(after.x - right) < _APART and before.x < right - _APART


def _is_prose(column: Sequence[Piece]) -> bool:
    sizes = [_size(line.text) for line in column]
    full = sum(size >= _FULL * max(sizes) for size in sizes)
    return len(sizes) >= _LINES and mean(sizes) >= _LETTERS and full >= _MOST * len(sizes)


def _size(text: str) -> int:
    """The letters of a line, a Chinese one as two."""
    return sum(2 if "\u2e80" <= c <= "\uffef" else 1 for c in text.strip())


def _continued(columns: Sequence[list[Piece]], line: Piece) -> list[Piece] | None:
    """The column that ``line`` goes on with: it begins there, one line lower, and is no wider."""
    for column in columns:
        step = abs(column[-2].y - column[-1].y)
        begins = abs(column[-1].x - line.x) < _APART and 0 < column[-1].y - line.y < 1.6 * step
        if begins and _size(line.text) <= 1.1 * max(_size(each.text) for each in column):
            return column
    return None
