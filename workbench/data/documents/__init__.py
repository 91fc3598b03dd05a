"""What people have as documents: read page by page, cut into passages with their source, asked about. Knows nothing of
templates, tokenizers or models."""

from __future__ import annotations

from workbench.data.documents.passages import Passages, passages
from workbench.data.documents.sections import SUFFIXES, Section, sections

__all__ = ["SUFFIXES", "Passages", "Section", "passages", "sections"]
