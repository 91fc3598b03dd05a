"""Lines of Python, written out. Knows literals; nothing of what they do."""

from __future__ import annotations

from pathlib import Path


def lines(*given: str) -> str:
    """The lines that are not empty, joined; an empty one is kept where it parts imports from the rest."""
    kept = [line for at, line in enumerate(given) if line or (at and given[at - 1].startswith(("import", "from")))]
    return "\n".join(kept) + "\n"


def call(function: str, /, *positional: object, **named: object) -> str:
    """A call of ``function`` as it is written."""
    given = [written(value) for value in positional] + [f"{key}={written(value)}" for key, value in named.items()]
    return f"{function}({', '.join(given)})"


def written(value: object) -> str:
    """A value as it is written in Python; a path as its text."""
    return repr(str(value) if isinstance(value, Path) else value)
