"""A DOCX to its headings and paragraphs. Knows Word's XML; nothing of passages.

All that a reader of the document sees is read, also what stands in content controls, text boxes, tables within tables
and inserted changes; what was deleted or hidden is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from workbench.data.fields import printable
from workbench.errors import BadData

# More of each no document has: parts, bytes of a part, and by how much one may shrink in the zip.
PARTS, PART, SHRUNK = 5_000, 200_000_000, 400
_HEADING_STYLE = re.compile(r"(?:heading|title|标题)\s*\d*$", re.IGNORECASE)
_ENTITIES = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
# what is not seen: deleted or moved away, what older programs take in place of a text box, how a letter looks
_UNSEEN = frozenset({"del", "moveFrom", "Fallback", "pPr", "txbxContent"})
# what holds blocks, rows or cells and is none itself
_WRAPS = frozenset({"sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag"})
_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_OFF = frozenset({"0", "false", "off"})


def sections(file: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the headings of a document, each with the paragraphs and the rows of tables that stand under it.

    Raises:
        BadData: it is no DOCX, or made to take all memory.
    """
    _check_zip(file, name)
    import docx

    document = docx.Document(str(file))
    heading, texts = "", list[str]()
    for block in _blocks(document.element.body):
        if _local(block) == "tbl":
            texts += _rows(block)
            continue
        words = "".join(_words(block))
        if words.strip() and _is_heading(block, document):
            if any(text.strip() for text in texts):
                yield heading, texts
            heading, texts = words, []
        else:
            texts.append(words)
        for box in _boxes(block):
            texts.append(_of_blocks(box, "\n"))
    if heading or any(text.strip() for text in texts):
        yield heading, texts


def _local(node: Any) -> str:
    """The name of a node without its namespace; empty for a comment."""
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def _blocks(node: Any) -> Iterator[Any]:
    """The paragraphs and tables of a body or a cell, whatever they are wrapped in."""
    for child in node:
        kind = _local(child)
        if kind in ("p", "tbl"):
            yield child
        elif kind in _WRAPS:
            yield from _blocks(child)


def _words(node: Any) -> Iterator[str]:
    """The text of a paragraph as a reader sees it."""
    for child in node:
        kind = _local(child)
        if kind == "t":
            yield child.text or ""
        elif kind in _SIGNS:
            yield _SIGNS[kind]
        elif kind not in _UNSEEN and not (kind == "r" and _is_hidden(child)):
            yield from _words(child)


def _is_hidden(run: Any) -> bool:
    marks = [mark for part in run if _local(part) == "rPr" for mark in part if _local(mark) == "vanish"]
    return any(str(value) not in _OFF for mark in marks for value in (mark.attrib.values() or ["1"]))


def _is_heading(paragraph: Any, document: Any) -> bool:
    from docx.text.paragraph import Paragraph

    style = Paragraph(paragraph, document._body).style
    return bool(_HEADING_STYLE.match(str(style.name or ""))) if style is not None else False


def _boxes(node: Any) -> Iterator[Any]:
    """The text boxes of a paragraph, each once."""
    for child in node:
        if _local(child) == "txbxContent":
            yield child
        elif _local(child) not in ("Fallback", "del", "moveFrom"):
            yield from _boxes(child)


def _rows(table: Any) -> Iterator[str]:
    """A table row by row, cells parted by ``|``; one over several rows stands in each of them."""
    above: dict[int, str] = {}
    for row in _inner(table, "tr"):
        if _property(row, "del") is not None:
            continue
        column, cells = int(_property(row, "gridBefore") or 0), list[str]()
        for cell in _inner(row, "tc"):
            goes_on = _property(cell, "vMerge") in ("", "continue")
            content = above.get(column, "") if goes_on else " ".join(_of_blocks(cell, " ").split())
            above[column] = content
            cells.append(content)
            column += int(_property(cell, "gridSpan") or 1)
        yield " | ".join(cell for cell in cells if cell)


def _inner(node: Any, kind: str) -> Iterator[Any]:
    """The rows of a table, or the cells of a row, whatever they are wrapped in."""
    for child in node:
        if _local(child) == kind:
            yield child
        elif _local(child) in _WRAPS:
            yield from _inner(child, kind)


def _property(node: Any, kind: str) -> str | None:
    """The value of a property of a row or a cell: empty where it has none, None where there is no such property."""
    for part in node:
        if _local(part) in ("trPr", "tcPr"):
            for each in part:
                if _local(each) == kind:
                    return str(next(iter(each.attrib.values()), "")) if kind != "del" else ""
    return None


def _of_blocks(node: Any, between: str) -> str:
    """All text of a cell or a text box, the tables in it too."""
    texts = list[str]()
    for block in _blocks(node):
        if _local(block) == "tbl":
            texts += _rows(block)
        else:
            texts += ["".join(_words(block)), *(_of_blocks(box, between) for box in _boxes(block))]
    return between.join(text for text in texts if text.strip())


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
