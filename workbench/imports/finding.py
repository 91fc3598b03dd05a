"""What lies in a path that somebody brings: told by looking inside, never by the folder's name. Knows what XTuner
leaves behind; reads no tensor."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workbench.errors import BadInput
from workbench.imports.deepspeed import is_deepspeed
from workbench.runs.files import LARGEST, read_bounded
from workbench.texts import first_of

Kind = Literal["config", "checkpoint", "deepspeed", "adapter", "projector", "tower", "model"]
DEEPEST, MOST = 8, 50_000
_CONFIG = re.compile(
    r"^[+ ]?\s*(model|train_dataloader|pretrained_model_name_or_path|llm_name_or_path|optim_wrapper|train_cfg)\s*=",
    re.M,
)
_NUMBER = re.compile(r"\d+")
_CHECKPOINT = re.compile(r"(iter|epoch|step)_\d+\.pth")
WEIGHTS = (".pth", ".pt", ".bin")


@dataclass(frozen=True, slots=True)
class Thing:
    """Hold one thing that was brought.

    Args:
        kind: what it is.
        path: where.
        given: whether it was itself named.
    """

    kind: Kind
    path: Path
    given: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """Hold what is read of all that was brought.

    Args:
        weights: the things that hold tensors: one checkpoint, or the parts of a converted folder.
        config: the config that was named or lies nearest; None where there is none.
        left: what is there besides.
    """

    weights: tuple[Thing, ...]
    config: Thing | None
    left: tuple[Thing, ...]


def things(paths: Sequence[Path]) -> list[Thing]:
    """Return all that is in ``paths``.

    Raises:
        BadInput: one is not there, or is of no kind that is read here.
    """
    candidates: list[Thing] = []
    for path in paths:
        if path.is_dir():
            inside = list(_in_folder(path, 0))
            is_whole = inside and inside[0].path == path
            candidates += [Thing(thing.kind, thing.path, bool(is_whole and i == 0)) for i, thing in enumerate(inside)]
        elif path.is_file():
            candidates.append(_of_file(path))
        else:
            raise BadInput("imports.not_there", path=path)
    if not candidates:
        raise BadInput("imports.nothing_there", path=paths[0] if paths else "")
    return candidates


def _of_file(file: Path) -> Thing:
    """What a file is; one of a converted folder's weights stands for the folder."""
    if file.suffix in (".safetensors", ".bin"):
        converted = _converted(file.parent, set(os.listdir(file.parent)))  # noqa: PTH208
        if converted:
            return Thing(converted, file.parent, given=True)
    return Thing(_kind_of(file), file, given=True)


def _kind_of(file: Path) -> Kind:
    if file.suffix in (".py", ".yaml", ".yml", ".json", ".md", ".txt"):
        return "config"
    if file.suffix in WEIGHTS or _magic(file) in (b"PK", b"\x80\x02", b"\x80\x04", b"ve"):
        return "checkpoint"
    raise BadInput("imports.unknown_kind", path=file)


