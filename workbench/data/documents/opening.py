"""Opens one document in the process that was made for it. Knows which room reads which kind, and plain text; nothing
of passages.

Imported there alone: what it reads may be anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workbench.data.decoding import read_text
from workbench.data.documents import pages, really, web, word
from workbench.data.documents.code import Code, clean
from workbench.data.fields import Location, Row, printable
from workbench.data.limits import check_text
from workbench.errors import BadData, Failed, WorkbenchError

_NEEDS = {".pdf": ("pypdf", "pypdf"), ".docx": ("docx", "python-docx"), ".html": ("bs4", "beautifulsoup4"),
          ".htm": ("bs4", "beautifulsoup4")}  # fmt: skip

Found = tuple[int, str, list[str]]


def load(kind: str, name: str) -> None:
    """Load what reads ``kind``, before memory is bounded.

    Raises:
        Failed: it is not installed.
    """
    needed = _NEEDS.get(kind)
    if needed and find_spec(needed[0]) is None:
        raise Failed("data.documents.no_library", file=printable(name), package=needed[1])
    if kind == ".pdf":
        import pypdf  # noqa: F401
    elif kind == ".docx":
        import docx  # noqa: F401
    elif kind in (".html", ".htm"):
        import bs4  # noqa: F401
    elif kind in (".md", ".markdown"):
        import markdown_it  # noqa: F401


def rows(kind: str, file: Path, name: str) -> Iterator[Row]:
    """Yield the sections of ``file``, a row each: ``page``, ``heading``, ``paragraphs``.

    Raises:
        BadData: it is damaged, locked, or not what its name says.
    """
    readers = {".pdf": _pdf, ".docx": _docx, ".html": _html, ".htm": _html, ".md": _markdown,
               ".markdown": _markdown, ".txt": _plain}  # fmt: skip
    count = 0
    really.check(kind, file, name)
    try:
        for count, (page, heading, paragraphs) in enumerate(readers[kind](file, name), 1):
            texts = [plain for text in paragraphs if (plain := clean(text))]
            yield Row({"page": page, "heading": clean(heading)[:200], "paragraphs": texts}, Location(name, count))
    except WorkbenchError as error:
        if error.key == "data.empty_file":  # its remedy speaks of conversations
            raise BadData("data.documents.empty", file=printable(name)) from error
        raise
    except MemoryError:
        raise
    except RecursionError as error:
        raise BadData("data.documents.too_deep", file=printable(name)) from error
    except Exception as error:  # the libraries raise what they like
        if "MemoryError" in str(error):
            raise MemoryError from error
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        where = count + 1 if kind == ".pdf" else 0
        key = "data.documents.damaged_page" if where else "data.documents.damaged"
        raise BadData(key, file=printable(name), reason=printable(reason), page=where) from error


def _pdf(file: Path, name: str) -> Iterator[Found]:
    """A section a page."""
    for number, lines in pages.pages(file, name):
        yield number, "", _joined(lines)


def _docx(file: Path, name: str) -> Iterator[Found]:
    """A section a heading."""
    for heading, texts in word.sections(file, name):
        yield 0, heading, texts


def _html(file: Path, name: str) -> Iterator[Found]:
    """A section a heading."""
    for heading, texts in web.sections(file, name):
        yield 0, heading, texts


def _joined(lines: list[str]) -> list[str]:
    """Lines of a page as paragraphs: a new one after an empty line, and after a short line that ends a sentence."""
    widest = max((len(line.strip()) for line in lines), default=0)
    found: list[str] = [""]
    for line in (raw.strip() for raw in lines):
        if not line:
            found.append("")
            continue
        found[-1] = _after(found[-1], line)
        if len(line) < 0.7 * widest and line[-1] in "。！？.!?:：":
            found.append("")
    return [text for text in found if text]


def _after(text: str, line: str) -> str:
    """``line`` put to ``text``: a word parted at the line's end is one again, and Chinese has no space between."""
    if not text:
        return line
    if text[-1] == "-" and text[-2:-1].isalpha() and line[0].islower():
        return text[:-1] + line
    wide = "\u2e80" <= text[-1] <= "\uffef" or "\u2e80" <= line[0] <= "\uffef"
    return text + ("" if wide else " ") + line


def _markdown(file: Path, name: str) -> Iterator[Found]:
    """A section a heading; marks are taken off, code and tables stay as text."""
    from markdown_it import MarkdownIt

    text = check_text(read_text(file, name), name, table=True)
    text = re.sub(r"\A---\n.*?\n---\n", "", text, count=1, flags=re.DOTALL)
    heading, texts, cells, within = "", list[str](), list[str](), ""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "heading_open":
            if texts:
                yield 0, heading, texts
            heading, texts, within = "", [], "heading"
        elif token.type == "tr_open":
            within, cells = "row", []
        elif token.type == "tr_close":
            texts.append(" | ".join(cells))
            within = ""
        elif token.type == "heading_close":
            within = ""
        elif token.type == "inline" and within == "heading":
            heading = _words(token)
        elif token.type == "inline":
            (cells if within == "row" else texts).append(_words(token))
        elif token.type in ("fence", "code_block"):
            texts.append(Code(token.content))
        elif token.type == "html_block":
            texts += web.bare(token.content).split("\n")
    if texts or heading:
        yield 0, heading, texts


def _words(token: Any) -> str:
    """The text of an inline token, without its marks."""
    kinds = {"text", "code_inline", "softbreak", "hardbreak"}
    parts = [" " if child.type.endswith("break") else child.content for child in token.children or ()
             if child.type in kinds]  # fmt: skip
    return "".join(parts)


def _plain(file: Path, name: str) -> Iterator[Found]:
    """One section; a paragraph ends at an empty line."""
    text = check_text(read_text(file, name), name, table=True).replace("\r\n", "\n").replace("\r", "\n")
    yield 0, "", [_of_lines(part.split("\n")) for part in re.split(r"\n[ \t]*\n", text)]


def _of_lines(lines: list[str]) -> str:
    """Lines as one paragraph."""
    text = ""
    for line in lines:
        text = _after(text, line.strip()) if line.strip() else text
    return text
