"""A checkpoint to an adapter that any program with PEFT can load. Knows runs and PEFT's format; builds no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, Failed, UnknownName
from workbench.export.cards import adapter_card
from workbench.export.folders import new_folder
from workbench.export.lora import CONFIG, WEIGHTS, Adapter, is_inert, read_adapter
from workbench.export.notes import base_note, dress_folder, header, template_note, tokenizer_on
from workbench.export.plan import plan
from workbench.export.sidecars import base_config, copy_tokenizer, generation_config, model_folder, write_json
from workbench.export.source import Source, find_source, is_whole
from workbench.export.tensors import save, weight_entries
from workbench.export.whole import write_whole
from workbench.models.notes import MARK, changed, part, read_note, settings
from workbench.models.projector import FOLDER, of_adapter, write_projector
from workbench.models.seeing import joined, parted

if TYPE_CHECKING:
    import torch

# The settings of a recipe that a card tells.
_RECIPE = {
    "model": ("quantization",),
    "adapter": ("method", "r", "lora_alpha", "use_rslora"),
    "optimizer": ("optim", "learning_rate"),
    "schedule": ("num_train_epochs", "max_steps", "per_device_train_batch_size", "gradient_accumulation_steps"),
    "data": ("loss_on", "max_length", "ratio"),
    "runtime": ("seed",),
}


def convert(
    run_or_checkpoint: str | Path,
    out: str | Path,
    *,
    overwrite: bool = False,
    chosen: Callable[[Source], None] | None = None,
) -> Path:
    """Write an adapter folder in PEFT's format, with all that is needed to serve it as it was trained.

    A checkpoint of full fine-tuning becomes a model's folder, as a merge writes it: there is no adapter.

    Args:
        run_or_checkpoint: a run folder (its best checkpoint, else the latest) or one checkpoint.
        out: the folder to make.
        overwrite: replace a folder that was made here before.
        chosen: told which checkpoint it is.

    Returns:
        The folder: weights, settings, tokenizer, ``generation_config.json`` with all stop tokens, ``workbench.json``
        (base and template with their fingerprints, persona, recipe, versions), and a model card.

    Raises:
        BadInput: no finished checkpoint, one that changes nothing, or one that does not fit its base.
        OutputExists: ``out`` is not empty. Failed: no space.
    """
    source = find_source(run_or_checkpoint)
    if chosen:
        chosen(source)
    facts = _know(source)
    if is_whole(source.checkpoint):
        return _convert_whole(facts, out, overwrite=overwrite)
    adapter = read_adapter(source.checkpoint)
    base = _base_name(adapter.config, facts)
    folder = _local(base)
    if is_inert(adapter):
        raise BadInput("export.inert", folder=source.checkpoint)
    if folder is not None:
        _check_fit(adapter, folder)
    with new_folder(out, overwrite=overwrite, sources=(source.checkpoint,)) as target:
        tensors = adapter_tensors(adapter)
        save(target / WEIGHTS, tensors)
        if projector := of_adapter(tensors):
            tower = parted(base)
            write_projector(target / FOLDER, projector, tower=tower[1] if tower else base)
        write_json(target / CONFIG, {**adapter.config, "base_model_name_or_path": base, "inference_mode": True})
        copy_tokenizer([source.checkpoint, *([folder] if folder else [])], target)
        dress_folder(target, _wanted(facts))
        note = _note(base, facts, target, folder)
        config = base_config(folder) if folder else {}
        ends = generation_config(folder or target, config, note.get("stop_ids", ()))
        write_json(target / "generation_config.json", ends)
        write_json(target / MARK, note)
        (target / "README.md").write_text(adapter_card(note), encoding="utf-8")
    return Path(out)


def _convert_whole(facts: _Known, out: str | Path, *, overwrite: bool) -> Path:
    base = _base_name({}, facts)
    folder = _local(base)
    tokenizer = folder or facts.source.checkpoint
    note = _note(base, facts, tokenizer, folder) | {"kind": "merged"}
    note.setdefault("stop_ids", [])
    return write_whole(facts.source.checkpoint, folder, out, note, overwrite=overwrite)


def adapter_tensors(adapter: Adapter) -> dict[str, torch.Tensor]:
    """Return the adapter's tensors under PEFT's names; the one place that knows how a checkpoint stores them.

    Raises:
        BadInput: one of them holds something that is not a number.
    """
    return {name: adapter.read(name) for name in adapter.entries}


@dataclass(frozen=True, slots=True)
class _Known:
    """A source with what its run says of it; empty mappings where there is no run, or it cannot be read."""

    source: Source
    recipe: Mapping[str, Any]
    manifest: Mapping[str, Any]


def _know(source: Source) -> _Known:
    if source.run is None:
        return _Known(source, {}, {})
    from workbench.runs import Run
    from workbench.training.yamltext import read_yaml

    run = Run(source.run)
    try:
        recipe = read_yaml(run.path / "recipe.yaml")
    except (OSError, ValueError):
        recipe = None  # finished checkpoints still convert
    return _Known(source, recipe if isinstance(recipe, dict) else {}, run.manifest())


def _base_name(config: Mapping[str, Any], facts: _Known) -> str:
    """The base's name, as a person would write it: PEFT notes the folder that it was loaded from."""
    from workbench.models import resolve

    name = part(facts.recipe, "model").get("name") or facts.manifest.get("base")
    if name and (tower := part(facts.recipe, "vision").get("tower")):
        return joined(str(name), str(tower))
    named = str(name or config.get("base_model_name_or_path") or "")
    return "pocket" if named and Path(named) == Path(resolve("pocket")) else named


