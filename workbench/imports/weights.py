"""The tensors of what was chosen, whatever it lies in. Knows folders and files of XTuner's; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.export.tensors import read_entries
from workbench.imports.checkpoint import contents
from workbench.imports.deepspeed import together
from workbench.imports.facts import Row
from workbench.imports.finding import Thing
from workbench.imports.lying import Lying, of_entry
from workbench.imports.naming import Parted, parted
from workbench.models.folders import check_files
from workbench.runs.files import LARGEST, read_bounded


@dataclass(slots=True)
class Brought:
    """What the weights' files say.

    Args:
        parts: the tensors, by what they belong to.
        config_text: the config that a checkpoint carries; empty where none does.
        settings: ``adapter_config.json`` of a converted adapter, of the language model and of the tower.
        rows: lines of the table.
        folder: of a whole model: where its configuration and tokenizer lie.
    """

    parts: Parted = field(default_factory=lambda: Parted({}, {}, {}, {}, {}))
    config_text: str = ""
    settings: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    folder: Path | None = None


def gather(chosen: Sequence[Thing]) -> Brought:
    """The tensors of all that was chosen; none is read.

    Raises:
        BadInput: a file is damaged, or is no checkpoint; nothing of it is run.
    """
    made = Brought()
    for thing in chosen:
        if thing.kind == "deepspeed":
            _of_deepspeed(made, thing.path)
        elif thing.kind == "checkpoint":
            _of_checkpoint(made, thing.path)
        else:
            _of_folder(made, thing)
    return made


def _of_deepspeed(made: Brought, folder: Path) -> None:
    found = together(folder)
    made.config_text = str(found.values.get("meta.cfg") or "")
    _add(made, found.weights, folder)
    note = "imports.note.masters" if found.masters else "imports.note.sixteen_bit_copies"
    told = (("stage", str(found.stage)), ("ranks", str(found.ranks)))
    made.rows.append(Row(f"{folder.name}/: {len(found.weights)}", "", note, "same", told))


def _of_checkpoint(made: Brought, file: Path) -> None:
    found = contents(file)
    weights = found.weights()
    made.config_text = str(found.values.get("meta.cfg") or "")
    _add(made, weights, file)
    said = (("step", str(found.values.get("meta.iter", "?"))),)
    made.rows.append(Row(f"{file.name}: {len(weights)}", "", "imports.note.pickled", "same", said))


def _add(made: Brought, weights: Mapping[str, Lying], where: Path) -> None:
    found = parted(weights, where)
    for name in ("adapter", "model", "projector", "tower_adapter", "tower"):
        getattr(made.parts, name).update(getattr(found, name))


def _of_folder(made: Brought, thing: Thing) -> None:
    check_files(thing.path)
    weights = folder_weights(thing.path)
    made.rows.append(Row(f"{thing.path.name}/: {len(weights)}", "", "imports.note.converted", "same"))
    if thing.kind == "projector":
        made.parts.projector.update(weights)
    elif thing.kind == "tower":
        made.parts.tower.update(weights)
    elif thing.kind == "adapter":
        told = read_json(thing.path / "adapter_config.json")
        tower = any("vision_model." in name or "visual_encoder." in name for name in weights)
        made.settings["tower" if tower else "llm"] = told
        (made.parts.tower_adapter if tower else made.parts.adapter).update(weights)
    else:
        made.parts.model.update(weights)
        made.folder = thing.path


def folder_weights(folder: Path) -> dict[str, Lying]:
    """All tensors of a converted folder: of its safetensors, else of its ``.bin`` files.

    Raises:
        BadInput: there are none; or an index names a file that is not there.
    """
    files = _files(folder, "*.safetensors") or _files(folder, "*.bin")
    if not files:
        raise BadInput("imports.no_tensors", file=folder)
    _check_index(folder, files)
    found: dict[str, Lying] = {}
    for file in files:
        if file.suffix == ".safetensors":
            found |= {name: of_entry(entry) for name, entry in read_entries(file).items()}
        else:
            found |= contents(file).weights()
    return found


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
    """A JSON file's object.

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
