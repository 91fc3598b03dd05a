"""A config of XTuner's as a recipe of ours, with the table of what became of each setting. Knows the settings of both;
reads no file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from workbench.errors import BadInput, nearest
from workbench.imports.draft import Draft, number
from workbench.imports.facts import Facts, Row, last, shown
from workbench.imports.recipe_data import dataset_of, read_data
from workbench.imports.recipe_model import read_model, read_runtime
from workbench.imports.recipe_pictures import is_llava
from workbench.imports.values import Read, Unread
from workbench.models import seeing

OPTIMIZERS = {
    "AdamW": "adamw_torch", "Adam": "adamw_torch", "PagedAdamW32bit": "paged_adamw_32bit",
    "PagedAdamW8bit": "paged_adamw_8bit", "PagedAdamW": "paged_adamw_32bit", "AdamW8bit": "adamw_8bit", "SGD": "sgd",
    "Adafactor": "adafactor", "Lion": "lion_32bit", "PagedLion32bit": "paged_lion_32bit",
}  # fmt: skip
SCHEDULES = {"CosineAnnealingLR": "cosine", "LinearLR": "linear", "ConstantLR": "constant", "PolyLR": "linear"}
# What XTuner of the versions 0.2 and 1 calls its settings: another program.
SECOND = ("TrainingArguments", "TrainEngineConfig", "FSDPConfig", "TrainerConfig")
WEIGHTY = ("data.train", "model.name")


def draft(read: Read, where: str, *, base: str | None = None, weighs: bool = True) -> Draft:
    """Return the recipe of a config.

    Args:
        read: the config.
        where: its file's name, for errors.
        base: the model to train, where the config's own path is of another machine.
        weighs: whether the config is what counts; beside weights, rows that cannot be read are only told.

    Raises:
        BadInput: it is no config of XTuner's, or of another program of that name; a setting that the training stands
            on was not read; or its rows are made by a function of the person's own, or are pairs.
    """
    facts, sketch = Facts(read.values), Draft()
    _check(facts, where)
    sketch.settings["data"] = {"general": None, "validation_share": 0.0}
    micro = _schedule(facts, sketch)
    for part in (_optimizer, _adapter, _templates):
        part(facts, sketch)
    words, tower = (seeing.parted(base or "") if is_llava(facts) else None) or (base, "")
    read_model(facts, sketch, words)
    read_runtime(facts, sketch)
    read_data(facts, sketch, where, weighs=weighs, tower=tower)
    _periods(facts, sketch, micro)
    _evaluation(facts, sketch)
    for remark in read.remarks:
        sketch.rows.append(Row(remark.source or where, "", remark.key, "left", (("line", str(remark.line)),)))
    if weighs:
        _unread(read, where)
    for path, value in facts.left():
        sketch.leave(shown(path, value), "no_counterpart")
    return sketch


def _check(facts: Facts, where: str) -> None:
    names = set(facts.values)
    second = sorted(
        name for name in SECOND if any(name in str(value) for value in facts.values.values()) or name in names
    )
    if second:
        raise BadInput("imports.config.other_xtuner", file=where, name=second[0])
    keys = {"model", "train_dataloader", "optim_wrapper", "pretrained_model_name_or_path", "llm_name_or_path", "lr",
             "max_epochs", "batch_size", "train_cfg", "prompt_template", "max_length", "evaluation_inputs"}  # fmt: skip
    if not names & keys:
        raise BadInput("imports.config.no_xtuner", file=where)


def _unread(read: Read, where: str) -> None:
    """
    Raises:
        BadInput: what the training stands on was not read.
    """
    keys = ("pretrained_model_name_or_path", "llm_name_or_path", "data_files", "data_path", "alpaca_en_path",
            "dataset_folder", "max_epochs", "lr")  # fmt: skip
    for name in keys:
        value = read.values.get(name)
        if isinstance(value, Unread):
            raise BadInput("imports.config.unread", file=where, line=value.line, name=name, source=value.source)


def _schedule(facts: Facts, sketch: Draft) -> int:
    """Batch, accumulation, epochs; returns the micro-batches of a step."""
    names = ("optim_wrapper.accumulative_counts", "strategy.gradient_accumulation_steps", "accumulative_counts")
    micro, path = facts.take(*names)
    micro = max(1, int(number(micro) or 1))
    if path:
        sketch.put(shown("accumulative_counts", micro), "schedule.gradient_accumulation_steps", micro)
    size, path = facts.take("train_dataloader.batch_size", "batch_size")
    if number(size):
        sketch.put(shown("batch_size", size), "schedule.per_device_train_batch_size", int(size))
    epochs, path = facts.take("train_cfg.max_epochs", "max_epochs")
    if number(epochs):
        sketch.put(shown("max_epochs", epochs), "schedule.num_train_epochs", float(epochs))
    iterations, path = facts.take("train_cfg.max_iters", "max_iters")
    if number(iterations):
        steps = math.ceil(iterations / micro)
        sketch.put(shown("max_iters", iterations), "schedule.max_steps", steps, "iterations", micro=micro)
    return micro


def _optimizer(facts: Facts, sketch: Draft) -> None:
    kind, path = facts.take("optim_wrapper.optimizer.type", "optim_type")
    if path and not isinstance(kind, Unread):
        ours = OPTIMIZERS.get(last(kind))
        if ours is None:
            sketch.leave(shown("optim_type", kind), "optimizer_unknown", name=last(kind))
        else:
            note = "adam_as_adamw" if last(kind) == "Adam" else ""
            sketch.put(shown("optim_type", kind), "optimizer.optim", ours, note, kind="translated")
    for theirs, key in {"lr": "learning_rate", "weight_decay": "weight_decay"}.items():
        value, path = facts.take(f"optim_wrapper.optimizer.{theirs}", theirs)
        if path and number(value) is not None:
            sketch.put(shown(theirs, value), f"optimizer.{key}", float(value))
    betas, path = facts.take("optim_wrapper.optimizer.betas", "betas")
    if isinstance(betas, (list, tuple)) and len(betas) == 2 and all(number(b) is not None for b in betas):
        sketch.put(shown("betas[0]", betas[0]), "optimizer.adam_beta1", float(betas[0]))
        sketch.put(shown("betas[1]", betas[1]), "optimizer.adam_beta2", float(betas[1]))
    norm, path = facts.take("optim_wrapper.clip_grad.max_norm", "strategy.gradient_clipping", "max_norm")
    if path and number(norm) is not None:
        sketch.put(shown("max_norm", norm), "optimizer.max_grad_norm", float(norm))
    _rates(facts, sketch)


def _rates(facts: Facts, sketch: Draft) -> None:
    """Warm-up, and how the rate goes on."""
    scheduler = facts.get("param_scheduler")
    steps = [
        step
        for step in (scheduler if isinstance(scheduler, (list, tuple)) else [scheduler])
        if isinstance(step, Mapping)
    ]
    ratio, path = facts.take("warmup_ratio")
    facts.take("param_scheduler")
    warm = next((s for s in steps if last(s.get("type")) == "LinearLR" and _rises(s)), None)
    rest = [s for s in steps if s is not warm]
    if warm is not None:
        epochs = facts.get("train_cfg.max_epochs") or facts.get("max_epochs")
        epochs = epochs if warm.get("by_epoch", True) else facts.get("train_cfg.max_iters") or facts.get("max_iters")
        if number(warm.get("end")) is not None:
            ratio = round(float(warm["end"]) / float(epochs), 6) if number(epochs) else None
        if number(ratio) is not None and 0 <= float(ratio or 0) <= 1:
            sketch.put(shown("warmup_ratio", ratio), "schedule.warmup_ratio", float(ratio or 0), "warmup")
        else:
            sketch.leave(shown("LinearLR.end", warm.get("end")), "warmup_iterations")
    elif steps:
        sketch.put(
            shown("param_scheduler", [last(s.get("type")) for s in steps]), "schedule.warmup_ratio", 0.0, "no_warmup"
        )
    elif path and number(ratio) is not None:
        sketch.put(shown("warmup_ratio", ratio), "schedule.warmup_ratio", float(ratio))
    for step in rest:
        name = last(step.get("type"))
        ours = SCHEDULES.get(name)
        if ours is None:
            sketch.leave(shown("param_scheduler", name), "schedule_unknown", name=name)
            continue
        ours = "constant_with_warmup" if ours == "constant" and warm is not None else ours
        floor = number(step.get("eta_min")) or 0
        sketch.put(shown("param_scheduler", name), "schedule.lr_scheduler_type", ours, "rate_floor" if floor else "",
                 kind="translated", floor=floor)  # fmt: skip


def _rises(step: Mapping[str, Any]) -> bool:
    return float(number(step.get("start_factor")) or 1 / 3) < float(number(step.get("end_factor")) or 1)


def _adapter(facts: Facts, sketch: Draft) -> None:
    for group in ("model.lora", "model.llm_lora"):
        if isinstance(facts.get(group), Mapping):
            break
    else:
        _without_lora(facts, sketch)
        return
    sketch.settings.setdefault("adapter", {})["method"] = "lora"
    for theirs, default in {"r": 8, "lora_alpha": 8, "lora_dropout": 0.0, "use_rslora": False}.items():
        value, path = facts.take(f"{group}.{theirs}")
        if path or theirs != "use_rslora":
            value = default if value is None else value
            sketch.put(shown(theirs, value), f"adapter.{theirs}", value, "" if path else "peft_default")
    targets, path = facts.take(f"{group}.target_modules")
    if targets is None:
        sketch.put("target_modules = None", "adapter.target_modules", "all-linear", "all_linear")
    elif isinstance(targets, (list, tuple)) and all(isinstance(target, str) for target in targets):
        from workbench.models.internlm import module_name

        ours = list(dict.fromkeys(name for target in targets for name in module_name(str(target))))
        sketch.put(shown("target_modules", list(targets)), "adapter.target_modules", ours,
                 "renamed" if ours != list(targets) else "")  # fmt: skip
    else:
        sketch.put(shown("target_modules", targets), "adapter.target_modules", str(targets))
    bias, path = facts.take(f"{group}.bias")
    if path and bias != "none":
        sketch.leave(shown("bias", bias), "bias")


def _without_lora(facts: Facts, sketch: Draft) -> None:
    if facts.get("model") is None:
        return
    if facts.get("model.freeze_llm"):
        sketch.put("llm_lora = None", "adapter.method", "none", "projector_alone")
    elif is_llava(facts):
        sketch.put("llm_lora = None", "adapter.method", "lora", "lora_for_full")
    else:
        sketch.put("model.lora = None", "adapter.method", "full", "full")


def _templates(facts: Facts, sketch: Draft) -> None:
    """The template by name; none is bare text, all of which is trained."""
    dataset = dataset_of(facts)
    template, path = facts.take(f"{dataset}.template_map_fn.template", "prompt_template")
    facts.take("prompt_template")
    if path and template is not None:
        from workbench.templates.registry import names

        name = last(template) or "?"
        if isinstance(template, Mapping):
            sketch.leave(shown("prompt_template", dict(template)), "template_own")
        elif name in names():
            sketch.put(shown("prompt_template", template), "model.template", name)
        else:
            sketch.leave(shown("prompt_template", template), "template_unknown", nearest=nearest(name, names()))
    _instructions(facts, sketch)


def _instructions(facts: Facts, sketch: Draft) -> None:
    system, path = facts.take("SYSTEM")
    if path and system:
        sketch.leave(shown("SYSTEM", system), "system")


def _periods(facts: Facts, sketch: Draft, micro: int) -> None:
    """What happens every so many iterations: an iteration there is a micro-batch, a step here an optimizer step."""
    for names, key in (
        (("default_hooks.checkpoint.interval", "save_steps"), "checkpoints.save_steps"),
        ((f"custom_hooks.{_chat_hook(facts)}.every_n_iters", "evaluation_freq"), "evaluation.eval_steps"),
    ):
        value, path = facts.take(*names)
        if names[1] == "save_steps" and _by_epoch(facts):
            sketch.leave(shown("checkpoint.interval", value), "by_epoch")
        elif path and number(value) and value > 0:
            steps = max(1, math.ceil(value / micro))
            sketch.put(shown(names[1], value), key, steps, "iterations" if micro > 1 else "", micro=micro)
    limit, path = facts.take("default_hooks.checkpoint.max_keep_ckpts", "save_total_limit")
    if path and number(limit) is not None:
        sketch.put(shown("save_total_limit", limit), "checkpoints.save_total_limit", int(limit) if limit > 0 else None,
                 "all_kept" if limit <= 0 else "")  # fmt: skip
    facts.take("default_hooks.checkpoint.by_epoch")


def _by_epoch(facts: Facts) -> bool:
    """Tell whether checkpoints are counted in epochs, as mmengine counts them where nothing else is said."""
    hook = facts.get("default_hooks.checkpoint")
    if not isinstance(hook, Mapping) or number(hook.get("interval")) is None:
        return False
    return bool(hook.get("by_epoch", facts.get("save_steps") is None))


def _chat_hook(facts: Facts) -> int:
    hooks = facts.get("custom_hooks")
    candidates = (
        i
        for i, hook in enumerate(hooks or [])
        if isinstance(hook, Mapping) and "EvaluateChat" in last(hook.get("type"))
    )
    return next(candidates, 0)


def _evaluation(facts: Facts, sketch: Draft) -> None:
    hook = f"custom_hooks.{_chat_hook(facts)}"
    inputs, _ = facts.take(f"{hook}.evaluation_inputs", "evaluation_inputs")
    if isinstance(inputs, (list, tuple)):
        questions = [item for item in inputs if isinstance(item, str)]
        sketch.put(shown("evaluation_inputs", list(inputs)), "evaluation.questions", questions)
    tokens, _ = facts.take(f"{hook}.max_new_tokens")
    if number(tokens):
        sketch.put(shown("max_new_tokens", tokens), "evaluation.max_new_tokens", int(tokens))
    facts.take(f"{hook}.system", f"{hook}.prompt_template", f"{hook}.tokenizer", "tokenizer")
    facts.take("custom_hooks.0.tokenizer", "train_dataloader.dataset.tokenizer", "template_map_fn")
