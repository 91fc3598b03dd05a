"""Opens one document in the process that was made for it. Knows the libraries and their formats; nothing of passages.

Imported there alone: what it reads may be anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from workbench.data.decoding import read_text
from workbench.data.fields import Location, Row, printable
from workbench.data.limits import check_text
from workbench.errors import BadData, Failed, WorkbenchError

# More of each no document has: pages, parts of a DOCX, bytes of a part, and by how much one may shrink in the zip.
PAGES, PARTS, PART, SHRUNK = 20_000, 5_000, 200_000_000, 400
_NEEDS = {".pdf": ("pypdf", "pypdf"), ".docx": ("docx", "python-docx"), ".html": ("bs4", "beautifulsoup4"),
          ".htm": ("bs4", "beautifulsoup4")}  # fmt: skip
# of a web page what is not its text
_NO_TEXT = frozenset({"script", "style", "template", "noscript", "head", "nav", "footer", "aside", "form", "svg",
                      "iframe", "object", "button", "select"})  # fmt: skip
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS = _HEADINGS | {"p", "li", "dt", "dd", "pre", "blockquote", "figcaption", "caption", "div", "section", "article",
                       "main", "body", "tr", "table", "ul", "ol", "br", "hr"}  # fmt: skip
_CELLS = ("td", "th")
_SPACES = re.compile(r"\s+")
_HEADING_STYLE = re.compile(r"(?:heading|title|标题)\s*\d*$", re.IGNORECASE)
_ENTITIES = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")

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
    try:
        for count, (page, heading, paragraphs) in enumerate(readers[kind](file, name), 1):
            texts = [plain for text in paragraphs if (plain := _clean(text))]
            yield Row({"page": page, "heading": _clean(heading)[:200], "paragraphs": texts}, Location(name, count))
    except (WorkbenchError, MemoryError):
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


def _clean(text: str) -> str:
    """Without what no text has: control characters, halves of characters; spaces as one."""
    text = text.encode("utf-8", "ignore").decode("utf-8")
    kept = "".join(c if c >= " " or c in "\n\t" else " " for c in text if c not in "\u00ad\ufeff\u200b\x7f")
    return "\n".join(" ".join(line.split()) for line in kept.split("\n") if line.strip())


def _pdf(file: Path, name: str) -> Iterator[Found]:
    """A section a page."""
    from pypdf import PdfReader
    from pypdf.errors import PdfReadError

    with file.open("rb") as opened:
        if b"%PDF" not in opened.read(1024):
            raise BadData("data.documents.not_it", file=printable(name), kind="PDF")
    try:
        reader: Any = PdfReader(file, strict=False)
    except PdfReadError as error:
        raise BadData("data.documents.damaged", file=printable(name), reason=printable(str(error)[:200])) from error
    if reader.is_encrypted and not reader.decrypt(""):
        raise BadData("data.documents.locked", file=printable(name))
    count = len(reader.pages)
    if count > PAGES:
        raise BadData("data.documents.too_many_pages", file=printable(name), found=count, most=PAGES)
    for number in range(count):
        yield number + 1, "", _joined((reader.pages[number].extract_text() or "").split("\n"))


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


def _docx(file: Path, name: str) -> Iterator[Found]:
    """A section a heading; tables row by row."""
    _check_zip(file, name)
    import docx
    from docx.table import Table

    document = docx.Document(str(file))
    heading, texts = "", list[str]()
    for part in document.iter_inner_content():
        if isinstance(part, Table):
            for row in part.rows:
                cells = list(dict.fromkeys(" ".join(cell.text.split()) for cell in row.cells))
                texts.append(" | ".join(cell for cell in cells if cell))
            continue
        style = part.style.name if part.style is not None else ""
        if _HEADING_STYLE.match(str(style or "")) and part.text.strip():
            if texts:
                yield 0, heading, texts
            heading, texts = part.text, []
        else:
            texts.append(part.text)
    if texts or heading:
        yield 0, heading, texts


def _check_zip(file: Path, name: str) -> None:
    """
    Raises:
        BadData: a zip that unpacks to far more than its size, or XML that defines entities; neither does Word write.
    """
    try:
        with ZipFile(file) as archive:
            parts = archive.infolist()
            if "word/document.xml" not in {part.filename for part in parts}:
                raise BadData("data.documents.not_it", file=printable(name), kind="DOCX")
            whole = sum(part.file_size for part in parts)
            shrunk = any(p.file_size > 1_000_000 and p.file_size > SHRUNK * max(1, p.compress_size) for p in parts)
            if len(parts) > PARTS or whole > 2 * PART or shrunk or max(p.file_size for p in parts) > PART:
                raise BadData("data.documents.bomb", file=printable(name), size=whole / 1e6)
            for part in parts:
                if part.filename.lower().endswith((".xml", ".rels")):
                    _check_xml(archive.read(part), name, part.filename)
    except (BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise BadData("data.documents.not_it", file=printable(name), kind="DOCX") from error


def _check_xml(content: bytes, name: str, part: str) -> None:
    if content.startswith(_UTF16):
        content = content.replace(b"\0", b"")
    if _ENTITIES.search(content):
        raise BadData("data.documents.entities", file=printable(name), part=printable(part[:80]))


def _html(file: Path, name: str) -> Iterator[Found]:
    """A section a heading; what is no text of the page is left out.

    Goes through the page once: to change it on the way takes a time that grows with the square of its length.
    """
    from bs4 import BeautifulSoup, NavigableString, Tag
    from bs4.element import PreformattedString

    soup = BeautifulSoup(check_text(read_text(file, name), name, table=True), "html.parser")
    title, texts, line, heading, home = "", list[str](), "", None, None
    for node in soup.descendants:
        if isinstance(node, Tag):
            if node.name in _BLOCKS:
                texts.append(line)
                line = ""
            elif node.name in _CELLS and line:
                line += " | "
        elif isinstance(node, NavigableString) and not isinstance(node, PreformattedString):
            block = _home(node)
            if block is None:
                continue
            if block.name in _HEADINGS:
                if block is not heading:
                    texts.append(line)
                    line = ""
                    if any(text.strip() for text in texts):
                        yield 0, title, texts
                    title, texts, heading = "", [], block
                title += _SPACES.sub(" ", node)
                continue
            if block is not home and line:
                texts.append(line)
                line = ""
            home, line = block, line + _SPACES.sub(" ", node)
    if title or line.strip() or any(text.strip() for text in texts):
        yield 0, title, [*texts, line]


def _home(text: Any) -> Any:
    """The heading or block that a text of a web page stands in; None where it is none of the page's words."""
    found = None
    for parent in text.parents:
        if parent.name in _NO_TEXT:
            return None
        if found is None and (parent.name in _BLOCKS or parent.parent is None):
            found = parent
    return found


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
            texts.append(token.content)
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
