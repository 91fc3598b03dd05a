"""Before a start: settings that cannot go together, or that this machine or this base cannot do. Loads no model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, BadSetting, Failed, WorkbenchError, nearest
from workbench.models.kernels import has_liger
from workbench.training.optimizers import ADAMW
from workbench.training.reporting import check_writers
from workbench.training.settings import Recipe

if TYPE_CHECKING:
    from workbench.runs import Run

# a run and one of its checkpoints
_STEP = re.compile(r"(.+)@(\d+)")
# The head of a base whose embeddings serve for it too is in no file.
SHARED = "lm_head"


def check_settings(recipe: Recipe) -> None:
    """Refuse settings that cannot go together.

    Raises:
        BadSetting: a setting does not go with another, or is not there. UnknownName: no such format of data.
        Failed: what a setting needs is not installed.
    """
    from workbench.data.formats import known_format

    known_format(recipe.data.format)
    _check_optimizer(recipe.optimizer.optim)
    _check_device(recipe.runtime.device)
    _check_liger(recipe)
    check_writers(recipe.runtime.report_to)
    mode, method = recipe.runtime.deepspeed, recipe.adapter.method
    _check_vision(recipe)
    if method == "full" and recipe.model.quantization != "none":
        raise BadSetting("training.full_needs_16bit")
    if recipe.runtime.nproc > 1 and not mode:
        raise BadSetting("training.nproc_needs_deepspeed", nproc=recipe.runtime.nproc)
    if mode and mode.startswith("zero3") and recipe.model.quantization != "none":
        raise BadSetting("training.zero3_needs_16bit", given=mode)
    if mode and method == "adalora":
        raise BadSetting("training.zero_without_adalora", given=mode)
    if mode and recipe.optimizer.optim not in ADAMW:
        raise BadSetting("training.zero_optimizer", given=mode, optim=recipe.optimizer.optim)
    if mode and find_spec("deepspeed") is None:
        raise Failed("training.no_deepspeed", given=mode)


def _check_vision(recipe: Recipe) -> None:
    """
    Raises:
        BadSetting: a setting of pictures without a tower, or one that does not go with pictures.
    """
    vision, method = recipe.vision, recipe.adapter.method
    if not vision.tower and not ((method != "lora" or recipe.data.packing) and _base_sees(recipe)):
        if method == "none":
            raise BadSetting("training.nothing_trains", given=method)
        return
    if recipe.data.packing:
        raise BadSetting("training.packing_pictures")
    if method in ("full", "adalora"):
        raise BadSetting("training.vision_method", given=method)
    if method == "none" and not vision.train_projector:
        raise BadSetting("training.nothing_trains", given=method)


def _base_sees(recipe: Recipe) -> bool:
    """Whether the base sees by itself; a base that is not here is refused where it is looked for."""
    from workbench.training.execution import sees

    try:
        return sees(recipe)
    except WorkbenchError:
        return False


def adapter_folder(start: str) -> Path:
    """Return the folder of the adapter with which a training begins.

    Args:
        start: a run (its best checkpoint, else its latest), ``RUN@STEP`` (that checkpoint of it), a checkpoint, an
            adapter's folder, or a folder that ``workbench import`` made.

    Raises:
        BadInput: there is none in PEFT's format, or no such checkpoint.
    """
    from workbench.runs import Run, is_run

    folder = Path(start).expanduser()
    if not folder.exists() and (chosen := _STEP.fullmatch(start)) and is_run(Path(chosen[1]).expanduser()):
        return _check_adapter(_checkpoint(Run(Path(chosen[1]).expanduser()), int(chosen[2])), start)
    if is_run(folder):
        run = Run(folder)
        checkpoint = run.best() or run.latest()
        folder = checkpoint.path if checkpoint else folder
    elif not (folder / "adapter_config.json").exists() and (folder / "adapter").is_dir():
        folder = folder / "adapter"
    return _check_adapter(folder, start)


def projector_folder(start: str) -> Path:
    """Return the folder of the projector with which a training begins.

    Args:
        start: a projector's folder or one that holds it, a run (its best checkpoint, else its latest), ``RUN@STEP``, a
            checkpoint, or an adapter's folder.

    Raises:
        BadInput: there is none.
    """
    from workbench.models.projector import find_projector
    from workbench.runs import is_run

    folder = Path(start).expanduser()
    if is_run(folder) or (not folder.exists() and _STEP.fullmatch(start)):
        folder = adapter_folder(start)
    return find_projector(folder)


def _checkpoint(run: Run, step: int) -> Path:
    """
    Raises:
        BadInput: the run has none of that step; names those that it has.
    """
    saved = {one.step: one.path for one in run.checkpoints()}
    if step not in saved:
        raise BadInput("training.no_such_step", run=run.path, given=step, steps=tuple(saved) or "–")
    return saved[step]


def _check_adapter(folder: Path, start: str) -> Path:
    """
    Raises:
        BadInput: there is no adapter in PEFT's format.
    """
    if (folder / "config.json").is_file() and not (folder / "adapter_config.json").is_file():
        raise BadInput("training.start_is_model", given=start)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (folder / name).is_file():
            raise BadInput("training.no_such_start", given=start, file=name)
    return folder


def _check_start(recipe: Recipe) -> None:
    """
    Raises:
        BadInput: no such adapter, or a damaged one, or one of another base. BadSetting: no adapter is trained.
    """
    from workbench.models import adapters
    from workbench.models.notes import other_base, part, read_note
    from workbench.runs import Run, is_run

    if not recipe.adapter.start:
        return
    if recipe.adapter.method != "lora":
        raise BadSetting("training.start_needs_lora", given=recipe.adapter.method)
    folder = adapters.check(adapter_folder(recipe.adapter.start))
    note, run = read_note(folder), folder.absolute().parent.parent
    if not note and is_run(run):
        manifest = Run(run).manifest()
        note = {"base": {"name": manifest.get("base"), "fingerprint": manifest.get("base_fingerprint")}}
    if other_base(note, recipe.base):
        details = {"given": recipe.adapter.start, "base": part(note, "base").get("name"), "model": recipe.base}
        raise BadInput("training.start_other_base", **details)


def check_base(recipe: Recipe) -> None:
    """Check what the files of a base on this machine tell; a hub id is looked at when it is loaded.

    Raises:
        UnknownName: no such model. BadInput: a file of it is damaged. BadSetting: it does not read so many tokens, or
            has no such layers.
    """
    from workbench.models import resolve
    from workbench.models.folders import check_folder
    from workbench.models.headers import settings
    from workbench.models.internlm import layers

    _check_start(recipe)
    folder = Path(resolve(recipe.base))
    if not folder.is_dir():
        return
    check_folder(folder)
    told = settings(folder)
    inner = told.get("text_config")
    check_length(recipe, (inner if isinstance(inner, dict) else told).get("max_position_embeddings"))
    if recipe.adapter.method != "full" and (names := layers(folder)):
        _check_layers(recipe, {*names, SHARED})


def check_length(recipe: Recipe, limit: object) -> None:
    """Refuse conversations longer than the base reads.

    Args:
        limit: the tokens that the base reads at most, where it says so.

    Raises:
        BadSetting: ``max_length`` is more.
    """
    if isinstance(limit, int) and 0 < limit < recipe.data.max_length:
        raise BadSetting("training.too_long", given=recipe.data.max_length, model=recipe.base, limit=limit)


def no_such_layers(recipe: Recipe, layer_names: Iterable[str]) -> BadSetting:
    """Return the refusal of ``target_modules``, with the nearest of the layers' names."""
    targets = recipe.adapter.target_modules
    first = targets if isinstance(targets, str) else next(iter(targets), "")
    names = {name.rpartition(".")[2] for name in layer_names}
    close = nearest(first.rpartition(".")[2], {name for name in names if not name.isdigit()})
    return BadSetting("training.no_such_layers", given=targets, model=recipe.base, nearest=close)


