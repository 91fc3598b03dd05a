"""Documents to sections: a page of a PDF, what stands under a heading elsewhere. Knows which kinds there are and the
process that opens them; nothing of their formats.

Documents unpack when they are read, and their libraries have had faults: so a process of its own reads them, that may
take so much memory and time (:mod:`workbench.data.apart`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.data.fields import printable
from workbench.data.limits import check_file
from workbench.errors import BadData, nearest

SUFFIXES = (".pdf", ".docx", ".md", ".markdown", ".html", ".htm", ".txt")
# what people have lying beside those, and how they get from it to one of them
_SAVE_AS = (".doc", ".odt", ".rtf", ".wps", ".pptx", ".ppt", ".xlsx", ".xls", ".epub", ".pages", ".mht",
            ".mhtml")  # fmt: skip
_ROWS = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".arrow")


@dataclass(frozen=True, slots=True)
class Section:
    """Hold what belongs together in a document, and is never parted between training and held-out.

    Args:
        file: the document, as it was named.
        number: counted from 1, in the document's order.
        paragraphs: its texts.
        page: of a PDF, counted from 1; 0 elsewhere.
        heading: under which it stands; empty where there is none.
    """

    file: str
    number: int
    paragraphs: tuple[str, ...]
    page: int = 0
    heading: str = ""


def sections(file: str | Path) -> Iterator[Section]:
    """Yield the sections of a document, also the empty ones of a PDF.

    Raises:
        BadData: there is no such file, it is of another kind, damaged, locked, or takes more than it may.
        Failed: the library that reads its kind is not installed.
    """
    place = Path(file).expanduser()
    kind = kind_of(place)
    check_file(place, str(file))
    from workbench.data import apart

    for row in apart.rows(f"document{kind}", place, str(file), None):
        value = row.value
        yield Section(str(file), row.location.row, tuple(value["paragraphs"]), value["page"], value["heading"])


def kind_of(place: Path) -> str:
    """Return the suffix of a document that is there, lower case.

    Raises:
        BadData: it is not there, or of a kind that is not read.
    """
    name, kind = printable(str(place)), place.suffix.lower()
    if place.is_dir():
        raise BadData("data.documents.folder", file=name)
    if not place.exists():
        close = nearest(place.name, [one.name for one in place.parent.iterdir()]) if place.parent.is_dir() else ("–",)
        raise BadData("data.no_such_path", file=name, nearest=tuple(map(printable, close)))
    if kind in _SAVE_AS:
        raise BadData("data.documents.save_as", file=name, given=kind)
    if kind in _ROWS:
        raise BadData("data.documents.rows", file=name)
    if kind not in SUFFIXES:
        raise BadData("data.documents.kind", file=name, given=kind or "–", suffixes=tuple(SUFFIXES))
    return kind
