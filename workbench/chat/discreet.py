"""Sentences without the places of this machine, for pages that strangers read. Knows paths; nothing of pages."""

from __future__ import annotations

import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

# An absolute path, of POSIX or Windows: not the tail of a word, of an address or of another path.
_END = r"\s\"'`<>|:;,，。；：（）()\[\]{}"
_PATH = re.compile(rf"(?<![\w./:\\-])(?:[A-Za-z]:[\\/]+|~?/|\\\\+)(?:[^{_END}/\\]+[\\/]+)+([^{_END}/\\]*)")

_HIDDEN: set[str] = set()


def hide(folder: Path) -> None:
    """Tell nothing of this folder from now on, not even its name; what lies in it is named from there on."""
    _HIDDEN.update({str(folder), str(folder.resolve())})


def without_places(sentence: str) -> str:
    """Leave of every path in a sentence only its last part, and of what lies in a hidden folder the part within it."""
    for folder in sorted(_HIDDEN.union(_usual()), key=len, reverse=True):
        sentence = sentence.replace(f"{folder}/", "").replace(f"{folder}\\", "").replace(folder, "…")
    return _PATH.sub(lambda match: match[1] or "…", sentence)


def _usual() -> list[str]:
    """The folders that this process stands on, whose names may have blanks in them."""
    places = {str(Path.cwd()), sys.prefix, tempfile.gettempdir()}
    with suppress(RuntimeError):  # an account without one
        places.add(str(Path.home()))
    return [folder for folder in places if len(Path(folder).parts) > 1]
