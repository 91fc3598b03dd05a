"""The tensors of what was chosen, whatever it lies in. Knows folders and files of XTuner's; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.export.tensors import read_entries
from workbench.imports import seeing
from workbench.imports.checkpoint import contents
from workbench.imports.deepspeed import together
from workbench.imports.facts import Row
from workbench.imports.finding import Thing
from workbench.imports.lying import Lying, of_entry
from workbench.imports.naming import Parted, parted, peft_names
from workbench.models.folders import check_files
from workbench.runs.files import LARGEST, read_bounded


@dataclass(slots=True)
class Brought:
    """Hold what the weights' files say.

    Args:
        parts: the tensors, by what they belong to.
        config_text: the config that a checkpoint carries; empty where none does.
        settings: ``adapter_config.json`` of a converted adapter, of the language model and of the tower.
        rows: lines of the table.
        folder: of a whole model: where its configuration and tokenizer lie.
        official: whether that is one in the names of LLaVA's own program.
        tower_folder: of a whole vision encoder: where its configuration lies.
    """

    parts: Parted = field(default_factory=lambda: Parted({}, {}, {}, {}, {}))
    config_text: str = ""
    settings: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    folder: Path | None = None
    official: bool = False
    tower_folder: Path | None = None


def gather(chosen: Sequence[Thing]) -> Brought:
    """Return the tensors of all that was chosen; none is read.

    Raises:
        BadInput: a file is damaged, or is no checkpoint; nothing of it is run.
    """
    gathered = Brought()
    for thing in chosen:
        if thing.kind == "deepspeed":
            _of_deepspeed(gathered, thing.path)
        elif thing.kind == "checkpoint":
            _of_checkpoint(gathered, thing.path)
        else:
            _of_folder(gathered, thing)
    return gathered


def _of_deepspeed(gathered: Brought, folder: Path) -> None:
    merged = together(folder)
    gathered.config_text = str(merged.values.get("meta.cfg") or "")
    _add(gathered, merged.weights, folder)
    note = "imports.note.masters" if merged.masters else "imports.note.sixteen_bit_copies"
    details = (("stage", str(merged.stage)), ("ranks", str(merged.ranks)))
    gathered.rows.append(Row(f"{folder.name}/: {len(merged.weights)}", "", note, "same", details))


def _of_checkpoint(gathered: Brought, file: Path) -> None:
    read = contents(file)
    weights = read.weights()
    gathered.config_text = str(read.values.get("meta.cfg") or "")
    _add(gathered, weights, file)
    details = (("step", str(read.values.get("meta.iter", "?"))),)
    gathered.rows.append(Row(f"{file.name}: {len(weights)}", "", "imports.note.pickled", "same", details))


def _add(gathered: Brought, weights: Mapping[str, Lying], where: Path) -> None:
    parts = parted(weights, where)
    for name in ("adapter", "model", "projector", "tower_adapter", "tower"):
        getattr(gathered.parts, name).update(getattr(parts, name))


def _of_folder(gathered: Brought, thing: Thing) -> None:
    check_files(thing.path)
    weights = folder_weights(thing.path)
    gathered.rows.append(Row(f"{thing.path.name}/: {len(weights)}", "", "imports.note.converted", "same"))
    if thing.kind == "projector":
        gathered.parts.projector.update(weights)
    elif thing.kind == "tower":
        gathered.parts.tower.update(weights)
        gathered.tower_folder = thing.path
    elif thing.kind == "adapter":
        config = read_json(thing.path / "adapter_config.json")
        tower = any("vision_model." in name or "visual_encoder." in name for name in weights)
        gathered.settings["tower" if tower else "llm"] = config
        (gathered.parts.tower_adapter if tower else gathered.parts.adapter).update(peft_names(weights))
    elif seeing.is_official(weights):
        language, projector, encoder = seeing.of_official(weights)
        gathered.parts.model.update(language)
        gathered.parts.projector.update(projector)
        gathered.parts.tower.update(encoder)
        gathered.folder, gathered.official = thing.path, True
    else:
        gathered.parts.model.update(weights)
        gathered.folder = thing.path


def folder_weights(folder: Path) -> dict[str, Lying]:
    """Return all tensors of a converted folder: of its safetensors, else of its ``.bin`` files.

    Raises:
        BadInput: there are none; or an index names a file that is not there.
    """
    files = _files(folder, "*.safetensors") or _files(folder, "*.bin")
    if not files:
        raise BadInput("imports.no_tensors", file=folder)
    _check_index(folder, files)
    tensors: dict[str, Lying] = {}
    for file in files:
        if file.suffix == ".safetensors":
            tensors |= {name: of_entry(entry) for name, entry in read_entries(file).items()}
        else:
            tensors |= contents(file).weights()
    return tensors


def _files(folder: Path, pattern: str) -> list[Path]:
    skipped = ("training_args.bin", "optimizer.bin", "scheduler.bin")
    return [file for file in sorted(folder.glob(pattern)) if file.name not in skipped]


def _check_index(folder: Path, files: Sequence[Path]) -> None:
    for index in folder.glob("*.index.json"):
        names = set((read_json(index).get("weight_map") or {}).values())
        same = {name for name in names if str(name).endswith(files[0].suffix)}
        missing = sorted(map(str, same - {file.name for file in files}))
        if missing:
            raise BadInput("imports.shard_missing", file=missing[0], folder=folder)


def read_json(file: Path) -> dict[str, Any]:
    """Return a JSON file's object.

    Raises:
        BadInput: it is none.
    """
    try:
        loaded = json.loads(read_bounded(file, LARGEST))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput("imports.config.no_table", file=file, reason=str(error)[:200]) from error
    if not isinstance(loaded, dict):
        raise BadInput("imports.config.no_table", file=file, reason=type(loaded).__name__)
    return loaded
