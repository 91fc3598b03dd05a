"""CSV, TSV, Parquet, and datasets on disk or on the hub to raw rows. Knows tables; nothing of what a row means."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from workbench.data.fields import BadRow, Location, Row, Undecoded, printable, shallow, shorten
from workbench.data.limits import limits
from workbench.errors import BadData, WorkbenchError

# rows in memory at a time
BATCH = 250
# How the files of pictures begin, those that are refused too: PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC.
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\0\0\0")


def csv_rows(text: str, name: str, *, delimiter: str = ",", limit: int | None = None) -> Iterator[Row]:
    """Yield the rows of a table with a heading; an empty cell is an absent field.

    Raises:
        BadRow: a row with more or fewer cells than the heading, an open quote.
        BadData: a heading with an empty or a repeated name.
    """
    csv.field_size_limit(sys.maxsize if sys.maxsize < 2**31 else 2**31 - 1)
    first = text.split("\n", 1)[0]
    if delimiter == "," and "," not in first:
        # spreadsheets of many countries write semicolons under the name of CSV
        delimiter = next((d for d in ";\t" if d in first), delimiter)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    row, begins = 0, 1
    heading: list[str] = []
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            open_quote = "unexpected end" in str(error)
            location = Location(name, row + bool(heading), begins)
            raise BadRow("data.open_quote" if open_quote else "data.broken_table", location, given=str(error)) from None
        begun, begins = begins, reader.line_num + 1
        if cells is None or (limit is not None and row >= limit):
            return
        if not cells or cells == [""]:
            continue
        if not heading:
            heading = _heading(cells, name)
            continue
        row += 1
        location = Location(name, row, begun)
        if len(cells) != len(heading):
            raise BadRow("data.cells", location, expected=len(heading), found=len(cells))
        yield Row({key: cell for key, cell in zip(heading, cells, strict=True) if cell != ""}, location)


def _heading(cells: list[str], name: str) -> list[str]:
    heading = [cell.strip() for cell in cells]
    for index, cell in enumerate(heading):
        if not cell or cell in heading[:index]:
            key = "data.heading_twice" if cell else "data.heading_empty"
            raise BadData(key, file=printable(name), given=shorten(cell), column=index + 1)
    return heading


def parquet_rows(file: Path, name: str, *, limit: int | None = None) -> Iterator[Row]:
    """Yield the rows of a Parquet file, a batch in memory at a time."""
    from pyarrow import parquet  # type: ignore[import-untyped]

    try:
        with parquet.ParquetFile(file) as opened:
            _no_column_twice(opened.schema_arrow.names, name)
            _check_columns(opened.schema_arrow, name)
            yield from _numbered(opened.iter_batches(batch_size=BATCH), name, limit)
    except WorkbenchError:
        raise
    except Exception as error:  # whatever the library raises on a damaged file
        raise BadData("data.broken_parquet", file=printable(name), reason=_first_line(error)) from None


def _check_columns(schema: Any, name: str) -> None:
    most = limits().columns
    if len(schema.names) > most:
        raise BadRow("data.too_many_columns", Location(name, 1), found=len(schema.names), most=most)


def _no_column_twice(names: list[str], name: str) -> None:
    for index, column in enumerate(names):
        if column in names[:index]:
            raise BadData("data.heading_twice", file=printable(name), given=shorten(column))


def disk_rows(folder: Path, name: str, *, limit: int | None = None) -> Iterator[Row]:
    """Yield the rows of a folder that ``Dataset.save_to_disk`` wrote; of several splits the one named train."""
    import datasets

    _check_parts(folder, name)
    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:  # whatever the library raises on a damaged folder
        raise BadData("data.broken_dataset", file=printable(name), reason=_first_line(error)) from None
    if isinstance(loaded, dict):
        if "train" not in loaded and len(loaded) != 1:
            raise BadData("data.which_split", file=printable(name), splits=tuple(sorted(loaded)))
        loaded = loaded["train"] if "train" in loaded else next(iter(loaded.values()))
    yield from _numbered(_batches(loaded), name, limit)


def _check_parts(folder: Path, name: str) -> None:
    """A dataset's note names the files that hold it; they lie beside it."""
    from workbench.runs.files import read_bounded

    for note in folder.rglob("state.json"):
        try:
            files = json.loads(read_bounded(note, 10_000_000))["_data_files"]
            parts = [str(part["filename"]) for part in files]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadData("data.broken_dataset", file=printable(name), reason=_first_line(error)) from None
        for part in parts:
            if Path(part).name != part or "\\" in part:
                raise BadData("data.leads_outside", file=printable(str(note)), target=printable(part))


def hub_rows(name: str, *, limit: int | None = None) -> Iterator[Row]:
    """Yield the rows of the train split of a dataset on the hub; no code of the dataset's is run."""
    import datasets

    try:
        loaded = datasets.load_dataset(name, split="train" if limit is None else f"train[:{limit}]")
    except Exception as error:  # no network, no such name, a gated set: one sentence for all
        raise BadData("data.hub", file=printable(name), reason=_first_line(error)) from None
    yield from _numbered(_batches(loaded), name, limit)


def _batches(dataset: Any) -> Iterator[Any]:
    """The tables that a dataset is stored in: so no picture and no sound is decoded, nothing here looks at them."""
    yield from dataset.with_format("arrow").iter(batch_size=BATCH)


def _numbered(batches: Iterable[Any], name: str, limit: int | None) -> Iterator[Row]:
    """The rows of Arrow tables.

    Raises:
        BadRow: a cell holds what Python has no value for, such as a date of the year 5 000 000.
    """
    size = 0
    for batch in batches:
        for number, value in enumerate(_values(batch, name, size), size + 1):
            if limit is not None and number > limit:
                return
            location = Location(name, number)
            yield Row(shallow(_plain(value), location), location)
        size += batch.num_rows


def _values(batch: Any, name: str, before: int) -> Iterator[dict[str, Any]]:
    """The rows of one table as Python's values; ``before`` rows came before it."""
    try:
        yield from batch.to_pylist()
    except Exception:  # pyarrow's own, OverflowError, UnicodeDecodeError, an unknown time zone …
        for index in range(batch.num_rows):
            yield _value(batch.slice(index, 1), Location(name, before + index + 1))


def _value(row: Any, location: Location) -> dict[str, Any]:
    try:
        value: dict[str, Any] = row.to_pylist()[0]
    except Exception as error:
        raise BadRow("data.cell", location, given=_first_line(error)) from None
    return value


def _plain(value: Any) -> Any:
    """``value`` in JSON's types: what a table library returns beyond them becomes its text."""
    if isinstance(value, dict):
        if isinstance(value.get("bytes"), bytes) and "path" in value:  # how datasets hold a picture
            return {**{str(key): _plain(item) for key, item in value.items()}, "bytes": _binary(value["bytes"])}
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return _words(value) if isinstance(value, bytes) else str(value)


def _words(value: bytes) -> str:
    """A binary cell as the text that many writers put there."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _binary(value)


def _binary(value: bytes) -> Undecoded:
    """Bytes that are no words; kept as far as they begin as a picture does."""
    return Undecoded(f"<{len(value)} bytes>", value if value.startswith(PICTURES) else b"")


def _first_line(error: Exception) -> str:
    return printable(str(error).strip().split("\n", 1)[0][:200]) or type(error).__name__
