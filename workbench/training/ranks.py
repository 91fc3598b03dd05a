"""What AdaLoRA needs to go on exactly: all rows, also those cut for now, and how important each was. Knows PEFT's rank
allocator; nothing of optimizers.

PEFT writes only the rows that are not cut, and nothing of what the allocator has seen: a cut row, whose direction may
come back, would be lost, and the next cut would fall elsewhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RANKS = "ranks.safetensors"
# what the allocator remembers of each weight: its importance now, that smoothed, and how much it varies
# (Zhang et al. 2023, AdaLoRA, section 3.2)
SEEN = ("ipt", "exp_avg_ipt", "exp_avg_unc")


def allocates(model: Any) -> bool:
    """Tell whether ``model`` trains with AdaLoRA."""
    return hasattr(getattr(model, "base_model", None), "update_and_allocate")


def save_ranks(model: Any, folder: Path) -> None:
    """Write the adapter's weights in full, and what the allocator remembers."""
    from safetensors.torch import save_file

    tuner = model.base_model
    tensors = {f"weight/{name}": weight for name, weight in _weights(model).items()}
    for part in SEEN:
        tensors |= {f"{part}/{name}": seen for name, seen in getattr(tuner.rankallocator, part).items()}
    pattern = json.dumps(tuner.peft_config[tuner.trainable_adapter_name].rank_pattern)
    contiguous = {key: tensor.detach().contiguous() for key, tensor in tensors.items()}
    save_file(contiguous, folder / RANKS, metadata={"rank_pattern": pattern})


def load_ranks(model: Any, folder: Path) -> bool:
    """Put back what :func:`save_ranks` wrote; whether there was anything."""
    import torch
    from safetensors import safe_open

    if not allocates(model) or not (folder / RANKS).exists():
        return False
    tuner, weights = model.base_model, _weights(model)
    with safe_open(folder / RANKS, framework="pt") as opened, torch.no_grad():
        for key in opened.keys():  # noqa: SIM118  (not a mapping)
            part, _, name = key.partition("/")
            if part == "weight":
                weights[name].copy_(opened.get_tensor(key))
            else:
                getattr(tuner.rankallocator, part)[name] = opened.get_tensor(key).to(weights[name].device)
        pattern = json.loads(opened.metadata()["rank_pattern"])
    tuner.peft_config[tuner.trainable_adapter_name].rank_pattern = pattern
    return True


def _weights(model: Any) -> dict[str, Any]:
    return {name: weight for name, weight in model.base_model.model.named_parameters() if "lora_" in name}
