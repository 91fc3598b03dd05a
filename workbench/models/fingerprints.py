"""What tells one base from another. Knows files and names; loads no weight."""

from __future__ import annotations

import hashlib
from pathlib import Path

from workbench.models.headers import digest
from workbench.models.loading import resolve

# What a fingerprint begins with that knows a slice of each tensor.
SLICED = "2:"


def fingerprint(model: str, like: str | None = None) -> str:
    """Hash a base's configuration, its weight files' names, sizes and heads, and a slice of each tensor.

    For a hub id, the hash of its name: the files may not be there yet.

    Args:
        like: a fingerprint to compare with. One of before the slices were taken is compared with one of its kind.
    """
    folder = Path(resolve(model))
    if not folder.is_dir():
        return hub_fingerprint(model)
    sliced = like is None or like.startswith(SLICED)
    return (SLICED if sliced else "") + digest(folder, sliced=sliced)[:16]


def hub_fingerprint(model: str) -> str:
    """Hash the name of a hub id whose files are not known."""
    return hashlib.sha256(model.encode()).hexdigest()[:16]
