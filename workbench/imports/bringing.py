"""From what somebody brings to a recipe, an adapter in PEFT's format, and a table of what became of what. Knows the
order of the work; nothing of formats."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, UnknownName, WorkbenchError
from workbench.imports.adapters import adapter_config
from workbench.imports.configs import read_config, read_text
from workbench.imports.draft import Draft
from workbench.imports.facts import Facts, Row
from workbench.imports.finding import Chosen, choose, things
from workbench.imports.naming import as_llamas, model_as_llama
from workbench.imports.recipe import base_name, draft
from workbench.imports.values import Read
from workbench.imports.weights import Brought as Weights
from workbench.imports.weights import gather, read_json
from workbench.imports.zips import is_zip, unpack

if TYPE_CHECKING:
    from workbench.training.settings import Recipe


@dataclass(slots=True)
class Brought:
    """What came of it.

    Args:
        out: the folder that was made; None where nothing was to be written.
        recipe: None where no config came along.
        rows: the table "theirs, ours, note".
        parts: folder of ``out`` -> how many tensors it holds: ``adapter``, ``model``, ``projector`` …
        base: the model that the adapter is for, as it is called here.
    """

    out: Path | None
    recipe: Recipe | None
    rows: list[Row]
    parts: dict[str, int] = field(default_factory=dict)
    base: str = ""


def bring(
    paths: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    base: str | None = None,
    dtype: str | None = None,
    overwrite: bool = False,
) -> Brought:
    """Read what XTuner left, and write what the workbench reads: ``recipe.yaml``, ``adapter/`` and ``import.json``.

    No pickle is opened by this process, no config is run, and what is brought is never changed.

    Args:
        paths: configs, ``.pth`` files, DeepSpeed's folders, converted folders, work_dirs, zips of these.
        out: the folder to make; None: only say what would come of it.
        base: the model that was trained, as it is called here: the paths in a config are of another machine.
        dtype: ``float32``, ``float16`` or ``bfloat16``, of the adapter's numbers; by default as they are.
        overwrite: replace a folder that was made here before.

    Raises:
        BadInput: something cannot be read, or would run something; says the file and the line or the class.
        OutputExists: ``out`` is not empty.
    """
    with _unpacked([Path(path).expanduser() for path in paths]) as places:
        chosen = choose(things(places))
        weights = gather(chosen.weights)
        read, where = _config(chosen, weights)
        made = draft(read, where, base=base) if read else _without_config(weights, base)
        made.rows = [*weights.rows, *made.rows, *(_left(thing.path) for thing in chosen.left)]
        work = _Work(weights, made, read, base, dtype)
        recipe = _checked(made, where) if read else None
        parts = work.parts()
        if out is None:
            return Brought(None, recipe, made.rows, {name: len(part) for name, part in parts.items()}, work.base)
        _write(work, Path(out), recipe, parts, overwrite=overwrite, sources=places)
        return Brought(Path(out), recipe, made.rows, {name: len(part) for name, part in parts.items()}, work.base)


@contextmanager
def _unpacked(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The paths, zips unpacked for as long as this lasts."""
    with tempfile.TemporaryDirectory(prefix="workbench-import-") as scratch:
        places = []
        for i, path in enumerate(paths):
            if path.is_file() and is_zip(path):
                folder = Path(scratch) / str(i) / path.stem
                folder.mkdir(parents=True)
                places.append(unpack(path, folder))
            else:
                places.append(path)
        yield places


def _config(chosen: Chosen, weights: Weights) -> tuple[Read | None, str]:
    """The config that counts: the one that was named, else the one that the checkpoint carries, else the nearest."""
    named = chosen.config if chosen.config and chosen.config.given else None
    if named:
        return read_config(named.path), str(named.path)
    if weights.config_text:
        where = f"{chosen.weights[0].path.name}: meta.cfg"
        return read_text(weights.config_text, where), where
    if chosen.config:
        return read_config(chosen.config.path), str(chosen.config.path)
    return None, ""


