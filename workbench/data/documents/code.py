"""Code among the paragraphs of a document: its lines and their indentation are kept. Knows nothing of formats."""

from __future__ import annotations


class Code(str):
    """Represent a paragraph whose lines stand as they are."""

    __slots__ = ()


def clean(text: str) -> str:
    """Return a paragraph without what no text has: control characters, halves of characters; spaces as one, but for
    code."""
    sound = text.encode("utf-8", "ignore").decode("utf-8")
    seen = "".join(c if c >= " " or c in "\n\t" else " " for c in sound if c not in "\u00ad\ufeff\u200b\x7f")
    if isinstance(text, Code):
        return "\n".join(line.expandtabs(4).rstrip() for line in seen.split("\n")).strip("\n")
    return "\n".join(" ".join(line.split()) for line in seen.split("\n") if line.strip())
