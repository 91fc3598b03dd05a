"""Several examples in one row, none lost, none seeing another. Knows examples; torch only where a mask is asked for."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.errors import BadSetting
from workbench.templates.values import IGNORE_INDEX, Example, Pack

if TYPE_CHECKING:
    import torch


def pack(examples: Sequence[Example], max_length: int) -> list[Pack]:
    """Put examples together into rows of at most ``max_length`` tokens.

    No token is lost and none is doubled; no example is parted. Position ids restart at each example, and each example's
    first label is −100, since what stands before it is another example's.

    Args:
        examples: at most ``max_length`` tokens each.
        max_length: tokens in a row.

    Returns:
        Rows, the fullest first.

    Raises:
        BadSetting: an example is longer than ``max_length``.

    Source: best fit decreasing (Johnson, Demers, Ullman, Garey, Graham 1974, section 3): each example, the longest
    first, goes into the row with the least room that still holds it.
    """
    rows: list[list[Example]] = []
    rooms: list[tuple[int, int]] = []  # (room left, row), ascending
    order = sorted(range(len(examples)), key=lambda i: -len(examples[i].input_ids))
    for index in order:
        size = len(examples[index].input_ids)
        if size > max_length:
            raise BadSetting("templates.pack_too_long", index=index + 1, length=size, max_length=max_length)
        number = bisect.bisect_left(rooms, (size, -1))
        room, row = rooms.pop(number) if number < len(rooms) else (max_length, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(examples[index])
        bisect.insort(rooms, (room - size, row))
    return [joined(row) for row in rows]


def joined(examples: Iterable[Example]) -> Pack:
    """Return one row of these examples, in their order."""
    ids: list[int] = []
    labels: list[int] = []
    positions: list[int] = []
    lengths: list[int] = []
    for example in examples:
        size = len(example.input_ids)
        ids += example.input_ids
        labels += (IGNORE_INDEX, *example.labels[1:]) if size else ()
        positions += range(size)
        lengths.append(size)
    return Pack(tuple(ids), tuple(labels), tuple(positions), tuple(lengths))


def block_mask(position_ids: torch.Tensor, dtype: Any = None) -> torch.Tensor:
    """Return the attention mask of packed rows: each token sees its own example, up to itself, and nothing else.

    Where ``position_ids`` are given and no attention mask, transformers finds the borders by itself (for eager and
    SDPA attention, ``masking_utils.find_packed_sequence_indices``); this mask is for models that do not, and for
    checking it.

    Args:
        position_ids: (B, T) int64, restarting from 0 at each example.
        dtype: of the mask; float32 if not given.

    Returns:
        (B, 1, T, T): 0 where a token may look, the type's least value where it may not; added to attention scores.
    """
    import torch

    kind = dtype or torch.float32
    document = (position_ids == 0).cumsum(-1)
    same = document[:, :, None] == document[:, None, :]
    size = position_ids.shape[-1]
    causal = torch.ones(size, size, dtype=torch.bool, device=position_ids.device).tril()
    closed = torch.full((), torch.finfo(kind).min, dtype=kind, device=position_ids.device)
    return torch.where(same & causal, torch.zeros_like(closed), closed)[:, None]
