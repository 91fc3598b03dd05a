"""A table of one's own as a tool. Knows CSV and TSV; a model names an entry, never a file."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from workbench.data.calls import dump
from workbench.data.ordering import normalised
from workbench.errors import BadInput
from workbench.tools.schema import NAME
from workbench.tools.values import Tool, ToolError

MOST_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Table:
    """Hold rows by what stands in their first column.

    Args:
        columns: the heading.
        rows: key, as it is compared → the row's cells.
        keys: as they are written.
    """

    columns: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]
    keys: tuple[str, ...] = ()


class Entry:
    """Look up entries of a table, whose keys can be asked for."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __call__(self, item: str) -> str:
        """Return the entry of an item."""
        return entry_of(self.table, item)


def keys_of(tool: Tool) -> tuple[str, ...]:
    """Return the names in a tool's own table; none where it has no table of its own."""
    return tool.run.table.keys if isinstance(tool.run, Entry) else ()


def table_tool(file: Path) -> Tool:
    """Make a tool that looks up entries of ``file``: a heading, then a row an entry, whose first column is its name.

    Raises:
        BadInput: it is no such table.
    """
    table = read_table(file)
    name = file.stem if NAME.fullmatch(file.stem) else "lookup"
    described = f"Look up {', '.join(table.columns[1:])} of one {table.columns[0]}."
    key = {"type": "string", "description": f"the {table.columns[0]}"}
    parameters = {"type": "object", "properties": {"item": key}, "required": ["item"]}
    shape = {"type": "function", "function": {"name": name, "description": described, "parameters": parameters}}
    return Tool(name, dump(shape), Entry(table))


def entry_of(table: Table, item: str) -> str:
    """Return the cells of an entry; with more than one column each has its heading before it.

    Raises:
        ToolError: no such entry.
    """
    cells = table.rows.get(normalised(item))
    if cells is None:
        raise ToolError("not found")
    labels = table.columns[1:]
    return (
        cells[0]
        if len(labels) == 1
        else "; ".join(f"{label}: {cell}" for label, cell in zip(labels, cells, strict=True))
    )


def read_table(file: Path) -> Table:
    """Read a table of at least two columns.

    Raises:
        BadInput: it is not there, too large, no text, or has a row of another width or without a name.
    """
    try:
        stamp = file.stat().st_mtime_ns
    except OSError:
        raise BadInput("tools.no_table", file=file) from None
    return _read(file, stamp)


@lru_cache(maxsize=8)
def _read(file: Path, _: int) -> Table:
    from workbench.data.decoding import read_text

    if not file.is_file() or file.stat().st_size > MOST_BYTES:
        raise BadInput("tools.no_table", file=file)
    text = read_text(file, str(file))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    separator = "\t" if lines and "\t" in lines[0] else ","
    rows = [
        tuple(cell.strip() for cell in row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=separator)
    ]
    if len(rows) < 2 or len(rows[0]) < 2:
        raise BadInput("tools.small_table", file=file)
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]) or not row[0]:
            raise BadInput("tools.odd_row", file=file, row=number, columns=len(rows[0]))
    keys = tuple(row[0] for row in rows[1:])
    return Table(rows[0], {normalised(row[0]): row[1:] for row in rows[1:]}, keys)
