"""Tensors by where their bytes lie: cut, counted and written one at a time. Knows byte ranges; nothing of what the
tensors are for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.export.tensors import DTYPES, Entry, Writer, load, size

if TYPE_CHECKING:
    import torch

Range = tuple[Path, int, int]


@dataclass(frozen=True, slots=True)
class Lying:
    """Hold a tensor that has not been read.

    Args:
        dtype: safetensors' name of its numbers.
        shape: its shape.
        ranges: (file, first byte, bytes) of its parts, in order.
        stride: in numbers; None where they lie in order, one after the other.
    """

    dtype: str
    shape: tuple[int, ...]
    ranges: tuple[Range, ...]
    stride: tuple[int, ...] | None = None

    @property
    def numel(self) -> int:
        """Tell how many numbers."""
        return math.prod(self.shape)

    def rows(self, rows: Sequence[tuple[int, int]]) -> Lying:
        """Return those rows of it, (first, one after the last) each."""
        wide = size(self.dtype, self.shape[1:])
        ranges: list[Range] = []
        for first, end in rows:
            ranges += cut(self.ranges, first * wide, (end - first) * wide)
        return replace(self, shape=(sum(end - first for first, end in rows), *self.shape[1:]), ranges=tuple(ranges))


def of_entry(entry: Entry) -> Lying:
    """Return a tensor of a safetensors file."""
    ranges = tuple((entry.file, start, length) for start, length in entry.lies)
    return Lying(entry.dtype, entry.shape, ranges)


def cut(ranges: Sequence[Range], start: int, length: int) -> list[Range]:
    """Return ``length`` bytes from ``start`` on, counted along the ranges.

    Raises:
        ValueError: they end before that.
    """
    pieces: list[Range] = []
    for file, first, extent in ranges:
        skipped = min(start, extent)
        part = min(extent - skipped, length)
        if part:
            pieces.append((file, first + skipped, part))
        start, length = start - skipped, length - part
    if length:
        raise ValueError(f"{length} bytes missing")
    return pieces


def read(tensor: Lying) -> torch.Tensor:
    """Return the tensor itself."""
    import torch

    flat = torch.cat(
        [
            load(Entry("", file, tensor.dtype, (length // DTYPES[tensor.dtype][1],), start))
            for file, start, length in tensor.ranges
        ]
        or [torch.empty(0, dtype=getattr(torch, DTYPES[tensor.dtype][0]))]
    )
    if tensor.stride is None:
        return flat.reshape(tensor.shape)
    return flat.as_strided(tensor.shape, tensor.stride).contiguous()


def write(file: Path, tensors: Mapping[str, Lying], dtype: str | None = None) -> None:
    """Write all of them into one safetensors file; memory holds one at most.

    Args:
        dtype: safetensors' name of the numbers to round floats to; None: as they are.
    """
    kinds = {name: dtype if dtype and tensor.dtype in ("F64", "F32", "F16", "BF16") else tensor.dtype
             for name, tensor in tensors.items()}  # fmt: skip
    with Writer(file, [(name, kinds[name], tensor.shape) for name, tensor in tensors.items()]) as writer:
        for name, kind, _ in writer.order:
            tensor = tensors[name]
            if kind == tensor.dtype and tensor.stride is None:
                writer.pour(name, tensor.dtype, tensor.shape, tensor.ranges)
            else:
                writer.write(name, read(tensor).to(_torch(kind)))


def _torch(kind: str) -> torch.dtype:
    import torch

    dtype: torch.dtype = getattr(torch, DTYPES[kind][0])
    return dtype
