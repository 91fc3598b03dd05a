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
    """The settings with which PEFT loads these tensors.

    Args:
        tensors: under PEFT's names, the base's layers called as the base calls them now.
        theirs: the ``adapter_config.json`` that came along.
        lora: of a config: ``model.lora``.
        base: what the base is called here.
        where: for errors.

    Raises:
        BadInput: nothing says by how much the change is multiplied (``lora_alpha``).
    """
    told = dict(theirs or lora or {})
    ranks = _ranks(tensors)
    if not ranks:
        raise BadInput("imports.no_lora", file=where)
    if "lora_alpha" not in told and lora is None:
        raise BadInput("imports.alpha_needed", file=where)
    usual = Counter(ranks.values()).most_common(1)[0][0]
    made = {key: told[key] for key in _KNOWN if key in told}
    made |= {
        "base_model_name_or_path": base,
        "bias": told.get("bias") or "none",
        "inference_mode": True,
        "lora_alpha": told.get("lora_alpha", 8),
        "lora_dropout": told.get("lora_dropout", 0.0),
        "peft_type": told.get("peft_type") or "LORA",
        "r": told.get("r", usual) if theirs and told.get("rank_pattern") else usual,
        "target_modules": sorted({module.rpartition(".")[2] for module in ranks}),
        "task_type": told.get("task_type") or "CAUSAL_LM",
    }
    for key in ("rank_pattern", "alpha_pattern"):
        made[key] = patterns(told.get(key))
    if len(set(ranks.values())) > 1 and not made["rank_pattern"]:
        made["rank_pattern"] = {module: rank for module, rank in ranks.items() if rank != usual}
    whole = sorted({split(name)[0].rpartition(".")[2] for name in tensors if ".lora_" not in name})
    made["modules_to_save"] = whole or None
    if made.get("layers_to_transform") is None:
        made.pop("layers_pattern", None)
    return dict(sorted(made.items()))


def _ranks(tensors: Tensors) -> dict[str, int]:
    """Module -> rank."""
    found: dict[str, int] = {}
    for name, tensor in tensors.items():
        module, rest = split(name)
        if rest.startswith((".lora_A", ".lora_embedding_A")) and tensor.shape:
            found[module.removeprefix("base_model.model.")] = tensor.shape[0]
    return found
