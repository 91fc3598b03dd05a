"""Several examples in one row, none lost, none seeing another. Knows examples; nothing of how attention keeps apart."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.templates.values import IGNORE_INDEX, Example, Pack


def in_one_row(examples: Sequence[Example]) -> Pack:
    """Return all ``examples`` behind one another; the positions start anew at each, and nothing predicts a first
    token."""
    return Pack(
        input_ids=tuple(i for e in examples for i in e.input_ids),
        labels=tuple(label for e in examples for label in (IGNORE_INDEX, *e.labels[1:])),
        position_ids=tuple(p for e in examples for p in range(len(e.input_ids))),
        lengths=tuple(len(e.input_ids) for e in examples),
        media=tuple(picture for e in examples for picture in e.media),
    )
