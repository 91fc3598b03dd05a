"""Where the project's own data files are. Knows the repository's and the wheel's layout; nothing of what is in the
files."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def path(name: str) -> Path:
    """Return the file or folder ``name`` of the top-level ``datasets/`` folder: in the wheel, else in the repository.

    Raises:
        FileNotFoundError: it is in neither.
    """
    return _found(name, "_shipped", "datasets")


def course(lang: str) -> Path:
    """Return the folder of the course's lessons in ``lang``: in the wheel, else in the repository.

    Raises:
        FileNotFoundError: it is in neither.
    """
    return _found(lang, "_course", "course")


def _found(name: str, in_the_wheel: str, in_the_repository: str) -> Path:
    for root in (_PACKAGE / in_the_wheel, _PACKAGE.parent / in_the_repository):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{in_the_repository}/{name} does not ship with this installation")
