"""Bytes of a file to text. Knows encodings and what is no text at all; nothing of JSON or tables."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

from workbench.data.fields import printable
from workbench.errors import BadData

# UTF-32 first: its little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAGIC = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"PK\x03\x04": "ZIP / XLSX",
    b"\x1f\x8b": "GZIP",
    b"%PDF": "PDF",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"SQLite": "SQLite",
    b"\x7fELF": "ELF",
    b"\x80\x04": "pickle",
}


def read_text(file: Path, name: str) -> str:
    """The text of ``file``: UTF-8, or UTF-16 and UTF-32 where a byte order mark or the zero bytes say so.

    Raises:
        BadData: unreadable, empty, binary, or in another encoding; ``name`` is how the error calls the file.
    """
    data = read_bytes(file, name)
    for magic, what in _MAGIC.items():
        if data.startswith(magic):
            raise BadData("data.binary", file=printable(name), what=what)
    text = _decode(data, name)
    if not text.strip():
        raise BadData("data.empty_file", file=printable(name))
    at = text.find("\0")
    if at >= 0:
        raise BadData("data.nul_byte", file=printable(name), line=text.count("\n", 0, at) + 1)
    return text


def read_bytes(file: Path, name: str) -> bytes:
    """All bytes of ``file``."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadData("data.unreadable", file=printable(name), reason=error.strerror or str(error)) from None


def _decode(data: bytes, name: str) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strictly(data[len(mark) :], encoding, name)
    if b"\0" in data[:4]:
        # The pattern of zero bytes tells UTF-16 and UTF-32 without a mark (RFC 4627, section 3).
        encoding = json.detect_encoding(data)
        if encoding != "utf-8":
            return _strictly(data, encoding, name)
    return _strictly(data, "utf-8", name)


def _strictly(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        key = "data.not_encoded" if encoding == "utf-8" else "data.not_wide"
        values = {"file": printable(name), "line": line, "encoding": encoding.upper(), "hint": _likely(data)}
        raise BadData(key, given=data[error.start : error.start + 4].hex(" "), **values) from None


def _likely(data: bytes) -> str:
    """The encoding that the bytes may be in."""
    if b"\0" in data:
        return "binary?"
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return "latin-1?"
    return "GB18030?"
