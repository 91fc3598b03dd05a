"""Bytes of a file to text. Knows encodings and what is no text at all; nothing of JSON or tables."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import IO

from workbench.data.fields import printable
from workbench.data.limits import check_bytes, check_file, limits
from workbench.errors import BadData

# bytes read at a time
_PIECE = 1 << 24

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
    """Return the text of ``file``: UTF-8, or UTF-16 and UTF-32 where a byte order mark or the zero bytes say so.

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
    index = text.find("\0")
    if index >= 0:
        raise BadData("data.nul_byte", file=printable(name), line=text.count("\n", 0, index) + 1)
    return text


def read_bytes(file: Path, name: str) -> bytes:
    """Return all bytes of ``file``, which is an ordinary one and not too large."""
    try:
        check_file(file, name)
        with file.open("rb") as opened:
            data = _up_to(opened, limits().decoded + 1)
        check_bytes(len(data), name)  # some files of a system have no size
        return data
    except OSError as error:
        raise BadData("data.unreadable", file=printable(name), reason=error.strerror or str(error)) from None


def _up_to(opened: IO[bytes], most: int) -> bytes:
    """At most ``most`` bytes; asked for at once, so many would be reserved beforehand."""
    pieces = list[bytes]()
    while most > 0 and (piece := opened.read(min(most, _PIECE))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


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
        values: dict[str, object] = {
            "file": printable(name),
            "line": data.count(b"\n", 0, error.start) + 1,
            "given": data[error.start : error.start + 4].hex(" "),
        }
        if encoding != "utf-8":
            raise BadData("data.not_wide", encoding=encoding.upper(), **values) from None
        count = _broken(data)
        if count:
            values["given"] = data[error.start : max(error.end, error.start + 1)].hex(" ")
            raise BadData("data.broken_bytes", count=count, at=error.start + 1, **values) from None
        likely = _likely(data)
        if not likely:
            raise BadData("data.not_encoded_unclear", **values) from None
        raise BadData("data.not_encoded", hint=likely, **values) from None


def _broken(data: bytes) -> int:
    """How many places are damaged in a file that is UTF-8 all the same; 0 where it is in another encoding.

    In another encoding hardly any letter beyond ASCII would happen to be whole UTF-8.
    """
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd") - data.count("\ufffd".encode())
    sound = sum(character > "\x7f" for character in text) - broken
    return broken if sound >= broken else 0


# What most letters of a text are in an encoding that it is really in; a wrong one gives rare letters.
_MARKS_OF_SENTENCES = re.compile(r"[\u2014-\u2026\u3000-\u303f\uff01-\uff5e]")
_HOME = {
    "GB18030": ("gb2312", re.compile(rb"[\xb0-\xd7].")),  # the 3,755 hanzi of level 1
    "BIG5": ("big5", re.compile(rb"[\xa4-\xc6].", re.DOTALL)),  # the 5,401 of level 1
    "SHIFT_JIS": ("cp932", re.compile(rb"[\x82\x83\x88-\x97].", re.DOTALL)),  # kana, kanji of level 1
    "EUC-KR": ("euc_kr", re.compile(rb"[\xb0-\xc8].")),  # hangul
}
_CYRILLIC = re.compile(rb"[\xc0-\xff\xa8\xb8]")
_WESTERN = re.compile(r"[^\W\d_a-zA-Z]|[‘’“”–—…€°«»¿¡£§©®]")
_COMMON_HANZI = re.compile(
    "[的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可好谁能]"
)


def _likely(data: bytes) -> str:
    """The encoding that the bytes are in, as iconv calls it; ``''`` where none fits."""
    if b"\0" in data:
        return ""
    runs = re.findall(rb"[\x80-\xff]+", data)
    fitting = [name for name, (codec, home) in _HOME.items() if _at_home(data, codec, home) >= 0.8]
    if "EUC-KR" in fitting and not _COMMON_HANZI.search(data.decode("gb18030", "replace")):
        return "EUC-KR"  # the bytes of hangul are those of hanzi too
    if fitting:
        return fitting[0]
    text = data.decode("cp1252", "replace")
    western = len(_WESTERN.findall(text)) >= sum(character > "\x7f" for character in text)
    if western and sum(map(len, runs)) <= 1.5 * len(runs):
        return "WINDOWS-1252"
    return "WINDOWS-1251" if _at_home(data, "cp1251", _CYRILLIC) >= 0.8 else ""


def _at_home(data: bytes, codec: str, home: re.Pattern[bytes]) -> float:
    """The share of letters beyond ASCII that are common ones in an encoding, from 0 to 1."""
    letters = [c for c in data.decode(codec, "replace") if c > "\x7f" and not _MARKS_OF_SENTENCES.match(c)]
    common = sum(bool(c != "\ufffd" and home.fullmatch(c.encode(codec, "replace"))) for c in letters)
    return common / len(letters) if letters else 0.0
