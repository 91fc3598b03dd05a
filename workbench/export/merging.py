"""Base + adapter to one model, a tensor at a time. Knows files and the adapter's arithmetic; loads no model.

The sum is never stored in 4 bit: that would round it a second time. What the adapter is added to is the 16-bit base, as
PEFT does, or with ``base_quantization="nf4"`` the base as 4-bit training saw it: a QLoRA adapter has learnt to correct
that rounding too, and on the exact weights it answers a little otherwise than it was measured. How much otherwise,
:func:`workbench.export.honesty` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.errors import BadInput, BadSetting, WorkbenchError, nearest
from workbench.export.cards import merged_card
from workbench.export.folders import new_folder
from workbench.export.gaps import notices
from workbench.export.lora import WEIGHTS, Adapter, is_inert, read_adapter
from workbench.export.notes import base_note, dress_folder, header, template_note
from workbench.export.original import under_original_names
from workbench.export.plan import Plan, in_base, plan, shard_bytes
from workbench.export.sidecars import (
    base_config,
    copy_rest,
    copy_tokenizer,
    generation_config,
    merged_config,
    model_folder,
    read_config,
    write_json,
)
from workbench.export.source import find_source
from workbench.export.tensors import DTYPES, weight_entries
from workbench.export.writing import Progress, write_weights
from workbench.models import internlm
from workbench.models.folders import clean_config
from workbench.models.loading import Quantization
from workbench.models.notes import MARK, other_base, part, read_note, trained_as
from workbench.models.packed import four_bit_weights
from workbench.runs.files import sha256
from workbench.texts import text

Names = Literal["llama", "original"]


@dataclass(frozen=True, slots=True)
class _Base:
    """The base: its name, its folder, its ``config.json``; and whether it stays under its publisher's own names."""

    name: str
    folder: Path
    config: dict[str, Any]
    original: bool = False


def _base(model: str, names: Names, base_quantization: Quantization, *, fetch: bool) -> _Base:
    folder = model_folder(model, fetch=fetch)
    config = read_config(folder / "config.json")
    clean_config(folder)
    original = names == "original" and internlm.is_internlm(config)
    if original and base_quantization != "none":
        raise BadSetting("export.original_in_4bit")
    return _Base(model, folder, config if original else base_config(folder), original)


def merge(
    model: str,
    adapter: str | Path,
    out: str | Path,
    *,
    max_shard_size: str | int = "2GB",
    dtype: str | None = None,
    base_quantization: Quantization = "none",
    names: Names = "llama",
    overwrite: bool = False,
    any_base: bool = False,
    fetch: bool = True,
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
) -> Path:
    """Write the merged model, in the Hugging Face format.

    The weights equal those of PEFT's ``merge_and_unload`` on the base loaded in the same dtype, bit for bit, unless
    ``base_quantization`` says otherwise; memory holds little more than the largest tensor, and its product in float32.

    Args:
        model: the base: ``pocket``, a folder or a hub id; safetensors, not quantized.
        adapter: a folder in PEFT's format: of :func:`convert`, a checkpoint, or anybody's.
        out: the folder to make.
        max_shard_size: the largest weight file: ``2GB``, ``500MB`` …
        dtype: ``bfloat16``, ``float16`` or ``float32``; by default the base's own where it has 16 bit, else bfloat16.
        base_quantization: ``nf4`` first brings the weights that 4-bit training keeps in NF4 to NF4 and back, so that
            the merged model, itself not quantized, answers as the adapter did in training.
        names: of an InternLM's weights: ``llama``, which every server loads, or ``original``, its publisher's own.
        overwrite: replace a folder that was made here before.
        any_base: merge also into another base than the one that the adapter was trained on, if the shapes fit.
        fetch: get a hub id's files where they are not here yet.
        progress: told the bytes written and the bytes in all.
        notice: told in words, first, what stays as it was though the adapter names it, and that the tokens differ.

    Returns:
        The folder. One embedding that base and output shared is written as two where the adapter changed only one.

    Raises:
        BadInput: base or adapter cannot be merged, or do not fit each other: names the first tensor that does not; or
            the adapter was trained on another base.
        OutputExists: ``out`` is not empty. Failed: no space, or the hub did not give the base.
    """
    limit = shard_bytes(max_shard_size)
    base = _base(model, names, base_quantization, fetch=fetch)
    read = read_adapter(adapter)
    planned = plan(weight_entries(base.folder), base_config(base.folder), read, dtype)
    if is_inert(read):
        raise BadInput("export.inert", folder=adapter)
    trained_on = _trained_on(read.folder)
    if not any_base and other_base(trained_on, model):
        raise BadInput("export.other_base", folder=adapter, base=part(trained_on, "base")["name"], model=model)
    gaps = notices(planned, read, base.folder)
    _tell(gaps, notice)
    rounded = _rounded(model, planned) if base_quantization == "nf4" else frozenset()
    planned = under_original_names(planned, base.folder, base.config) if base.original else planned
    with new_folder(out, overwrite=overwrite, sources=(base.folder, read.folder), need=planned.nbytes) as folder:
        write_weights(planned, read, folder, limit, progress, rounded)
        _write_rest(base, read, planned, folder, base_quantization, [key for key, _ in gaps])
    return Path(out)