def _local(base: str) -> Path | None:
    """The base's folder, where its files are on this machine."""
    try:
        return model_folder(base, fetch=False) if base else None
    except (UnknownName, Failed):
        return None


def _check_fit(adapter: Adapter, base: Path) -> None:
    plan(weight_entries(base), {**base_config(base), "quantization_config": None}, adapter)


def _note(base: str, facts: _Known, target: Path, folder: Path | None) -> dict[str, Any]:
    source, recipe = facts.source, facts.recipe
    note = header("adapter") | {
        "base": _base(base, facts),
        "persona": part(recipe, "persona"),
        "recipe": _short(recipe),
    }
    note["run"] = {} if source.run is None else {"name": source.run.name}
    for key in ("step", "score", "reason"):
        if getattr(source, key) not in (None, ""):
            note["run"][key] = getattr(source, key)
    note["run"] |= _judged(source)
    return note | _template(facts, target, folder)


def _judged(source: Source) -> dict[str, str]:
    """The word of the verdict on the checkpoint, where its run judged it."""
    from workbench.runs import Run, VerdictEvent

    events = Run(source.run).events.all() if source.run is not None else []
    verdicts = [event.verdict for event in events if isinstance(event, VerdictEvent) and event.step == source.step]
    return {"verdict": verdicts[-1]} if verdicts and source.step is not None else {}


def _base(base: str, facts: _Known) -> dict[str, Any]:
    trained_on = facts.manifest.get("base_fingerprint")
    if not base:
        return {}
    try:
        return base_note(base, str(trained_on or ""))
    except UnknownName:
        return {"name": base}


def _template(facts: _Known, target: Path, folder: Path | None) -> dict[str, Any]:
    """The template and its stop tokens: the run's; of a checkpoint alone, what its note or its tokenizer says."""
    earlier = read_note(facts.source.checkpoint)
    if facts.source.run is None and earlier:
        keys = ("template", "stop_ids", "base", "persona", "recipe", "run")
        return {key: earlier[key] for key in keys if key in earlier}
    described = _wanted(facts)
    name = described["name"]
    if not (target / "tokenizer_config.json").is_file():
        return {"template": {**described, "fingerprint": str(facts.manifest.get("template_hash", ""))}}
    from workbench.templates import dressed

    options = settings(described)
    note = template_note(dressed(tokenizer_on(folder, target), name, **options), name, **options)
    trained = str(facts.manifest.get("template_hash") or "")
    if trained:  # what the run rendered counts, even if the tokenizer's files were changed since
        note["template"]["fingerprint"] = trained
    return note


def _wanted(facts: _Known) -> dict[str, Any]:
    """The part ``template`` of the note, as far as the run's recipe tells it, else the checkpoint's own note."""
    if facts.source.run is None:
        return {"name": None, **part(read_note(facts.source.checkpoint), "template")}
    data = part(facts.recipe, "data")
    name = part(facts.recipe, "model").get("template") or None
    return {"name": name, **changed(str(data.get("system") or "keep"), str(data.get("thinking") or "keep"))}


def _short(recipe: Mapping[str, Any]) -> dict[str, Any]:
    groups = [(part(recipe, group), keys) for group, keys in _RECIPE.items()]
    return {key: group[key] for group, keys in groups for key in keys if key in group}
