"""A merged InternLM under its publisher's own names. Knows which rows of which tensor are what; reads no weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.export.lora import Read, Shape, Update
from workbench.export.plan import Plan, Planned
from workbench.export.tensors import stored_entries
from workbench.models import internlm

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class InRows:
    """Hold a change of some rows of a tensor.

    Args:
        change: of these rows alone, as if they were a tensor.
        rows: (first, one after the last) of them, in order.
    """

    change: Update
    rows: tuple[tuple[int, int], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the adapter's tensors that it is made from."""
        return self.change.names

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        """Return the shape of the rows."""
        return self.change.shape(shapes)

    def apply(self, weight: torch.Tensor, read: Read) -> torch.Tensor:
        """Return the whole tensor, with these rows changed in place."""
        import torch

        index = torch.cat([torch.arange(first, end) for first, end in self.rows])
        weight[index] = self.change.apply(weight[index], read).to(weight.dtype)
        return weight


def under_original_names(planned: Plan, folder: Path, config: Mapping[str, Any]) -> Plan:
    """Return the same merged model as the folder's publisher stores it, to the bit.

    Args:
        planned: the merged Llama.
        folder: the base's.
        config: its ``config.json``.
    """
    stored, merged = stored_entries(folder), {tensor.name: tensor for tensor in planned.tensors}
    changes: dict[str, list[Update]] = {name: [] for name in stored}
    dtypes = {name: entry.dtype for name, entry in stored.items()}
    for part in internlm.parts(stored, config):
        tensor = merged[part.name]
        dtypes[part.source] = tensor.dtype
        changes[part.source] += [InRows(change, part.rows) if part.rows else change for change in tensor.changes]
    tensors = tuple(Planned(name, entry, dtypes[name], tuple(changes[name])) for name, entry in stored.items())
    return Plan(tensors, planned.untied)
