"""Files, folders and datasets to conversations. Knows where data lies and in what containers; nothing of templates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.data import jsonfile, tables
from workbench.data.conversation import Conversation
from workbench.data.decoding import read_text
from workbench.data.fields import Location, Row, printable
from workbench.data.formats import FORMATS, gathered, known_format, settle
from workbench.data.limits import check_file, check_folder, check_text, within
from workbench.data.parsing import parse
from workbench.data.pictures import anchored
from workbench.errors import BadData, nearest

SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".txt")
# files that stand beside data and hold none
_SIDE_FILES = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "requirements.txt"}
_ABOUT = re.compile(r"(?:readme|licen[cs]e|notice)(?![a-z0-9]).*\.txt", re.IGNORECASE)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold what was read.

    Args:
        conversations: in the order of the files and rows.
        format: the format's name; of a folder with several, all of them, comma-separated.
    """

    conversations: list[Conversation]
    format: str


def read(
    path: str | Path,
    *,
    format: str | None = None,
    limit: int | None = None,
    compat: str | None = None,
    image_folder: str | Path | None = None,
) -> list[Conversation]:
    """Return the conversations of a file, a folder, a dataset on disk, or a dataset on the hub.

    Args:
        path: JSON, JSON lines, CSV, TSV, Parquet, plain text (a document for each paragraph); a folder of these, or one
            that ``Dataset.save_to_disk`` wrote; or ``owner/name`` on the hub, where there is no such path here.
        format: a key of ``FORMATS``; recognised by the rows' fields where not given, for each file by itself.
        limit: at most so many conversations, from the start.
        compat: ``"xtuner"`` joins Alpaca's instruction and input as XTuner does and drops ``<nooutput>`` rows.
        image_folder: the folder, or the zip archive, in which the pictures lie that the rows name; the file's own
            where not given. No picture is opened.

    Raises:
        BadData: says the file, the row, the field, the value, and what to do.
        UnknownName: no such format.
    """
    return load(path, format=format, limit=limit, compat=compat, image_folder=image_folder).conversations


def recognise(path: str | Path) -> str:
    """Return the name of the format of ``path``; raises as :func:`read` does, since a file that cannot be read has
    none."""
    return load(path).format


def load(
    path: str | Path,
    *,
    format: str | None = None,
    limit: int | None = None,
    compat: str | None = None,
    image_folder: str | Path | None = None,
) -> Reading:
    """Read as :func:`read` does, with the format that was recognised."""
    known_format(format)
    _check_image_folder(image_folder)
    conversations: list[Conversation] = []
    formats: list[str] = []
    for source in _sources(path):
        remaining = None if limit is None else limit - len(conversations)
        if remaining is not None and remaining <= 0:
            break
        rows = list(_rows(source, remaining))
        if not rows:
            continue
        form = format or settle(rows)
        formats += [form] if form not in formats else []
        if remaining is not None and FORMATS[form].gather:
            rows = list(_rows(source, None))  # a conversation may have rows anywhere in the file
        rows = gathered(rows, form)[:remaining]
        pictures = str(image_folder or _home(source))
        conversations += [anchored(parse(row, form, xtuner=compat == "xtuner"), pictures) for row in rows]
        if compat == "xtuner" and form == "alpaca":
            conversations = [c for c in conversations if c.answer != "<nooutput>"]
    if not conversations and limit != 0:
        raise BadData("data.no_rows", file=printable(str(path)))
    return Reading(conversations, ", ".join(formats))


def _home(source: Path | str) -> Path | str:
    """The folder of the data, in which its pictures lie; of a dataset on the hub none."""
    if isinstance(source, str):
        return ""
    return (source if source.is_dir() else source.parent).absolute()


def _check_image_folder(folder: str | Path | None) -> None:
    """
    Raises:
        BadData: there is no such folder or archive.
    """
    if folder is not None and not (Path(folder).is_dir() or Path(folder).suffix.lower() == ".zip"):
        near = _neighbours(Path(folder))
        raise BadData("data.no_such_path", file=printable(str(folder)), nearest=near)


def _sources(path: str | Path) -> list[Path | str]:
    """The files of ``path`` in order; a dataset's folder as itself; a hub id as text."""
    name = str(path)
    origin = Path(path)
    try:
        if "\0" in name:
            raise BadData("data.no_such_path", file=printable(name), nearest="–")
        if origin.is_dir():
            return [origin] if _is_saved_dataset(origin) else _files(origin)
        if origin.exists():
            return [origin]
    except OSError as error:
        raise BadData("data.unreadable", file=printable(name), reason=error.strerror or str(error)) from None
    # owner/name is the hub's only where it cannot be a misspelt file of a folder that is here
    if _HUB_ID.fullmatch(name) and origin.suffix.lower() not in SUFFIXES and not origin.parent.is_dir():
        return [name]
    raise BadData("data.no_such_path", file=printable(name), nearest=_neighbours(origin))


def _is_saved_dataset(folder: Path) -> bool:
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def _files(folder: Path) -> list[Path | str]:
    candidates = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and not (file.name in _SIDE_FILES or _ABOUT.fullmatch(file.name))
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and not file.is_dir()
    )
    if not candidates:
        raise BadData("data.no_files", file=printable(str(folder)), suffixes=tuple(SUFFIXES))
    check_folder(folder, candidates, str(folder))
    return list(candidates)


def _neighbours(missing: Path) -> tuple[str, ...]:
    try:
        names = [file.name for file in missing.parent.iterdir() if not file.name.startswith(".")]
    except OSError:
        names = []
    return tuple(map(printable, nearest(missing.name, names))) or ("–",)


def _rows(source: Path | str, limit: int | None) -> Iterator[Row]:
    """The rows of a file, a dataset's folder or a hub id, within the limits of :mod:`workbench.data.limits`."""
    return within(_raw_rows(source, limit), str(source))


def _raw_rows(source: Path | str, limit: int | None) -> Iterator[Row]:
    name = str(source)
    if isinstance(source, str):
        return tables.hub_rows(source, limit=limit)
    if source.is_dir():
        check_folder(source, (file for file in source.rglob("*") if not file.is_dir()), name)
        return _apart("dataset", source, limit)
    suffix = source.suffix.lower()
    if suffix and suffix not in SUFFIXES:
        raise BadData("data.suffix", file=printable(name), given=suffix, suffixes=tuple(SUFFIXES))
    if suffix == ".parquet":
        check_file(source, name)
        return _apart("parquet", source, limit)
    text = check_text(read_text(source, name), name, table=suffix in (".csv", ".tsv", ".txt"))
    if suffix in (".csv", ".tsv"):
        return tables.csv_rows(text, name, delimiter="\t" if suffix == ".tsv" else ",", limit=limit)
    if suffix == ".txt":
        return _paragraphs(text, name, limit)
    return jsonfile.rows(text, name, lines=suffix in (".jsonl", ".ndjson"), limit=limit)


def _apart(kind: str, source: Path, limit: int | None) -> Iterator[Row]:
    from workbench.data import apart

    return apart.rows(kind, source, str(source), limit)


def _paragraphs(text: str, name: str, limit: int | None) -> Iterator[Row]:
    """A document for each run of lines between empty ones."""
    row, begins, lines = 0, 1, list[str]()
    for number, line in enumerate([*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""], 1):
        if line.strip():
            begins = begins if lines else number
            lines.append(line)
        elif lines:
            row += 1
            if limit is not None and row > limit:
                return
            yield Row({"text": "\n".join(lines)}, Location(name, row, begins))
            lines = []
