"""What serving sends, beside what was trained, byte by byte. Knows two texts; nothing of how they were rendered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.render.boxes import shown
from workbench.render.markup import disclosure, escape, table, tag
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.templates.view import MaskView

_WIDTH = 16  # bytes a line
_MOST_LINES = 256  # 4 KiB; the lines round the first difference are shown whatever the length


def served_text(view: MaskView, lang: str | None) -> str:
    """Tell in a sentence whether serving sends exactly how the trained text begins."""
    size = len(view.prompt_text.encode())
    values = {"bytes": size, "tokens": len(view.prompt_ids), "at": view.differs_at}
    if view.prompt_is_prefix:
        return text("render.served.same", lang, **values)
    return text("render.served.differs" if view.differs_at >= 0 else "render.served.other_ids", lang, **values)


def served_html(view: MaskView, lang: str | None) -> str:
    """Return the sentence, the prompt with its white space visible, its ids, and the bytes of both texts side by
    side."""
    if not view.prompt_text:
        return ""
    sentence = tag("p", tag("strong", escape(served_text(view, lang))), class_="wb-served")
    ids = tag("p", escape(text("render.served.ids", lang)) + tag("code", escape(" ".join(map(str, view.prompt_ids)))))
    parts = tag("pre", shown_lines(view.prompt_text)) + ids + bytes_html(view.prompt_text, view.text, lang)
    summary = escape(text("render.served.summary", lang))
    return sentence + disclosure(summary, parts, opened=not view.prompt_is_prefix)


def shown_lines(content: str) -> str:
    """Return the words as HTML, white space visible, and still broken where their lines break."""
    return escape(shown(content)).replace("↵", "↵<br>")


def bytes_html(served: str, trained: str, lang: str | None) -> str:
    """Return both texts as UTF-8 bytes, sixteen a line; a sign says of each line whether it is the same."""
    first, two = served.encode(errors="replace"), trained.encode(errors="replace")
    names = ("offset", "served", "trained", "equal")
    head = [escape(text(f"render.served.{name}", lang)) for name in names]
    lines = [
        [str(offset), _hex(first, offset), _hex(two[: len(first)], offset), escape(_sign(first, two, offset, lang))]
        for offset in _offsets(first, two)
    ]
    more = len(range(0, len(first), _WIDTH)) - len(lines)
    remainder = tag("p", escape(text("render.served.left_out", lang, count=more * _WIDTH))) if more > 0 else ""
    return disclosure(escape(text("render.served.bytes", lang)), table(head, lines, class_="wb-bytes") + remainder)


def _offsets(first: bytes, two: bytes) -> Iterator[int]:
    differs = next((i for i, (x, y) in enumerate(zip(first, two, strict=False)) if x != y), len(first))
    for line, offset in enumerate(range(0, len(first), _WIDTH)):
        if line < _MOST_LINES or abs(offset - differs) < 4 * _WIDTH:
            yield offset


def _hex(data: bytes, offset: int) -> str:
    piece = data[offset : offset + _WIDTH]
    letters = "".join(chr(byte) if 33 <= byte < 127 else "·" for byte in piece)
    return tag("code", f"{piece.hex(' ')} {escape(letters)}")


def _sign(first: bytes, two: bytes, offset: int, lang: str | None) -> str:
    piece = first[offset : offset + _WIDTH]
    return text("render.served.yes" if piece == two[offset : offset + len(piece)] else "render.served.no", lang)
