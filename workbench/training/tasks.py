"""What a training learns: how examples become a batch, and what the loss of a batch is. Knows tensors; nothing of
optimizers or processes.

Supervised tuning is the only task so far. Another (preferences, distillation) is another class of the same form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from workbench.models.batches import pad, summed_loss
from workbench.templates.packing import in_one_row
from workbench.templates.values import IGNORE_INDEX, Example

if TYPE_CHECKING:
    import torch

    from workbench.models.eyes import Eyes
    from workbench.models.quick import QuickPass


class Task(Protocol):
    """Say how examples are learnt."""

    def batch(self, rows: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Return the tensors of ``rows``, on the CPU."""

    def loss(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the loss summed over the batch's trained tokens, 0-d float32, in nats."""

    def count(self, row: Example) -> int:
        """Return the tokens of ``row`` that are trained, by which the sums of a step are divided."""


class SupervisedTuning:
    """Learn to say what the labels say: cross-entropy at the trained tokens.

    Args:
        packed: lay the conversations of a batch into one row, isolated, instead of padding them.
        eyes: what makes pictures into numbers, of a model that sees.
        quick: a quicker pass of the same model, for the batches that it takes.
    """

    def __init__(self, *, packed: bool, eyes: Eyes | None = None, quick: QuickPass | None = None) -> None:
        self.packed, self.eyes, self.quick = packed, eyes, quick

    def batch(self, rows: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Return the tensors of ``rows``: one row where they are packed, else one for each, padded."""
        return pad([in_one_row(rows)] if self.packed else rows, self.eyes)

    def loss(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the cross-entropy summed over the trained tokens."""
        if self.quick is not None and self.quick.takes(batch):
            return self.quick(batch)[0]
        return summed_loss(model, batch)[0]

    def count(self, row: Example) -> int:
        """Return the labels that a token before them predicts."""
        return sum(label != IGNORE_INDEX for label in row.labels[1:])


def untrained(row: Example) -> Example:
    """Return ``row`` without a label: what a process computes that has nothing of a step, while the others have."""
    return Example(row.input_ids, (IGNORE_INDEX,) * len(row.input_ids), media=row.media)
