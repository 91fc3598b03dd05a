"""Lines of Python, written out. Knows literals; nothing of what they do."""

from __future__ import annotations

from pathlib import Path


def lines(*candidates: str) -> str:
    """Return the lines that are not empty, joined; an empty one is kept where it parts imports from the rest."""
    content = [
        line
        for index, line in enumerate(candidates)
        if line or (index and candidates[index - 1].startswith(("import", "from")))
    ]
    return "\n".join(content) + "\n"


def call(function: str, /, *positional: object, **named: object) -> str:
    """Return a call of ``function`` as it is written."""
    arguments = [written(value) for value in positional] + [f"{key}={written(value)}" for key, value in named.items()]
    return f"{function}({', '.join(arguments)})"


def written(value: object) -> str:
    """Return a value as it is written in Python; a path as its text."""
    return repr(str(value) if isinstance(value, Path) else value)
