"""Parquet, datasets on disk and documents, unpacked in a process of its own. Knows processes and lines; no format of
rows.

A file of a few hundred bytes may hold a hundred gigabytes. The process that unpacks it may take so much memory and so
much time, and hands over a row at a time; whoever reads stops when it is enough. So neither a server nor a notebook
grows, hangs or ends by what somebody put into a file.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from workbench.data.fields import BadRow, Location, Row, Undecoded, printable
from workbench.data.limits import SHARED, limits, serve_others
from workbench.errors import BadData, WorkbenchError, error_from_record, record

# Bytes that the process may take beyond what its libraries do: a batch, unpacked, and once more as Python's values.
ROOM = 600_000_000
# What is unpacked may be so many times as large as the file, and this much in any case.
GROWTH, ALWAYS = 200, 100_000_000
# seconds for a document: a thousand pages of a PDF take about one
DOCUMENT = 300.0
_MEMORY = {"kind": "memory"}


def rows(kind: str, source: Path, name: str, limit: int | None) -> Iterator[Row]:
    """Yield the rows of ``source``.

    Args:
        kind: ``parquet``, ``dataset``, or ``document`` with its suffix.
        source: the file or the folder.
        name: how errors call it.
        limit: at most so many.

    Raises:
        BadData: it is damaged, or takes more memory, time or bytes than it may.
    """
    process = _started(kind, source, name, limit)
    ended = threading.Timer(_seconds(kind), process.kill)
    ended.start()
    try:
        yield from _heard(process, source, name, ended)
    finally:
        ended.cancel()
        process.kill()
        process.communicate()


def _started(kind: str, source: Path, name: str, limit: int | None) -> subprocess.Popen[bytes]:
    from workbench.runs.process import tied

    what = {"kind": kind, "source": str(source.absolute()), "name": name, "limit": limit}
    order = json.dumps({**what, "shared": limits() is SHARED, "room": _room()})
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    settings = {"PYTHONPATH": os.pathsep.join(p for p in paths if p), "PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"}
    settings |= {"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(  # noqa: S603  a list, never a shell
        [sys.executable, "-m", "workbench.data.apart", order],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **settings},
        **tied(),
    )


def _heard(process: subprocess.Popen[bytes], source: Path, name: str, ended: threading.Timer) -> Iterator[Row]:
    most = _most(source)
    size, out = 0, cast("IO[bytes]", process.stdout)
    while line := out.readline(most - size + 2):
        size += len(line)
        if size > most:
            raise BadData("data.unpacks_too_large", file=printable(name), most=most / 1e6)
        record = json.loads(line)
        if "row" in record:
            yield Row(_with_bytes(record["value"], record.get("bytes", ())), Location(name, record["row"]))
        elif "end" in record:
            return
        elif record == _MEMORY:
            raise BadData("data.unpacks_too_large", file=printable(name), most=_room() / 1e6)
        else:
            raise _error(record)
    if not ended.is_alive():
        raise BadData("data.unpacks_too_long", file=printable(name), seconds=ended.interval)
    raise BadData("data.unpacks_too_large", file=printable(name), most=_room() / 1e6)  # the system ended it


def _seconds(kind: str) -> float:
    return min(DOCUMENT, limits().seconds) if kind.startswith("document") else limits().seconds


def _room() -> int:
    return min(ROOM, limits().memory)


def _most(source: Path) -> int:
    """Bytes that may be handed over."""
    files = [source] if source.is_file() else [file for file in source.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    return min(limits().decoded, ALWAYS + GROWTH * size)


def _error(record: dict[str, Any]) -> WorkbenchError:
    values = dict(record["values"])
    if record["kind"] != "BadRow":
        return error_from_record(record["kind"], record["key"], values)
    location = Location(str(values.pop("file")), int(values.pop("row")), values.pop("line"))
    return BadRow(record["key"], location, **values)


def _with_bytes(value: dict[str, Any], marked: Any) -> dict[str, Any]:
    """The row with what stands for bytes marked as such again, and a picture's bytes with it."""
    for (*way, last), content in marked:
        node: Any = value
        for key in way:
            node = node[key]
        node[last] = Undecoded(node[last], base64.b64decode(content))
    return value


# --- in the process ---


def main() -> None:
    """Unpack what the order names, a line a row."""
    order = json.loads(sys.argv[1])
    out = sys.stdout.buffer
    try:
        _unpack(order, out)
        closing: dict[str, Any] = {"end": True}
    except MemoryError:
        closing = _MEMORY
    except WorkbenchError as error:
        closing = _MEMORY if _short_of_memory(error) else record(error)
    with suppress(BrokenPipeError):
        out.write(json.dumps(closing, default=str).encode() + b"\n")
        out.flush()


def _unpack(order: dict[str, Any], out: Any) -> None:
    from workbench.data import tables

    if order["shared"]:
        serve_others()
    source, name, limit = Path(order["source"]), order["name"], order["limit"]
    if order["kind"] == "parquet":
        from pyarrow import parquet  # type: ignore[import-untyped]  # noqa: F401

        _bound_memory(order["room"])
        located = tables.parquet_rows(source, name, limit=limit)
    elif order["kind"].startswith("document"):
        from workbench.data.documents import opening

        suffix = order["kind"].removeprefix("document")
        opening.load(suffix, name)
        _bound_memory(order["room"])
        located = opening.rows(suffix, source, name)
    else:
        import datasets  # noqa: F401

        _bound_memory(order["room"])
        located = tables.disk_rows(source, name, limit=limit)
    for row in located:
        record: dict[str, Any] = {"row": row.location.row, "value": row.value}
        if marked := list(_bytes_in(row.value)):
            record["bytes"] = marked
        out.write(json.dumps(record).encode() + b"\n")


def _bytes_in(node: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Where bytes stand in a row, and those of a picture."""
    if isinstance(node, Undecoded):
        yield way, base64.b64encode(node.data).decode()
    elif isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _bytes_in(value, (*way, key))


def _bound_memory(room: int) -> None:
    """Let the system refuse more than ``room`` bytes beside what is taken by now; Windows cannot."""
    try:
        import resource
    except ImportError:
        return
    import psutil

    most = psutil.Process().memory_info().vms + room
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _short_of_memory(error: WorkbenchError) -> bool:
    description = str(error.values.get("reason", "")) + str(error.values.get("given", ""))
    return any(
        word in description
        for word in ("MemoryError", "malloc of size", "realloc of size", "Out of memory", "bad_alloc")
    )


if __name__ == "__main__":
    main()
