"""What a config of XTuner's says of the model, its bits and what it runs on. Knows the settings of both; reads no
file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any

from workbench.imports.draft import Draft, number
from workbench.imports.facts import Facts, last, shown

_ZERO = re.compile(r"zero_?([123])(_offload)?")


def read_model(facts: Facts, sketch: Draft, base: str | None) -> None:
    """Carry over which model is trained, and in how many bits.

    Args:
        base: what it is called here; None: as the config says.
    """
    theirs = ("model.llm.pretrained_model_name_or_path", "llm_name_or_path", "pretrained_model_name_or_path")
    name, path = facts.take(*theirs, "tokenizer.pretrained_model_name_or_path")
    if isinstance(name, str) and name:
        ours, note = base_name(name)
        note = "base_given" if base else note
        if not base and "internlm2" in ours.lower():
            note = note or "internlm2"
        sketch.put(shown("pretrained_model_name_or_path", name), "model.name", base or ours, note)
    elif base:
        sketch.put("–", "model.name", base, "base_given")
    _bits(facts, sketch)
    dtype, path = facts.take("model.llm.torch_dtype")
    if path:
        sketch.put(shown("torch_dtype", dtype), "model.dtype", "auto", "dtype")


def _bits(facts: Facts, sketch: Draft) -> None:
    table = facts.get("model.llm.quantization_config")
    if table is not None and not isinstance(table, Mapping):
        return
    if table is None:
        if facts.get("model.llm") is not None:
            sketch.put("quantization_config = None", "model.quantization", "none", "sixteen_bit")
        return
    four, _ = facts.take("model.llm.quantization_config.load_in_4bit")
    eight, _ = facts.take("model.llm.quantization_config.load_in_8bit")
    if four:
        sketch.put("load_in_4bit = True", "model.quantization", "nf4")
    elif eight:
        sketch.put("load_in_8bit = True", "model.quantization", "none", "eight_bit")
    else:
        kind = last(table.get("type")) or "quantization_config"
        sketch.put(shown("quantization_config", kind), "model.quantization", "none", "other_bits", name=kind)
    for name, usual in {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}.items():
        value, path = facts.take(f"model.llm.quantization_config.{name}")
        if path and four and value != usual:
            sketch.leave(shown(name, value), "nf4_always")
    facts.take("model.llm.quantization_config")


def base_name(name: str) -> tuple[str, str]:
    """Return the model as it can be called here, with a note's key: a hub id stays, of a path the last part."""
    plain = re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name)
    parts = name.replace("\\", "/").rstrip("/")
    if plain or "/" not in parts:
        return name, ""
    return PurePosixPath(parts).name, "their_path"


def read_runtime(facts: Facts, sketch: Draft) -> None:
    """Carry over seed, log and shares of several devices."""
    seed, path = facts.take("randomness.seed")
    if number(seed) is not None:
        sketch.put(shown("randomness.seed", seed), "runtime.seed", int(seed))
    every, path = facts.take("default_hooks.logger.interval")
    if number(every) and every != 10:
        sketch.leave(shown("logger.interval", every), "logs_each_step")
    for name, quiet in {"sequence_parallel_size": 1, "use_varlen_attn": False, "dataloader_num_workers": 0}.items():
        value, path = facts.take(name)
        if path and value != quiet:
            sketch.leave(shown(name, value), name)
    facts.take("train_dataloader.num_workers")
    begin, path = facts.take("load_from")
    if path and begin:
        sketch.leave(shown("load_from", begin), "begins_from")
    strategy = facts.get("strategy")
    if isinstance(strategy, Mapping) and "DeepSpeed" in str(strategy.get("type")):
        facts.take("strategy")
        _deepspeed(sketch, _zero_mode(strategy))


def _deepspeed(sketch: Draft, mode: str) -> None:
    """Carry DeepSpeed over where a recipe with it can be trained here; else it is a flag of the command."""
    settings = sketch.settings
    stage_fits = not mode.startswith("zero3") or settings.get("model", {}).get("quantization") == "none"
    adam = str(settings.get("optimizer", {}).get("optim", "adamw_torch")).startswith("adamw_torch")
    if stage_fits and adam and find_spec("deepspeed") is not None:
        sketch.put("strategy = DeepSpeed", "runtime.deepspeed", mode, "deepspeed")
    else:
        sketch.leave(f"strategy = DeepSpeed, {mode}", "deepspeed_later", mode=mode)


def _zero_mode(strategy: Mapping[str, Any]) -> str:
    """``zero2``, ``zero3-offload`` …, of a table or of the name of a file of settings."""
    config = strategy.get("config")
    match = _ZERO.search(config) if isinstance(config, str) else None
    if match:
        return f"zero{match[1]}" + ("-offload" if match[2] and match[1] != "1" else "")
    inner: Any = strategy.get("zero_optimization") or (config if isinstance(config, Mapping) else {})
    inner = inner.get("zero_optimization", inner) if isinstance(inner, Mapping) else {}
    stage = inner.get("stage") if isinstance(inner, Mapping) else None
    stage = stage if stage in (1, 2, 3) else 2
    offload = isinstance(inner, Mapping) and any(str(key).startswith("offload") and inner[key] for key in inner)
    return f"zero{stage}" + ("-offload" if offload and stage > 1 else "")
