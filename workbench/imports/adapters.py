"""``adapter_config.json`` of a brought adapter: theirs, or made of the config's settings and the tensors' shapes. Knows
PEFT's settings; reads no tensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from workbench.errors import BadInput
from workbench.imports.naming import Tensors, patterns, split

# What PEFT of any version reads, and a LoRA of XTuner's may say.
_KNOWN = (
    "peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "target_modules", "modules_to_save", "bias",
    "fan_in_fan_out", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "layers_to_transform",
    "layers_pattern", "init_lora_weights", "init_r", "target_r", "lora_bias",
)  # fmt: skip


def adapter_config(
    tensors: Tensors, theirs: Mapping[str, Any] | None, lora: Mapping[str, Any] | None, base: str, where: object
) -> dict[str, Any]:
    """Return the settings with which PEFT loads these tensors.

    Args:
        tensors: under PEFT's names, the base's layers called as the base calls them now.
        theirs: the ``adapter_config.json`` that came along.
        lora: of a config: ``model.lora``.
        base: what the base is called here.
        where: for errors.

    Raises:
        BadInput: nothing says by how much the change is multiplied (``lora_alpha``).
    """
    source = dict(theirs or lora or {})
    ranks = _ranks(tensors)
    if not ranks:
        raise BadInput("imports.no_lora", file=where)
    if "lora_alpha" not in source and lora is None:
        raise BadInput("imports.alpha_needed", file=where)
    usual = Counter(ranks.values()).most_common(1)[0][0]
    config = {key: source[key] for key in _KNOWN if key in source}
    config |= {
        "base_model_name_or_path": base,
        "bias": source.get("bias") or "none",
        "inference_mode": True,
        "lora_alpha": source.get("lora_alpha", 8),
        "lora_dropout": source.get("lora_dropout", 0.0),
        "peft_type": source.get("peft_type") or "LORA",
        "r": source.get("r", usual) if theirs and source.get("rank_pattern") else usual,
        "target_modules": sorted({module.rpartition(".")[2] for module in ranks}),
        "task_type": source.get("task_type") or "CAUSAL_LM",
    }
    for key in ("rank_pattern", "alpha_pattern"):
        config[key] = patterns(source.get(key))
    if len(set(ranks.values())) > 1 and not config["rank_pattern"]:
        config["rank_pattern"] = {module: rank for module, rank in ranks.items() if rank != usual}
    full_modules = sorted({split(name)[0].rpartition(".")[2] for name in tensors if ".lora_" not in name})
    config["modules_to_save"] = full_modules or None
    if config.get("layers_to_transform") is None:
        config.pop("layers_pattern", None)
    return dict(sorted(config.items()))


def _ranks(tensors: Tensors) -> dict[str, int]:
    """Module -> rank."""
    ranks: dict[str, int] = {}
    for name, tensor in tensors.items():
        module, rest = split(name)
        if rest.startswith((".lora_A", ".lora_embedding_A")) and tensor.shape:
            ranks[module.removeprefix("base_model.model.")] = tensor.shape[0]
    return ranks