def _magic(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(2)


def _in_folder(folder: Path, deep: int) -> Iterator[Thing]:
    if deep > DEEPEST:
        return
    if is_deepspeed(folder):
        yield Thing("deepspeed", folder)
        return
    names = sorted(os.listdir(folder))[:MOST]  # noqa: PTH208
    converted = _converted(folder, set(names))
    if converted:
        yield Thing(converted, folder)
    for name in names:
        path = folder / name
        if path.is_symlink() and not _inside(path, folder):
            continue
        if path.is_dir():
            yield from _in_folder(path, deep + 1)
        elif not path.is_file():  # a pipe would be waited for
            continue
        elif path.suffix == ".py" and _looks_like_a_config(path):
            yield Thing("config", path)
        elif path.suffix == ".pth" or (path.suffix in WEIGHTS and not converted):
            yield Thing("checkpoint", path)


def _inside(path: Path, folder: Path) -> bool:
    return folder.resolve() in path.resolve().parents


def _converted(folder: Path, names: set[str]) -> Kind | None:
    """What kind of converted folder it is."""
    if "adapter_config.json" in names:
        return "adapter"
    weights = any(name.endswith((".bin", ".safetensors")) for name in names)
    if "config.json" not in names or not weights:
        return None
    try:
        config = json.loads(read_bounded(folder / "config.json", LARGEST))
        kind = str(config.get("model_type", ""))
    except (ValueError, OSError, AttributeError, RecursionError):
        return "model"
    if kind == "projector":
        return "projector"
    return "tower" if kind.startswith(("clip", "siglip", "dinov2")) else "model"


def _looks_like_a_config(file: Path) -> bool:
    with file.open("rb") as opened:
        head = opened.read(1 << 18).decode("utf-8", "replace")
    return bool(_CONFIG.search(head)) and "def forward" not in head


def choose(candidates: Sequence[Thing]) -> Chosen:
    """Return what of it is read: what was named; of a run's checkpoints the newest; of a folder of both kinds the
    checkpoint, whose numbers are exact.

    Raises:
        BadInput: there are several of a kind, and none of them was named.
    """
    configs = [thing for thing in candidates if thing.kind == "config"]
    weights = _weights([thing for thing in candidates if thing.kind != "config"])
    config = _config(configs, weights)
    unused = tuple(thing for thing in candidates if thing not in weights and thing != config and thing.kind != "config")
    return Chosen(weights, config, unused)


def _weights(candidates: Sequence[Thing]) -> tuple[Thing, ...]:
    named = [thing for thing in candidates if thing.given]
    parts = [thing for thing in candidates if thing.kind in ("projector", "tower")]
    if named:
        return (*named, *(part for part in parts if not part.given and _parent_of_one(part, named)))
    pickled = [thing for thing in candidates if thing.kind in ("checkpoint", "deepspeed")]
    runs = {thing.path.parent for thing in pickled if _CHECKPOINT.fullmatch(thing.path.name)}
    if len(runs) > 1:
        raise BadInput("imports.several", found=_list(runs))
    if runs:
        return (_newest([thing for thing in pickled if thing.path.parent in runs]),)
    if pickled:
        return _single(pickled)
    adapters = [thing for thing in candidates if thing.kind == "adapter"]
    towers = [thing for thing in adapters if "visual" in thing.path.name]
    plain = [thing for thing in adapters if thing not in towers]
    if plain or towers or parts:
        return (*_single(plain), *_single(towers), *parts)
    return _single([thing for thing in candidates if thing.kind == "model"])


def _parent_of_one(part: Thing, named: Sequence[Thing]) -> bool:
    return any(thing.path in part.path.parents for thing in named)


def _single(candidates: Sequence[Thing]) -> tuple[Thing, ...]:
    if len(candidates) > 1:
        raise BadInput("imports.several", found=_list({thing.path for thing in candidates}))
    return tuple(candidates)


def _newest(candidates: Sequence[Thing]) -> Thing:
    """The one that ``last_checkpoint`` names (by its last part: the path is of their machine), else the highest."""
    last = candidates[0].path.parent / "last_checkpoint"
    try:
        name = re.split(r"[/\\]", read_bounded(last, LARGEST).decode("utf-8", "replace").strip())[-1]
    except OSError:
        name = ""
    latest = next((thing for thing in candidates if thing.path.name == name), None)
    return latest or max(candidates, key=lambda thing: [int(n) for n in _NUMBER.findall(thing.path.stem)])


def _config(configs: Sequence[Thing], weights: Sequence[Thing]) -> Thing | None:
    named = [thing for thing in configs if thing.given]
    if len(named) > 1:
        raise BadInput("imports.several", found=_list({thing.path for thing in named}))
    if named or not configs:
        return named[0] if named else None
    near = {weight.path if weight.path.is_dir() else weight.path.parent for weight in weights}
    near |= {weight.path.parent for weight in weights}
    neighbours = [thing for thing in configs if thing.path.parent in near]
    if not neighbours and not weights and len({thing.path.name for thing in configs}) > 1:
        tops = [thing for thing in configs if "vis_data" not in thing.path.parts]
        if len(tops) != 1:
            raise BadInput("imports.several", found=_list({thing.path for thing in tops or configs}))
        return tops[0]
    return min(neighbours or configs, key=lambda thing: (len(thing.path.parts), str(thing.path)))


def _list(paths: set[Path]) -> tuple[object, ...]:
    return first_of(sorted(map(str, paths)), 6)
