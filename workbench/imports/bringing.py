"""From what somebody brings to a recipe, an adapter in PEFT's format, and a table of what became of what. Knows the
order of the work; nothing of formats."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, WorkbenchError
from workbench.imports import seeing, writing
from workbench.imports.configs import read_config, read_text
from workbench.imports.draft import Draft
from workbench.imports.facts import Row
from workbench.imports.finding import Chosen, choose, things
from workbench.imports.recipe import draft
from workbench.imports.values import Read
from workbench.imports.weights import Brought as Weights
from workbench.imports.weights import gather
from workbench.imports.work import Work
from workbench.imports.zips import is_zip, unpack

if TYPE_CHECKING:
    from workbench.training.settings import Recipe


@dataclass(slots=True)
class Brought:
    """Hold what an import left.

    Args:
        out: the folder that was made; None where nothing was to be written.
        recipe: None where no config came along.
        rows: the table "theirs, ours, note".
        parts: folder of ``out`` -> how many tensors it holds: ``adapter``, ``model``, ``projector`` …
        base: the model that the adapter is for, as it is called here.
        tower: the vision encoder of a LLaVA, as it is called here; empty where none was brought.
    """

    out: Path | None
    recipe: Recipe | None
    rows: list[Row]
    parts: dict[str, int] = field(default_factory=dict)
    base: str = ""
    tower: str = ""


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
        sketch = draft(read, where, base=base, weighs=not chosen.weights) if read else _without_config(weights, base)
        sketch.rows = [*weights.rows, *sketch.rows, *(_left(thing.path, places, paths) for thing in chosen.left)]
        work = Work(weights, sketch, read, base, dtype)
        recipe = _checked(sketch, where) if read else None
        parts = work.parts()
        llava = work.seeing(parts.get("adapter", {}))
        if out is not None:
            folders = {**parts, seeing.FOLDER: llava} if llava else parts
            _write(work, Path(out), recipe, folders, overwrite=overwrite, sources=places)
        counts = {name: len(part) for name, part in parts.items()}
        tower = (work.tower_base or "TOWER") if llava else ""
        return Brought(None if out is None else Path(out), recipe, sketch.rows, counts, work.base, tower)


@contextmanager
def _unpacked(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The paths, zips unpacked for as long as this lasts. An error in what was unpacked names the zip."""
    with tempfile.TemporaryDirectory(prefix="workbench-import-") as scratch:
        places: list[Path] = []
        names: dict[str, str] = {}
        for i, path in enumerate(paths):
            if path.is_file() and is_zip(path):
                folder = Path(scratch) / str(i) / path.stem
                folder.mkdir(parents=True)
                places.append(unpack(path, folder))
                names[str(folder)] = str(path)
            else:
                places.append(path)
        try:
            yield places
        except WorkbenchError as error:
            raise type(error)(
                error.key, **{key: _by_zip(value, names) for key, value in error.values.items()}
            ) from None


def _by_zip(value: object, names: Mapping[str, str]) -> object:
    """A value of an error's sentence, with the names of zips in the place of those of the folders they lie in now."""
    if not isinstance(value, (str, Path)):
        return value
    for folder, name in names.items():
        value = str(value).replace(folder, name)
    return value


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
    sketch = Draft()
    if not base and not weights.settings.get("llm") and weights.parts.model and weights.folder is None:
        raise BadInput("imports.base_needed", file="–")
    sketch.leave("–", "no_config")
    return sketch


def _left(path: Path, places: Sequence[Path], paths: Sequence[str | Path]) -> Row:
    names = {str(place): str(name) for place, name in zip(places, paths, strict=True)}
    return Row(str(_by_zip(str(path), names)), "", "imports.note.not_taken", "left")


def _checked(sketch: Draft, where: str) -> Recipe:
    from workbench.training.recipe import check_recipe

    return check_recipe(sketch.settings, where=where)


def _write(
    work: Work, out: Path, recipe: Recipe | None, parts: Mapping[str, dict[str, Any]], *, overwrite: bool,
    sources: Sequence[Path],
) -> None:  # fmt: skip
    from workbench.export.folders import new_folder

    folders = [path for path in sources if path.is_dir()]
    need = sum(length for part in parts.values() for tensor in part.values() for _, _, length in tensor.ranges)
    with new_folder(out, overwrite=overwrite, sources=folders, need=need) as folder:
        for name, tensors in parts.items():
            if name == seeing.FOLDER:
                writing.llava(folder / name, tensors, work)
            else:
                writing.part(folder / name, name, tensors, work)
        writing.rest(folder, work, recipe, {name: len(tensors) for name, tensors in parts.items()})
