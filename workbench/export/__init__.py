"""Checkpoint to adapter, adapter to merged model. Knows weights' files; nothing of training or of who asks."""

from __future__ import annotations

from workbench.export.checking import Compared, Honesty, agreement, honesty
from workbench.export.converting import convert
from workbench.export.merging import merge
from workbench.export.source import Source, find_source
from workbench.models.notes import MARK, read_note

__all__ = [
    "MARK",
    "Compared",
    "Honesty",
    "Source",
    "agreement",
    "convert",
    "find_source",
    "honesty",
    "merge",
    "read_note",
]
