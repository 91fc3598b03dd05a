"""A web page to its headings and paragraphs. Knows HTML and how it names its encoding; nothing of passages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from workbench.data.decoding import read_bytes, read_text
from workbench.data.documents.code import Code
from workbench.data.limits import check_text

# of a web page what is not its text
_NO_TEXT = frozenset({"script", "style", "template", "noscript", "head", "nav", "footer", "aside", "form", "svg",
                      "iframe", "object", "button", "select", "textarea", "canvas", "audio", "video",
                      "datalist"})  # fmt: skip
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS = _HEADINGS | {"p", "li", "dt", "dd", "pre", "blockquote", "figcaption", "caption", "div", "section", "article",
                       "main", "body", "tr", "table", "ul", "ol", "br", "hr"}  # fmt: skip
_CELLS = ("td", "th")
_SPACES = re.compile(r"\s+")
_UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
# what a page calls its encoding -> what it is read as, as browsers do it (WHATWG Encoding Standard, section 4.2)
_ENCODINGS = {
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "x-gbk", "gb_2312-80", "chinese"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs", "x-x-big5"), "big5hkscs"),
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii", "windows-1252", "cp1252"), "cp1252"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "windows-949"), "cp949"),
    **dict.fromkeys(("iso-8859-9", "latin5", "windows-1254"), "cp1254"),
    **{f"iso-8859-{n}": f"iso-8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **{f"windows-{n}": f"cp{n}" for n in (1250, 1251, 1253, 1255, 1256, 1257, 1258)},
    **dict.fromkeys(("euc-jp", "x-euc-jp"), "euc-jp"), "koi8-r": "koi8-r", "koi8-u": "koi8-u",
    "iso-2022-jp": "iso2022-jp",
}  # fmt: skip


def sections(file: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the headings of a page, each with the paragraphs under it; what is no text of the page is left out.

    Goes through the page once: to change it on the way takes a time that grows with the square of its length.

    Raises:
        BadData: it is no text, empty, or in an encoding that it does not name.
    """
    from bs4 import BeautifulSoup, NavigableString, Tag
    from bs4.element import PreformattedString

    soup = BeautifulSoup(check_text(_text(file, name), name, table=True), "html.parser")
    title, lines, heading, home = "", _Lines(), None, None
    for node in soup.descendants:
        if isinstance(node, Tag):
            if node.name in _BLOCKS:
                lines.end()
            elif node.name in _CELLS and lines.line:
                lines.line += " | "
        elif isinstance(node, NavigableString) and not isinstance(node, PreformattedString):
            block, is_code = _home(node)
            if block is None:
                continue
            if block.name in _HEADINGS:
                if block is not heading:
                    if texts := lines.taken():
                        yield title, texts
                    title, heading = "", block
                title += _SPACES.sub(" ", node)
                continue
            if block is not home:
                lines.end()
            home = block
            lines.add(str(node), is_code=is_code)
    if (texts := lines.taken()) or title:
        yield title, texts


class _Lines:
    """Gathers what stands under a heading; what is code keeps its lines."""

    def __init__(self) -> None:
        self.line = ""
        self._is_code = False
        self._texts = list[str]()

    def add(self, text: str, *, is_code: bool) -> None:
        """Put ``text`` to the line."""
        self._is_code = is_code
        self.line += text if is_code else _SPACES.sub(" ", text)

    def end(self) -> None:
        """Begin another line."""
        if self.line.strip():
            self._texts.append(Code(self.line) if self._is_code else self.line)
        self.line = ""

    def taken(self) -> list[str]:
        """Return what was gathered, and begin anew."""
        self.end()
        texts, self._texts = self._texts, []
        return texts


def _home(text: Any) -> tuple[Any, bool]:
    """The heading or block that a text of a web page stands in, None where it is none of the page's words; and whether
    it is code."""
    found, is_code = None, False
    for parent in text.parents:
        if parent.name in _NO_TEXT or parent.get("hidden") is not None or _UNSEEN.search(str(parent.get("style", ""))):
            return None, False
        is_code = is_code or parent.name == "pre"
        if found is None and (parent.name in _BLOCKS or parent.parent is None):
            found = parent
    return found, is_code


def _text(file: Path, name: str) -> str:
    """The text of a page: UTF-8 or UTF-16 where it is that, else as its own head says.

    Raises:
        BadData: as for any text.
    """
    from bs4.dammit import EncodingDetector

    data = read_bytes(file, name)
    declared = str(EncodingDetector.find_declared_encoding(data, is_html=True) or "").lower()
    codec = _ENCODINGS.get(declared)
    if codec and b"\0" not in data[:1024] and not _is_utf8(data):
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            pass  # it is not what it says of itself: the sentence for any text tells more
    return read_text(file, name)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def bare(fragment: str) -> str:
    """Return the text of a fragment of HTML that stands in a document of another kind, a block or a row a line."""
    reader = _Bare()
    reader.feed(fragment)
    reader.close()
    return "\n".join(line for part in reader.text.split("\n") if (line := part.strip(" |")))


class _Bare(HTMLParser):
    """Keeps the words of a fragment."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self._within = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  the library's
        """Begin a line at a block, and count what is no text."""
        self._within += tag in _NO_TEXT
        self.text += "\n" if tag in _BLOCKS else " | " if tag in _CELLS else ""

    def handle_endtag(self, tag: str) -> None:
        """End what :meth:`handle_starttag` began."""
        self._within = max(0, self._within - (tag in _NO_TEXT))
        self.text += "\n" if tag in _BLOCKS else ""

    def handle_data(self, data: str) -> None:
        """Keep words."""
        if not self._within:
            self.text += _SPACES.sub(" ", data)
