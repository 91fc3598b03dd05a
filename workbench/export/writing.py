"""The planned tensors to files, one at a time. Knows the plan and the adapter's arithmetic; loads no model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workbench.export.lora import Adapter
from workbench.export.plan import Plan, Planned, shards
from workbench.export.sidecars import write_json
from workbench.export.tensors import DTYPES, Writer, load
from workbench.models.fewbits import through_4bit

Progress = Callable[[int, int], None]


def write_weights(
    planned: Plan,
    adapter: Adapter | None,
    folder: Path,
    limit: int,
    progress: Progress | None,
    rounded: frozenset[str] = frozenset(),
) -> None:
    """Write the planned tensors to ``folder``, in files of at most ``limit`` bytes, with an index where there are two.

    Args:
        adapter: what the changes are read from; None where the plan has none.
        progress: told the bytes written and the bytes in all.
        rounded: names of the tensors that are brought to NF4 and back first.
    """
    groups = shards(planned.tensors, limit)
    names = [f"model-{i:05d}-of-{len(groups):05d}.safetensors" for i in range(1, len(groups) + 1)]
    if len(groups) == 1:
        names = ["model.safetensors"]
    written = 0
    for name, group in zip(names, groups, strict=True):
        by_name = {tensor.name: tensor for tensor in group}
        with Writer(folder / name, [(t.name, t.dtype, t.source.shape) for t in group]) as writer:
            for announced, _, _ in writer.order:
                tensor = by_name[announced]
                _write_tensor(writer, tensor, adapter, through=tensor.name in rounded)
                written += tensor.nbytes
                if progress:
                    progress(written, planned.nbytes)
    if len(groups) > 1:
        places = {tensor.name: name for name, group in zip(names, groups, strict=True) for tensor in group}
        index = {"metadata": {"total_size": planned.nbytes}, "weight_map": places}
        write_json(folder / "model.safetensors.index.json", index)


def _write_tensor(writer: Writer, tensor: Planned, adapter: Adapter | None, *, through: bool) -> None:
    if not tensor.changes and tensor.dtype == tensor.source.dtype and not through:
        writer.copy(tensor.source, tensor.name)
        return
    import torch

    with torch.inference_mode():
        # As PEFT does on a model loaded in this dtype: the base is rounded first, then the product is added.
        # What went through 4 bit stays in float32 meanwhile, so that only the sum is rounded to 16 bit.
        dtype = getattr(torch, DTYPES[tensor.dtype][0])
        weight = through_4bit(load(tensor.source)) if through else load(tensor.source).to(dtype)
        if adapter is not None:
            for change in tensor.changes:
                weight = change.apply(weight, adapter.read)
        writer.write(tensor.name, weight.to(dtype))
