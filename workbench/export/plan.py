"""What a merged model will hold, before anything is written. Knows weights' names and shapes; reads none of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import BadInput, BadSetting, nearest
from workbench.export.lora import Adapter, Replace, Update, format_shape, updates
from workbench.export.tensors import FLOATS, Entry, size

_HEADS = ("lm_head", "embed_out", "output")
_EMBEDDINGS = ("embed_tokens", "tok_embeddings", "wte", "embed_in", "word_embeddings")
# How the parts of models that see are called in memory, and in files: those that earlier versions of the library wrote
# of LLaVA, and those of Qwen2.5-VL.
_EARLIER = (
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower.vision_model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("lm_head.", "language_model.lm_head."),
    ("model.language_model.", "model."),
    ("model.visual.", "visual."),
)
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True, slots=True)
class Planned:
    """Hold a tensor of the merged model.

    Args:
        name: its name.
        source: the tensor of the base that it is made from.
        dtype: of the result, a key of ``DTYPES``.
        changes: what the adapter does to it.
    """

    name: str
    source: Entry
    dtype: str
    changes: tuple[Update, ...] = ()

    @property
    def nbytes(self) -> int:
        """Return bytes of the result."""
        return size(self.dtype, self.source.shape)


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold all tensors of the merged model.

    Args:
        tensors: in the order in which they are written.
        untied: the base shares its embedding with its output layer, and the adapter changes only one of them, so they
            part.
    """

    tensors: tuple[Planned, ...]
    untied: bool

    @property
    def nbytes(self) -> int:
        """Return bytes of all tensors."""
        return sum(t.nbytes for t in self.tensors)


def plan(base: Mapping[str, Entry], config: Mapping[str, Any], adapter: Adapter, dtype: str | None = None) -> Plan:
    """Return what merging ``adapter`` into ``base`` gives.

    Args:
        base: the base's weights.
        config: the base's ``config.json``.
        adapter: the adapter.
        dtype: ``bfloat16``, ``float16`` or ``float32``; by default the base's own where it has 16 bit, else bfloat16.

    Raises:
        BadInput: the base is quantized, or the adapter does not fit it; names the first tensor that does not.
    """
    _check_base(base, config)
    changes = {in_base(name, base): updates_of_one for name, updates_of_one in updates(adapter).items()}
    tied = _tied(base, config)
    head, embedding = tied or ("", "")
    # With ensure_weight_tying the adapter holds the same change twice, once for each name of the one tensor.
    shared = bool(tied) and bool(adapter.config.get("ensure_weight_tying")) and embedding in changes
    if shared:
        changes.pop(head, None)
    untied = bool(tied) and not shared and (head in changes or embedding in changes)
    entries = [entry for entry in base.values() if not (untied and entry.name == head)]
    tensors = [_planned(entry.name, entry, changes.pop(entry.name, []), adapter, dtype) for entry in entries]
    if untied:
        tensors.append(_planned(head, base[embedding], changes.pop(head, []), adapter, dtype))
    for name, unmatched in changes.items():
        tensor = unmatched[0].names[0]
        raise BadInput("export.no_such_tensor", tensor=tensor, name=name, nearest=nearest(name, base))
    return Plan(tuple(tensors), untied)


def _planned(name: str, entry: Entry, changes: list[Update], adapter: Adapter, dtype: str | None) -> Planned:
    shapes = adapter.shapes
    for change in changes:
        if change.shape(shapes) != entry.shape:
            raise BadInput(
                "export.does_not_fit",
                tensor=change.names[0],
                name=name,
                adapter=format_shape(change.shape(shapes)),
                base=format_shape(entry.shape),
            )
    # A tensor trained whole takes the place of the base's before anything is added to it.
    ordered = sorted(changes, key=lambda change: not isinstance(change, Replace))
    return Planned(name, entry, result(entry.dtype, dtype), tuple(ordered))


def result(source: str, dtype: str | None) -> str:
    """Return the kind of number that a tensor is written in: ``dtype``, by default 16 bit; what is no float stays."""
    if source not in FLOATS:
        return source
    if dtype is None:
        return source if source in ("F16", "BF16") else "BF16"
    names = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
    if dtype not in names:
        raise BadSetting("export.unknown_dtype", given=dtype, nearest=nearest(dtype, names))
    return names[dtype]


def _check_base(base: Mapping[str, Entry], config: Mapping[str, Any]) -> None:
    quantization = config.get("quantization_config")
    if quantization:
        method = quantization.get("quant_method", "") if isinstance(quantization, Mapping) else quantization
        raise BadInput("export.quantized_base", given=method)
    packed = next((name for name in base if ".quant_state." in name or name.endswith((".absmax", ".qweight"))), None)
    if packed:
        raise BadInput("export.quantized_base", given=packed)


def in_base(name: str, base: Collection[str]) -> str:
    """Return the base's own name of ``name``: some files lack its first part (``transformer.``), or have one more."""
    if name in base:
        return name
    for ours, earlier in _EARLIER:
        if name.startswith(ours) and (renamed := earlier + name.removeprefix(ours)) in base:
            return renamed
    shorter = name.partition(".")[2]
    longer = [
        longer_name
        for longer_name in base
        if longer_name.endswith("." + name) and longer_name.count(".") == name.count(".") + 1
    ]
    if shorter in base:
        return shorter
    return longer[0] if len(longer) == 1 else name


def _tied(base: Mapping[str, Entry], config: Mapping[str, Any]) -> tuple[str, str] | None:
    """The names of the output layer and of the embedding, where they are one tensor."""
    embeddings = [name for name in base if re.search(rf"(^|\.)({'|'.join(_EMBEDDINGS)})\.weight$", name)]
    heads = [name for name in base if re.fullmatch(rf"(.*\.)?({'|'.join(_HEADS)})\.weight", name)]
    inner = config.get("text_config")
    told_tied = config.get("tie_word_embeddings", inner.get("tie_word_embeddings") if isinstance(inner, dict) else None)
    if len(embeddings) != 1 or (heads and not told_tied):
        return None
    return (heads[0] if heads else "lm_head.weight"), embeddings[0]


def shards(tensors: tuple[Planned, ...], limit: int) -> list[list[Planned]]:
    """Return the tensors in groups of at most ``limit`` bytes, in order; one that is larger stands alone."""
    groups: list[list[Planned]] = []
    room = 0
    for tensor in tensors:
        if not groups or tensor.nbytes > room:
            groups.append([])
            room = limit
        groups[-1].append(tensor)
        room -= tensor.nbytes
    return groups


def shard_bytes(told_size: str | int) -> int:
    """Return ``2GB`` as 2 000 000 000, ``2GiB`` as 2 147 483 648; a number is bytes.

    Raises:
        BadSetting: not a size, or less than 1 MB.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?I?B?)\s*", str(told_size).upper())
    unit = _UNITS.get(match[2], 0) if match else 0
    if not match or not unit or float(match[1]) * unit < 10**6:
        raise BadSetting("export.bad_shard_size", given=told_size)
    return int(float(match[1]) * unit)
