"""How much a file may be once it is read: bytes, rows, columns, cells, memory and time. Knows sizes; reads no format.

What expands when it is read (a few hundred bytes of Parquet may hold a text a million times) is read by
:mod:`workbench.data.apart` in a process of its own. JSON, CSV and plain text do not: what they take is told from their
length and from the signs that part their values, before any value is made.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from workbench.data.fields import BadRow, Row, printable
from workbench.errors import BadData

# Files of one folder.
FILES = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Hold what one reading may take.

    Args:
        decoded: bytes of the file, and of what it holds once it is unpacked.
        memory: bytes of what is made of it.
        rows: of a file.
        columns: fields of a row.
        cell: characters of a text.
        seconds: of unpacking.
    """

    decoded: int
    memory: int
    rows: int
    columns: int
    cell: int
    seconds: float


# What somebody else sends to a server that others use too.
SHARED = Limits(32_000_000, 200_000_000, 200_000, 1_000, 1_000_000, 30.0)
_in_force: list[Limits] = []


def serve_others() -> None:
    """Let this process read, from now on, what others send: each file within :data:`SHARED`."""
    _in_force[:] = [SHARED]


def limits() -> Limits:
    """Return those in force: of a person's own files as much as a third of this machine's memory holds."""
    return _in_force[0] if _in_force else _own()


@cache
def _own() -> Limits:
    memory = max(1_000_000_000, _memory() // 3)
    return Limits(min(memory, 8_000_000_000), memory, 20_000_000, 10_000, 50_000_000, 1_800.0)


def _memory() -> int:
    """Bytes of this machine's memory."""
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    import psutil

    return int(psutil.virtual_memory().total)


def check_file(file: Path, name: str) -> None:
    """See that ``file`` is an ordinary file and not too large.

    Raises:
        BadData: a device, a pipe, a socket; or of more bytes than may be read.
    """
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise BadData("data.no_ordinary_file", file=printable(name))
    check_bytes(status.st_size, name)


def check_bytes(size: int, name: str) -> None:
    """Refuse a file that is too large to be read.

    Raises:
        BadData: ``size`` is more than may be read.
    """
    most = limits().decoded
    if size > most:
        raise BadData("data.too_large", file=printable(name), size=size / 1e6, most=most / 1e6)


def check_text(text: str, name: str, *, table: bool = False) -> str:
    """Return ``text``, where what will be made of it takes no more memory than it may.

    Args:
        table: it is no JSON.
    """
    need = int(1.25 * sys.getsizeof(text)) + (_of_table(text) if table else _of_json(text))
    most = limits().memory
    if need > most:
        raise BadData("data.too_much_memory", file=printable(name), need=need / 1e6, most=most / 1e6)
    return text


def _of_json(text: str) -> int:
    """Bytes of the values that JSON text holds, told from the signs round them: a comma may stand in a sentence, but
    quotes stand round every text, and a digit before a comma ends most numbers."""
    numbers = sum(text.count(f"{digit},") for digit in range(10))
    lines, quotes, names = text.count("\n"), text.count('"'), text.count('":')
    return 200 * text.count("{") + 100 * text.count("[") + 45 * quotes + 60 * names + 36 * numbers + 60 * lines


def _of_table(text: str) -> int:
    """Bytes of the cells and lines of a table, or of plain text."""
    return 60 * (max(text.count(sign) for sign in ",\t;") + text.count("\n"))


def within(rows: Iterable[Row], name: str) -> Iterator[Row]:
    """Yield the rows, each looked at: their number, their fields and the length of their texts.

    Raises:
        BadRow: a row has too many fields, or a text is too long. BadData: there are too many rows.
    """
    most = limits()
    for count, row in enumerate(rows, 1):
        if count > most.rows:
            raise BadData("data.too_many_rows", file=printable(name), most=most.rows)
        if len(row.value) > most.columns:
            raise BadRow("data.too_many_columns", row.location, found=len(row.value), most=most.columns)
        for key, value in row.value.items():
            _check_cell(row, key, value, most.cell)
        yield row


def _check_cell(row: Row, key: str, value: object, most: int) -> None:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            if len(node) > most:
                field = printable(key[:60])
                raise BadRow("data.too_long_text", row.location, field=field, found=len(node), most=most)
        elif isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def check_folder(folder: Path, files: Iterable[Path], name: str) -> None:
    """See that the files of ``folder`` are ordinary ones, lie within it, and are not too many.

    Raises:
        BadData: names the first that is not, or does not.
    """
    home = folder.resolve()
    for count, file in enumerate(files, 1):
        if count > FILES:
            raise BadData("data.too_many_files", file=printable(name), most=FILES)
        target = file.resolve()
        if home not in target.parents:
            raise BadData("data.leads_outside", file=printable(str(file)), target=printable(str(target)))
        if not os.path.isfile(target):  # noqa: PTH113  a pipe is none, and is not waited for
            raise BadData("data.no_ordinary_file", file=printable(str(file)))
