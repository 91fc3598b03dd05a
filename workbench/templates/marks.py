"""The word that stands for a picture until its conversation is rendered; nobody can have written it. Knows letters."""

from __future__ import annotations

import re
import secrets

_NONCE = secrets.token_hex(8)
MARK = re.compile(rf"P{_NONCE}x(\d+)E")
# What stands for letters that look like a placeholder while a template renders.
ALIAS = f"L{_NONCE}A"


def mark(number: int) -> str:
    """Return the word that stands for the picture of this number."""
    return f"P{_NONCE}x{number}E"


def apart(content: str) -> list[str]:
    """Return what stands between the marks of ``content``, and the marks, by turns; the first and the last are text."""
    pieces: list[str] = []
    last = 0
    for found in MARK.finditer(content):
        pieces += [content[last : found.start()], found[0]]
        last = found.end()
    return [*pieces, content[last:]]