def _without_config(weights: Weights, base: str | None) -> Draft:
    made = Draft()
    if not base and not weights.settings.get("llm") and weights.parts.model and weights.folder is None:
        raise BadInput("imports.base_needed", file="–")
    made.leave("–", "no_config")
    return made


def _left(path: Path) -> Row:
    return Row(str(path), "", "imports.note.not_taken", "left")


def _checked(made: Draft, where: str) -> Recipe:
    from workbench.training.recipe import check_recipe

    return check_recipe(made.settings, where=where)


class _Work:
    """What is written, and of what."""

    def __init__(self, weights: Weights, made: Draft, read: Read | None, base: str | None, dtype: str | None) -> None:
        self.weights, self.made, self.dtype = weights, made, dtype
        self.lora = Facts(read.values).get("model.lora") or Facts(read.values).get("model.llm_lora") if read else None
        self.tower_lora = Facts(read.values).get("model.visual_encoder_lora") if read else None
        tower = Facts(read.values).get("model.visual_encoder.pretrained_model_name_or_path") if read else None
        self.tower_base = base_name(str(tower))[0] if tower else ""
        told = (weights.settings.get("llm") or {}).get("base_model_name_or_path")
        self.base = base or str(made.settings.get("model", {}).get("name") or told or "")
        self.folder = self._local(required=bool(base))
        self.where = weights.rows[0].theirs if weights.rows else ""

    def _local(self, *, required: bool) -> Path | None:
        """The base's folder, where it is on this machine."""
        from workbench.export.sidecars import model_folder

        try:
            return model_folder(self.base, fetch=False) if self.base else None
        except (UnknownName, WorkbenchError):
            if required and "/" not in self.base:
                raise
            return None

    @property
    def config(self) -> Mapping[str, Any] | None:
        """The base's ``config.json``, as it lies there."""
        folder = self.weights.folder or self.folder
        return read_json(folder / "config.json") if folder and (folder / "config.json").is_file() else None

    def parts(self) -> dict[str, dict[str, Any]]:
        """Folder -> its tensors, under the names that are written."""
        parts = self.weights.parts
        found: dict[str, dict[str, Any]] = {}
        if parts.adapter:
            found["adapter"], note = as_llamas(parts.adapter, self.config, self.where)
            if note:
                self.made.rows.append(Row("attention.wqkv, w1 …", "q_proj, k_proj, v_proj …", f"imports.note.{note}",
                                          "translated"))  # fmt: skip
        if parts.model:
            if self.config is None:
                raise BadInput("imports.base_needed", file=self.where)
            found["model"] = model_as_llama(parts.model, self.config)
        extra = {"projector": parts.projector, "visual_encoder_adapter": parts.tower_adapter}
        extra["visual_encoder"] = parts.tower
        found |= {name: part for name, part in extra.items() if part}
        return found

    def adapter_settings(self, tensors: dict[str, Any]) -> dict[str, Any]:
        """``adapter_config.json`` of the language model's adapter."""
        theirs = self.weights.settings.get("llm")
        return adapter_config(tensors, theirs, self.lora, self.base, self.where)


def _write(
    work: _Work, out: Path, recipe: Recipe | None, parts: Mapping[str, dict[str, Any]], *, overwrite: bool,
    sources: Sequence[Path],
) -> None:  # fmt: skip
    from workbench.export.folders import new_folder
    from workbench.imports import writing

    folders = [path for path in sources if path.is_dir()]
    need = sum(length for part in parts.values() for one in part.values() for _, _, length in one.ranges)
    with new_folder(out, overwrite=overwrite, sources=folders, need=need) as folder:
        for name, tensors in parts.items():
            writing.part(folder / name, name, tensors, work)
        writing.rest(folder, work, recipe, {name: len(tensors) for name, tensors in parts.items()})
