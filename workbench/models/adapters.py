"""An adapter's folder, looked at before PEFT opens it. Knows PEFT's file format; builds no model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.models.folders import (
    ADAPTER,
    ADAPTER_WEIGHTS,
    LARGEST_CONFIG,
    check_files,
    check_safetensors,
    read_object,
)

# Kinds that hold nothing but weights: others name further adapters or tokenizers, which would be fetched.
KINDS = ("LORA", "ADALORA", "IA3", "LOHA", "LOKR", "OFT", "BOFT", "VERA", "LN_TUNING", "HRA", "FOURIERFT", "VBLORA")
# What names modules of Python, other models, or data that only the making of an adapter needs.
_DROPPED = (
    "auto_mapping", "megatron_config", "megatron_core", "base_model_name_or_path", "revision", "eva_config",
    "corda_config", "loftq_config", "lora_ga_config", "runtime_config", "tokenizer_name_or_path",
)  # fmt: skip
# A pattern is a regular expression of whoever made the adapter: what could be tried in endlessly many ways is none.
_LONGEST, _REPEATS = 2_000, 8
_QUANTIFIER = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\d*\})")
_NESTED = re.compile(r"\)(?:[*+]|\{\d*,?\d*\})")
_GREATEST_RANK = 65_536


def check(folder: str | Path) -> Path:
    """See that ``folder`` holds an adapter, whole and of a kind that is loaded here.

    Raises:
        BadInput: says which file and why.
    """
    path = Path(folder).expanduser()
    if not path.is_dir() or not all((path / name).exists() for name in (ADAPTER, ADAPTER_WEIGHTS)):
        raise BadInput("models.not_an_adapter", path=folder)
    check_files(path)
    settings(path)
    check_safetensors(path / ADAPTER_WEIGHTS)
    return path


def settings(folder: Path) -> dict[str, Any]:
    """Return ``adapter_config.json`` without what would choose code or fetch anything.

    Raises:
        BadInput: it is broken, of another kind, or has a pattern that could be searched for without end.
    """
    file = folder / ADAPTER
    config = read_object(file, LARGEST_CONFIG)
    kind = config.get("peft_type")
    if kind not in KINDS:
        raise BadInput("models.adapter_kind", file=file, given=kind, known=tuple(KINDS))
    for key in ("target_modules", "exclude_modules", "layers_pattern", "rank_pattern", "alpha_pattern"):
        _check_patterns(file, key, config.get(key))
    _check_numbers(file, config)
    return {key: value for key, value in config.items() if key not in _DROPPED}


def _check_numbers(file: Path, config: dict[str, Any]) -> None:
    needed = ("r", "lora_alpha") if config["peft_type"] in ("LORA", "ADALORA") else ()
    ranks = {key: config[key] for key in ("r", "init_r", "target_r") if config.get(key) is not None}
    scales = {key: config[key] for key in ("lora_alpha",) if config.get(key) is not None}
    for key, group in (("rank_pattern", ranks), ("alpha_pattern", scales)):
        pattern = config.get(key) or {}
        if not isinstance(pattern, dict):
            raise BadInput("models.adapter_number", file=file, key=key, given=pattern)
        group |= {f"{key}.{name}": value for name, value in pattern.items() if not _is_mask(config, value)}
    for key in needed:
        if key not in ranks and key not in scales:
            raise BadInput("models.adapter_number", file=file, key=key, given=None)
    for key, value in (ranks | scales).items():
        valid = isinstance(value, int) and 1 <= value <= _GREATEST_RANK
        if isinstance(value, bool) or not (valid or (key in scales and isinstance(value, float) and abs(value) < 1e9)):
            raise BadInput("models.adapter_number", file=file, key=key, given=value)


def _is_mask(config: dict[str, Any], value: object) -> bool:
    """Return whether a rank is given as AdaLoRA gives it: a truth value for each rank, true where it is still used."""
    if config["peft_type"] != "ADALORA" or not isinstance(value, list) or not 1 <= len(value) <= _GREATEST_RANK:
        return False
    return all(isinstance(entry, bool) for entry in value)


def base_named(folder: Path) -> str:
    """Return the base that the adapter says it was trained on; empty where it says none.

    Raises:
        BadInput: ``adapter_config.json`` is broken.
    """
    base = read_object(folder / ADAPTER, LARGEST_CONFIG).get("base_model_name_or_path")
    return base if isinstance(base, str) else ""


def configured(folder: Path) -> Any:
    """Return PEFT's settings of the adapter in ``folder``."""
    from peft import PeftConfig

    return PeftConfig.from_peft_type(**settings(folder))


def _check_patterns(file: Path, key: str, value: Any) -> None:
    for pattern in [value] if isinstance(value, str) else list(value) if isinstance(value, (dict, list)) else []:
        text = str(pattern)
        if len(text) > _LONGEST or _NESTED.search(text) or len(_QUANTIFIER.findall(text)) > _REPEATS or _broken(text):
            raise BadInput("models.adapter_pattern", file=file, key=key, given=text[:80])


def _broken(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return True
    return False
