"""What an import leaves: the folders, the recipe, the table. Knows file names; nothing of what was brought."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, BadSetting, WorkbenchError, nearest
from workbench.export.lora import CONFIG, WEIGHTS, read_adapter, updates
from workbench.export.notes import base_note, header, template_note, tokenizer_on
from workbench.export.sidecars import base_config, copy_rest, copy_tokenizer, generation_config, write_json
from workbench.imports import seeing
from workbench.imports.lying import write
from workbench.models.notes import MARK

if TYPE_CHECKING:
    from workbench.imports.work import Work
    from workbench.training.settings import Recipe

DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
SHARD = 2 * 10**9


def part(folder: Path, name: str, tensors: dict[str, Any], work: Work) -> None:
    """Write one part: its tensors, and what those who load them need beside."""
    folder.mkdir()
    dtype = _dtype(work.dtype)
    if name == "adapter":
        write(folder / WEIGHTS, tensors, dtype)
        write_json(folder / CONFIG, work.adapter_settings(tensors))
        _check_adapter(folder, work)
        _serving(folder, work, "adapter")
    elif name == "visual_encoder_adapter":
        write(folder / WEIGHTS, tensors, None)
        write_json(folder / CONFIG, _tower_config(tensors, work))
    elif name == "model":
        _model(folder, tensors, work, dtype)
    else:
        write(folder / "model.safetensors", tensors, None)
        if name == "projector":
            write_json(folder / "config.json", projector_config(tensors))
        elif work.weights.tower_folder is not None:
            _copy_settings(work.weights.tower_folder, folder)


def llava(folder: Path, tensors: dict[str, Any], work: Work) -> None:
    """Write what a LLaVA of today loads: an adapter that holds the projector too, and the projector once more in a
    folder of its own, to be handed on. Its numbers are as they are: a projector of 16 bit would be trained no more."""
    folder.mkdir()
    mark = f".{seeing.PROJECTOR}."
    projector = {name.rpartition(mark)[2]: tensor for name, tensor in tensors.items() if mark in name}
    (folder / "projector").mkdir()
    write(folder / "projector" / "model.safetensors", projector, None)
    write_json(folder / "projector" / "config.json", seeing.projector_settings(projector, work.tower_base))
    write(folder / WEIGHTS, tensors, None)
    base = "+".join(filter(None, (work.base, work.tower_base)))
    write_json(folder / CONFIG, (work.seeing_settings(tensors) or {}) | {"base_model_name_or_path": base})
    _serving(folder, work, "adapter", whole=False)


def _copy_settings(origin: Path, folder: Path) -> None:
    """The configuration of a vision encoder, and of the pictures that it takes."""
    from workbench.imports.weights import read_json

    for name in ("config.json", "preprocessor_config.json"):
        if (origin / name).is_file():
            write_json(folder / name, read_json(origin / name))


def _dtype(name: str | None) -> str | None:
    if name is not None and name not in DTYPES:
        raise BadSetting("export.unknown_dtype", given=name, nearest=nearest(name, DTYPES))
    return DTYPES[name] if name else None


def _check_adapter(folder: Path, work: Work) -> None:
    """
    Raises:
        BadInput: PEFT could not load it, or it does not fit the base that was named.
    """
    from workbench.export.plan import plan
    from workbench.export.tensors import weight_entries

    adapter = read_adapter(folder)
    updates(adapter)
    if work.folder is not None and list(work.folder.glob("*.safetensors")):
        plan(weight_entries(work.folder), {**base_config(work.folder), "quantization_config": None}, adapter)


def _serving(folder: Path, work: Work, kind: str, *, whole: bool = True) -> None:
    """Tokenizer, stop tokens and note: as far as the base is on this machine. Where not ``whole``, the base is only a
    part of what it is loaded on, which has a tokenizer of its own."""
    from workbench.export.cards import adapter_card, merged_card

    note = header(kind) | {"base": {"name": work.base} if work.base and whole else {}}
    base = work.folder or work.weights.folder
    template = work.made.settings.get("model", {}).get("template")
    note["template"] = {"name": template, "fingerprint": ""}
    if base is not None and whole:
        if work.folder is not None:
            note["base"] = base_note(work.base)
        if copy_tokenizer([*([work.weights.folder] if work.weights.folder else []), base], folder):
            note |= _template(folder, template, work.folder)
        ends = generation_config(base, base_config(base), note.get("stop_ids", ()))
        write_json(folder / "generation_config.json", ends)
    if kind == "merged":
        note.setdefault("stop_ids", [])
        note["merge"] = {"method": "full", "dtype": "?"}
    write_json(folder / MARK, note)
    (folder / "README.md").write_text((adapter_card if kind == "adapter" else merged_card)(note), encoding="utf-8")


def _template(folder: Path, name: str | None, base: Path | None) -> dict[str, Any]:
    try:
        return template_note(tokenizer_on(base, folder), name)
    except WorkbenchError:
        return {}


def _model(folder: Path, tensors: dict[str, Any], work: Work, dtype: str | None) -> None:
    """A whole model, in files of 2 GB, with the base's configuration and tokenizer."""
    base = work.weights.folder or work.folder
    if base is None:
        raise BadInput("imports.base_needed", file=work.where)
    groups: list[dict[str, Any]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        length = sum(length for _, _, length in tensor.ranges)
        if groups[-1] and size + length > SHARD:
            groups.append({})
            size = 0
        groups[-1][name] = tensor
        size += length
    names = ["model.safetensors"]
    if len(groups) > 1:
        names = [f"model-{i:05d}-of-{len(groups):05d}.safetensors" for i in range(1, len(groups) + 1)]
        places = {name: file for file, group in zip(names, groups, strict=True) for name in group}
        write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})
    for file, group in zip(names, groups, strict=True):
        write(folder / file, group, dtype)
    config = base_config(base)
    if work.weights.official:
        config = seeing.language_config(config)
    if config.get("model_type") == "llava":
        config = seeing.mended_config(config)
    write_json(folder / "config.json", {key: value for key, value in config.items() if key != "quantization_config"})
    copy_rest(base, {}, folder)
    if config.get("model_type") == "llava":
        _processor(base, config, folder)
    _serving(folder, work, "merged")


