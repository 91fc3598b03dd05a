"""Where the project's own data files are. Knows the repository's and the wheel's layout; nothing of what is in the
files."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def path(name: str) -> Path:
    """The file or folder ``name`` of the top-level ``datasets/`` folder: in the wheel, else in the repository.

    Raises:
        FileNotFoundError: it is in neither.
    """
    for root in (_PACKAGE / "_shipped", _PACKAGE.parent / "datasets"):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{name!r} does not ship with this installation")


def course(lang: str) -> Path:
    """The folder of the course's lessons in ``lang``: in the wheel, else in the repository.

    Raises:
        FileNotFoundError: it is in neither.
    """
    for root in (_PACKAGE / "_course", _PACKAGE.parent / "course"):
        if (root / lang).is_dir():
            return root / lang
    raise FileNotFoundError(f"the course in {lang!r} does not ship with this installation")