def _tell(gaps: Sequence[tuple[str, Mapping[str, Any]]], notice: Callable[[str], None] | None) -> None:
    """Tell what the merge leaves as it was; where nobody listens, it still stands in the note."""
    if notice is not None:
        for key, values in gaps:
            notice(text(key, **values))


def _rounded(model: str, planned: Plan) -> frozenset[str]:
    """The tensors that 4-bit training sees rounded.

    Raises:
        BadInput: the base's files call one of them otherwise than the library does.
    """
    names = {tensor.name for tensor in planned.tensors}
    rounded = frozenset(in_base(name, names) for name in four_bit_weights(model))
    for name in sorted(rounded - names):
        raise BadInput("export.other_names", name=name, model=model, nearest=nearest(name, names))
    return rounded


def _trained_on(folder: Path) -> dict[str, Any]:
    """What tells the adapter's base: its own note, or of a checkpoint its run's manifest; empty of one made
    elsewhere."""
    note = read_note(folder)
    if part(note, "base"):
        return note
    from workbench.runs import Run

    run = find_source(folder).run
    if run is None:
        return {}
    manifest = Run(run).manifest()
    return {"base": {"name": manifest.get("base"), "fingerprint": manifest.get("base_fingerprint")}}


def _write_rest(base: _Base, adapter: Adapter, planned: Plan, folder: Path, base_quantization: Quantization,
                gap_keys: list[str]) -> None:  # fmt: skip
    floats = [tensor.dtype for tensor in planned.tensors if tensor.changes]
    dtype = DTYPES[floats[0] if floats else "BF16"][0]
    has_tokenizer = copy_tokenizer((adapter.folder, base.folder), folder, as_is=base.original)
    if not base.original:
        dress_folder(folder, trained_as(adapter.folder))
    copy_rest(base.folder, base.config, folder)
    write_json(folder / "config.json", merged_config(base.config, dtype, untied=planned.untied))
    note = header("merged") | _told(base.name, adapter, folder if has_tokenizer else None)
    note["merge"] = {
        "dtype": dtype,
        "base_quantization": base_quantization,
        "untied": planned.untied,
        "adapter": sha256(adapter.folder / WEIGHTS),
        "r": adapter.config.get("r"),
        "lora_alpha": adapter.config.get("lora_alpha"),
        **({"notices": gap_keys} if gap_keys else {}),
    }
    write_json(folder / "generation_config.json", generation_config(base.folder, base.config, note["stop_ids"]))
    write_json(folder / MARK, note)
    (folder / "README.md").write_text(merged_card(note), encoding="utf-8")


def _told(model: str, adapter: Adapter, tokenizer: Path | None) -> dict[str, Any]:
    """What the adapter's own note says; where it has none, what base and tokenizer tell."""
    note = read_note(adapter.folder)
    facts: dict[str, Any] = {"base": base_note(model)}
    for key in ("template", "persona", "run", "recipe"):
        facts[key] = part(note, key)
    facts["template"] = trained_as(adapter.folder)
    stops = note.get("stop_ids")
    if isinstance(stops, list):
        facts["stop_ids"] = [stop for stop in stops if isinstance(stop, int)]
    else:
        facts["stop_ids"] = []
        if tokenizer is not None:
            facts |= _proved(tokenizer)
    return facts


def _proved(folder: Path) -> dict[str, Any]:
    """Of an adapter made elsewhere: its tokenizer's own chat template, where it has one that can be proved."""
    from workbench.models import load_tokenizer

    try:
        return template_note(load_tokenizer(str(folder)), None)
    except WorkbenchError:
        return {}