def _processor(base: Path, config: Mapping[str, Any], folder: Path) -> None:
    """The settings of a whole LLaVA's processor, as its training made pictures."""
    from workbench.imports.weights import read_json

    brought = base / "preprocessor_config.json"
    for name, settings in seeing.processor_configs(config, read_json(brought) if brought.is_file() else {}).items():
        write_json(folder / name, settings)


def _tower_config(tensors: dict[str, Any], work: Work) -> dict[str, Any]:
    from workbench.imports.adapters import adapter_config

    theirs = work.weights.settings.get("tower")
    return adapter_config(tensors, theirs, work.tower_lora, work.tower_base, work.where) | {"task_type": None}


def projector_config(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the projector is made of: linear layers with GELU between, ``model.0``, ``model.2`` …"""
    layers = sorted((name for name in tensors if name.endswith(".weight")), key=lambda name: int(name.split(".")[1]))
    return {
        "model_type": "projector",
        "visual_hidden_size": tensors[layers[0]].shape[1] if layers else 0,
        "llm_hidden_size": tensors[layers[-1]].shape[0] if layers else 0,
        "depth": len(layers),
        "hidden_act": "gelu",
        "bias": any(name.endswith(".bias") for name in tensors),
    }


def rest(folder: Path, work: Work, recipe: Recipe | None, parts: Mapping[str, int]) -> None:
    """Write the recipe, the table, and the mark of a folder made here."""
    from workbench.training.recipe import recipe_yaml

    if recipe is not None:
        (folder / "recipe.yaml").write_text(recipe_yaml(recipe), encoding="utf-8")
    table = {"format": 1, "base": work.base, "parts": dict(parts), "rows": rows(work.made.rows)}
    (folder / "import.json").write_text(json.dumps(table, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    write_json(folder / MARK, header("import"))


def rows(table: list[Any]) -> list[dict[str, str]]:
    """Return the table as JSON values."""
    return [{"theirs": row.theirs, "ours": row.ours, "note": row.said(), "kind": row.kind} for row in table]