def _check_layers(recipe: Recipe, names: set[str]) -> None:
    """PEFT's rule: a list's names are ends of layers' names, and a text is a pattern; only a plain word is judged."""
    targets = recipe.adapter.target_modules
    if isinstance(targets, str):
        matches = targets == "all-linear" or not re.fullmatch(r"\w+", targets) or targets in names
    else:
        matches = any(f".{name}".endswith(f".{end}") for name in names for end in targets)
    if not matches:
        raise no_such_layers(recipe, names)


# Optimizers that move weights within the backward pass, or switch between two sets of them.
WITHIN = re.compile(r".*_layerwise|lomo|adalomo|schedule_free_.*")


def optimizers() -> set[str]:
    """Return the names that transformers' OptimizerNames has, read from its source: importing it would take seconds."""
    spec = find_spec("transformers")
    file = Path(spec.origin).with_name("training_args.py") if spec and spec.origin else None
    source = file.read_text(encoding="utf-8") if file and file.is_file() else ""
    members = source.partition("class OptimizerNames(")[2].partition("\n\n\n")[0]
    return set(re.findall(r'^    [A-Z]\w* = "(\w+)"', members, re.M))


def _check_optimizer(name: str) -> None:
    names = optimizers()
    if names and name not in names:
        raise BadSetting("training.no_such_optimizer", given=name, nearest=nearest(name, names))
    if WITHIN.fullmatch(name):
        raise BadSetting("training.optimizer_within", given=name)


def _check_liger(recipe: Recipe) -> None:
    if not recipe.runtime.use_liger_kernel:
        return
    if not has_liger():
        raise Failed("training.no_liger")
    from workbench.models import best_device

    device = recipe.runtime.device or best_device()
    if not device.startswith("cuda"):
        raise BadSetting("training.liger_needs_gpu", device=device)


def _check_device(name: str | None) -> None:
    if name is None or name == "cpu":
        return
    import torch

    devices = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadSetting("training.no_such_device", given=name, here=tuple(devices)) from None
    device_name = "mps" if device.type == "mps" else str(device)
    if device.type in ("cuda", "mps") and not any(
        f"{available}:".startswith(f"{device_name}:") for available in devices
    ):
        raise BadSetting("training.no_such_device", given=name, here=tuple(devices))


def check_same(run: Run, recipe: Recipe, data: str, tokenizer: Any, *, note: bool) -> None:
    """Refuse to go on with another base or other data than the run began with, or rendered otherwise.

    Args:
        data: the fingerprint of the data now.
        note: write what is so far not known into the run's manifest.

    Raises:
        BadInput: base, data or template have changed.
    """
    from workbench.models import fingerprint
    from workbench.runs import write_json
    from workbench.training.data import template_of

    chosen = template_of(recipe, tokenizer)
    now = {"data_sha256": data, "template_hash": chosen.fingerprint(tokenizer)}
    manifest = run.manifest()
    before = {name: manifest.get(name) or value for name, value in now.items()}
    base = str(manifest.get("base_fingerprint") or "")
    if base and fingerprint(recipe.base, like=base) != base:
        raise BadInput("training.base_changed", run=run.path, model=recipe.base)
    if before["data_sha256"] != data:
        raise BadInput("training.data_changed", run=run.path)
    if before != now:
        raise BadInput("training.template_changed", run=run.path)
    if note:
        write_json(run.path / "manifest.json", {**manifest, **now, "template": chosen.name})
