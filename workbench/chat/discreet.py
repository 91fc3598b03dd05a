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


def hide(place: Path) -> None:
    """Tell nothing of this folder from now on, not even its name; what lies in it is named from there on."""
    _HIDDEN.update({str(place), str(place.resolve())})


def without_places(sentence: str) -> str:
    """Leave of every path in a sentence only its last part, and of what lies in a hidden folder the part within it."""
    for place in sorted(_HIDDEN.union(_usual()), key=len, reverse=True):
        sentence = sentence.replace(f"{place}/", "").replace(f"{place}\\", "").replace(place, "…")
    return _PATH.sub(lambda match: match[1] or "…", sentence)


def _usual() -> list[str]:
    """The folders that this process stands on, whose names may have blanks in them."""
    places = {str(Path.cwd()), sys.prefix, tempfile.gettempdir()}
    with suppress(RuntimeError):  # an account without one
        places.add(str(Path.home()))
    return [place for place in places if len(Path(place).parts) > 1]
