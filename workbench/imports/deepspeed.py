"""A checkpoint folder of DeepSpeed, ZeRO 1 to 3: the trained tensors, put together of what each process saved. Knows
how DeepSpeed lays them; runs none of it, not even the script that lies beside.

ZeRO 1 and 2: of each group of tensors every process saved a part of one long float32 vector; in rank order they make
the vector, which holds the tensors of ``param_shapes`` one after the other, and padding at its end. ZeRO 3: every
tensor is shared out by itself, the same number of numbers to each process, padded; a process's parts lie one after the
other in the order of ``param_shapes``. Source: DeepSpeed 0.19, ``utils/zero_to_fp32.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.export.tensors import DTYPES, size
from workbench.imports.checkpoint import Contents, contents
from workbench.imports.lying import Lying, Range, cut

OPTIMIZER = re.compile(r"(?:\w+_)?zero_pp_rank_(\d+)_mp_rank_(\d+)_optim_states\.pt")
MODEL = re.compile(r"(?:(?:\w+_)?zero_pp_rank_(\d+)_)?mp_rank_(\d+)_model_states\.pt")
FLAT = ("optimizer_state_dict", "single_partition_of_fp32_groups")
FLAT_3 = ("optimizer_state_dict", "fp32_flat_groups")
Shapes = tuple[tuple[tuple[str, tuple[int, ...]], ...], ...]


@dataclass(frozen=True, slots=True)
class Together:
    """Hold what a folder holds.

    Args:
        weights: the trained tensors, by name.
        values: what it says of itself, as :class:`Contents` tells it.
        masters: whether these are the optimizer's float32 numbers, and not the 16-bit copies.
        stage: of ZeRO; 0 where not known.
        ranks: how many processes saved it.
    """

    weights: Mapping[str, Lying]
    values: Mapping[str, Any]
    masters: bool
    stage: int
    ranks: int


def is_deepspeed(folder: Path) -> bool:
    """Tell whether ``folder`` is such a checkpoint."""
    return folder.is_dir() and any(OPTIMIZER.fullmatch(f.name) or MODEL.fullmatch(f.name) for f in folder.iterdir())


def together(folder: Path) -> Together:
    """Return the trained tensors of ``folder``.

    Raises:
        BadInput: a process's file is missing or does not fit the others; or the model itself was shared out.
    """
    states = _ranked(folder, MODEL)
    if not states:
        raise BadInput("imports.deepspeed.no_model", folder=folder)
    model = contents(states[min(states)])
    optimizers = [contents(file) for _, file in sorted(_ranked(folder, OPTIMIZER).items())]
    if not optimizers:
        return Together(_sixteen_bit(folder, model), model.values, masters=False, stage=0, ranks=1)
    _check_ranks(folder, optimizers, _ranked(folder, OPTIMIZER))
    stage = int(optimizers[0].values.get("optimizer_state_dict.zero_stage") or 0)
    if not model.shapes:
        raise BadInput("imports.deepspeed.no_shapes", folder=folder, file=model.file.name)
    third = stage == 3 or (*FLAT_3, "0") in optimizers[0].tensors
    weights = _third(folder, model.shapes, optimizers) if third else _second(folder, model.shapes, optimizers)
    return Together(weights, model.values, masters=True, stage=3 if third else stage, ranks=len(optimizers))


def _ranked(folder: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    """Rank -> its file.

    Raises:
        BadInput: the model was shared out over processes (tensor parallelism).
    """
    ranks: dict[int, Path] = {}
    for file in sorted(folder.iterdir()):
        match = pattern.fullmatch(file.name)
        if match and int(match[2]) > 0:
            raise BadInput("imports.deepspeed.tensor_parallel", folder=folder, file=file.name)
        if match:
            ranks[int(match[1] or 0)] = file
    return ranks


def _check_ranks(folder: Path, optimizers: Sequence[Contents], files: Mapping[int, Path]) -> None:
    """
    Raises:
        BadInput: names the first process whose file is missing.
    """
    declared = optimizers[0].values.get("optimizer_state_dict.partition_count")
    counts = declared if isinstance(declared, list) else [declared] if isinstance(declared, int) else []
    expected = max([*counts, max(files) + 1])
    missing = next((rank for rank in range(expected) if rank not in files), None)
    if missing is not None:
        like = re.sub(r"rank_\d+_mp", f"rank_{missing}_mp", files[min(files)].name)
        raise BadInput("imports.deepspeed.rank_missing", folder=folder, file=like, ranks=expected)


def _sixteen_bit(folder: Path, model: Contents) -> dict[str, Lying]:
    weights = {name: tensor for name, tensor in model.weights().items() if tensor.numel}
    if not weights:
        raise BadInput("imports.deepspeed.no_optimizer", folder=folder)
    return weights


def _flat(of: Contents, path: tuple[str, str]) -> list[Lying]:
    """The vectors of one process, a group each, or one alone."""
    single = of.tensors.get(path)
    groups = [tensor for key, tensor in of.tensors.items() if key[:2] == path and len(key) == 3]
    return [single] if single else groups


def _second(folder: Path, shapes: Shapes, optimizers: Sequence[Contents]) -> dict[str, Lying]:
    """ZeRO 1 and 2."""
    ranks = [_flat(optimizer, FLAT) for optimizer in optimizers]
    if any(len(groups) != len(shapes) for groups in ranks):
        raise BadInput("imports.deepspeed.groups_differ", folder=folder)
    tensors: dict[str, Lying] = {}
    for index, group in enumerate(shapes):
        vector = [part for groups in ranks for part in groups[index].ranges]
        dtype, start = ranks[0][index].dtype, 0
        for name, shape in group:
            length = size(dtype, shape)
            tensors[name] = Lying(dtype, shape, _cut(folder, vector, start, length))
            start += length
        # what is left is padding: to a multiple of twice the processes
        remaining = (sum(length for _, _, length in vector) - start) // DTYPES[dtype][1]
        if not 0 <= remaining < 4 * len(ranks) + 4:
            raise BadInput("imports.deepspeed.left_over", folder=folder, numbers=remaining)
    return tensors


def _third(folder: Path, shapes: Shapes, optimizers: Sequence[Contents]) -> dict[str, Lying]:
    """ZeRO 3."""
    vectors = [[part for tensor in _flat(each, FLAT_3) for part in tensor.ranges] for each in optimizers]
    first = _flat(optimizers[0], FLAT_3)
    if not first:
        raise BadInput("imports.deepspeed.no_optimizer", folder=folder)
    dtype, start = first[0].dtype, 0
    width = DTYPES[dtype][1]
    tensors: dict[str, Lying] = {}
    for name, shape in (pair for group in shapes for pair in group):
        numel = math.prod(shape)
        each = -(-numel // len(vectors)) * width
        parts = [part for vector in vectors for part in _cut(folder, vector, start, each)]
        tensors[name] = Lying(dtype, shape, _cut(folder, parts, 0, numel * width))
        start += each
    return tensors


def _cut(folder: Path, vector: Sequence[Range], start: int, length: int) -> tuple[Range, ...]:
    try:
        return tuple(cut(vector, start, length))
    except ValueError as error:
        raise BadInput("imports.deepspeed.too_short", folder=folder) from error
