"""What a document really is, told from its first bytes. Knows signatures; opens nothing but a zip's list of names."""

from __future__ import annotations

import re
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from workbench.data.fields import printable
from workbench.errors import BadData

_HEAD = 4096
# the first bytes -> what it is, and the ending that it ought to have where it is read here
_SIGNS = (
    (b"%PDF", "PDF", ".pdf"),
    (b"{\\rtf", "RTF", ""),
    (b"\x89PNG", "PNG", ""),
    (b"\xff\xd8\xff", "JPEG", ""),
    (b"GIF8", "GIF", ""),
    (b"II*\0", "TIFF", ""),
    (b"MM\0*", "TIFF", ""),
    (b"\x1f\x8b", "GZIP", ""),
    (b"Rar!", "RAR", ""),
    (b"7z\xbc\xaf", "7-Zip", ""),
    (b"PAR1", "Parquet", ""),
)
_OLE, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"
# a part that only such a zip has -> what it is
_PARTS = {"word/document.xml": ("DOCX", ".docx"), "xl/workbook.xml": ("XLSX", ""), "ppt/presentation.xml": ("PPTX", ""),
          "META-INF/container.xml": ("EPUB", ""), "content.xml": ("ODT", "")}  # fmt: skip
_LOCKED = "EncryptedPackage".encode("utf-16-le")
_PICTURES = frozenset({"PNG", "JPEG", "GIF", "TIFF"})
_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html[\s>])", re.IGNORECASE | re.DOTALL)
_ARCHIVED = re.compile(rb"(?:\A|\n)(?:MIME-Version: |Content-Type: multipart/related)", re.IGNORECASE)


def check(kind: str, file: Path, name: str) -> None:
    """See that ``file`` may be what its ending says.

    Args:
        kind: its ending, lower case.

    Raises:
        BadData: it is empty, locked, or a document of another kind.
    """
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    if not head.strip():
        if not head or file.stat().st_size <= _HEAD:
            raise BadData("data.documents.empty", file=printable(name))
        return
    what, ending = _kind(head, file)
    same = {".htm": ".html", ".markdown": ".md"}.get(kind, kind)
    if not what or ending == same:
        return
    if what == "locked":
        raise BadData("data.documents.locked", file=printable(name))
    if ending:
        raise BadData("data.documents.renamed", file=printable(name), kind=what, ending=ending)
    key = "picture" if what in _PICTURES else "another"
    raise BadData(f"data.documents.{key}", file=printable(name), kind=what)


def _kind(head: bytes, file: Path) -> tuple[str, str]:
    """What it is, and the ending that it ought to have; empty where the bytes say nothing."""
    for sign, what, ending in _SIGNS:
        if head.startswith(sign):
            return what, ending
    if head.startswith(_OLE):
        return ("locked", "") if _LOCKED in file.read_bytes() else ("DOC", "")
    if head.startswith(_ZIP):
        return _of_zip(file)
    plain = head.removeprefix(b"\xef\xbb\xbf")
    if _ARCHIVED.search(plain[:1024]) and b"multipart/related" in plain.lower():
        return "MHTML", ""
    return ("HTML", ".html") if _HTML.match(plain) else ("", "")


def _of_zip(file: Path) -> tuple[str, str]:
    try:
        with ZipFile(file) as archive:
            names = set(archive.namelist())
    except (BadZipFile, NotImplementedError, ValueError, OSError):
        return "", ""
    return next((kind for part, kind in _PARTS.items() if part in names), ("ZIP", ""))
