"""LLaVA's parts as one adapter for today's LLaVA: projector, the language model's change, the tower's. Knows names.

Today's model calls its parts ``model.language_model``, ``model.vision_tower`` and ``model.multi_modal_projector``; the
tower has lost its ``vision_model``. A LoRA under the old names is loaded by PEFT without a word, and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workbench.imports.adapters import adapter_config
from workbench.imports.lying import Lying
from workbench.imports.naming import Tensors, split

FOLDER = "llava"
PROJECTOR = "multi_modal_projector"
_ROOT = "base_model.model."
_LAYER = re.compile(r"model\.(\d+)\.(weight|bias)")
# PEFT's settings of an adapter that has no layers of its own, only a projector.
_NO_LORA: Mapping[str, Any] = {
    "peft_type": "LORA", "r": 8, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none", "inference_mode": True,
    "target_modules": "dummy-target-modules", "modules_to_save": None, "task_type": None,
}  # fmt: skip
# What a LoRA's two halves must have in common to be one adapter.
_SHARED = ("use_dora", "use_rslora", "bias", "peft_type")


def projector_names(tensors: Tensors) -> Tensors:
    """Return the projector under today's names, ``linear_1`` and ``linear_2``; empty where it has not two layers."""
    layers = sorted({int(match[1]) for name in tensors if (match := _LAYER.fullmatch(name))})
    if len(layers) != 2 or len(tensors) != 4:
        return {}
    numbers = {str(layer): f"linear_{index}" for index, layer in enumerate(layers, 1)}
    named = ((_LAYER.fullmatch(name), tensor) for name, tensor in tensors.items())
    return {f"{numbers[match[1]]}.{match[2]}": tensor for match, tensor in named if match}


def projector_in_adapter(projector: Tensors) -> Tensors:
    """Return the projector, by its names of today, as an adapter's file holds it: beside the LoRA, whole."""
    return {f"{_ROOT}model.{PROJECTOR}.{name}": tensor for name, tensor in projector.items()}


def projector_settings(projector: Tensors, tower: str) -> dict[str, Any]:
    """Return ``config.json`` of a projector that is handed on by itself.

    Args:
        projector: by its names of today.
        tower: whose output it reads, as it is called here.
    """
    return {
        "model_type": "llava_projector", "vision_hidden_size": projector["linear_1.weight"].shape[1],
        "text_hidden_size": projector["linear_2.weight"].shape[0], "hidden_act": "gelu", "bias": True,
        "feature_layer": -2, "select": "default", "pad_to_square": True, "tower": tower,
    }  # fmt: skip


def language_names(adapter: Tensors) -> Tensors:
    """Return the language model's adapter as a part of LLaVA."""
    inner = f"{_ROOT}model."
    return {
        f"{inner}language_model.{name.removeprefix(inner)}" if name.startswith(inner) else name: tensor
        for name, tensor in adapter.items()
    }


def tower_names(adapter: Tensors) -> Tensors:
    """Return the tower's adapter as a part of LLaVA."""
    names = {name: name.removeprefix(_ROOT).removeprefix("vision_model.") for name in adapter}
    return {f"{_ROOT}model.vision_tower.{names[name]}": tensor for name, tensor in adapter.items()}


def joined_config(language: Mapping[str, Any] | None, tower: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return one ``adapter_config.json`` for both halves and the projector, every layer by its full name; None where
    the halves cannot be one.

    Args:
        language: the config of the language model's, made for its new names; None where it has none.
        tower: the same of the tower's.
    """
    if not language or not tower:
        alone = dict(language or tower or _NO_LORA)
        return alone | {"modules_to_save": [*(alone.get("modules_to_save") or ()), PROJECTOR]}
    if any((language.get(key) or None) != (tower.get(key) or None) for key in _SHARED):
        return None
    ranks = {**dict.fromkeys(tower["target_modules"], tower["r"]), **tower["rank_pattern"]}
    scales = {**dict.fromkeys(tower["target_modules"], tower["lora_alpha"]), **tower["alpha_pattern"]}
    saved = [*(language.get("modules_to_save") or ()), *(tower.get("modules_to_save") or ())]
    return dict(language) | {
        "rank_pattern": {**ranks, **language["rank_pattern"]},
        "alpha_pattern": {**scales, **language["alpha_pattern"]},
        "target_modules": sorted([*language["target_modules"], *tower["target_modules"]]),
        "modules_to_save": [*saved, PROJECTOR],
    }


def config_of(
    tensors: Mapping[str, Lying],
    theirs: Mapping[str, Any] | None,
    lora: Mapping[str, Any] | None,
    base: str,
    where: object,
) -> dict[str, Any] | None:
    """Return the config of one half, its layers by their full names; None where it has no tensors. Raises as
    :func:`workbench.imports.adapters.adapter_config` does."""
    if not tensors:
        return None
    modules = {split(name)[0].removeprefix(_ROOT) for name in tensors if ".lora_" in name}
    config = adapter_config(dict(tensors), theirs, lora, base, where)
    for key in ("rank_pattern", "alpha_pattern"):
        config[key] = {
            module: value for pattern, value in config[key].items() for module in modules if _fits(pattern, module)
        }
    return config | {"target_modules": sorted(modules), "task_type": None, "base_model_name_or_path": base}


def _fits(pattern: str, module: str) -> bool:
    """PEFT's rule: a pattern is the end of a layer's name."""
    return module == pattern or module.endswith(f".{pattern.split('model.', 1)[-1]}")


# --- whole models ---


def of_official(weights: Tensors) -> tuple[Tensors, Tensors, Tensors]:
    """Return (language model, projector, tower) of a model in the names of LLaVA's own program."""
    projector, tower = "model.mm_projector.", "model.vision_tower.vision_tower."
    return (
        {name: tensor for name, tensor in weights.items() if not name.startswith((projector, "model.vision_tower."))},
        {f"model.{n.removeprefix(projector)}": t for n, t in weights.items() if n.startswith(projector)},
        {n.removeprefix(tower): t for n, t in weights.items() if n.startswith(tower)},
    )


def is_official(weights: Tensors) -> bool:
    """Tell whether tensors are called as LLaVA's own program calls them."""
    return any(name.startswith("model.mm_projector.") for name in weights)


def language_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of the language model alone, of one in LLaVA's own names."""
    ours = ("mm_", "image_", "tune_mm_", "freeze_mm_", "use_mm_", "unfreeze_mm_")
    plain = {key: value for key, value in config.items() if not key.startswith(ours)}
    return plain | {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}


def mended_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a whole LLaVA with what XTuner leaves out: which of the tower's outputs are taken."""
    missing = {"vision_feature_layer": -2, "vision_feature_select_strategy": "default"}
    return {**config, **{key: value for key, value in missing.items() if config.get(key) is None}}


def processor_configs(config: Mapping[str, Any], images: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings of the processor, by file: with those that XTuner leaves out, without which places and
    features are counted differently, and with pictures padded to a square as its training padded them.

    Args:
        config: of the whole model.
        images: what came along as ``preprocessor_config.json``; may be empty.
    """
    vision: Mapping[str, Any] = config.get("vision_config") or {}
    side = int(vision.get("image_size") or 336)
    clip = {
        "do_resize": True, "size": {"shortest_edge": side}, "do_center_crop": True, "resample": 3,
        "crop_size": {"height": side, "width": side}, "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "do_convert_rgb": True, "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    kind = str(vision.get("model_type") or "clip")
    counted = {
        "patch_size": int(vision.get("patch_size") or 14),
        "num_additional_image_tokens": 1 if kind.startswith("clip") else 0,
        "vision_feature_select_strategy": config.get("vision_feature_select_strategy") or "default",
        "image_token": "<image>",
        "processor_class": "LlavaProcessor",
    }
    pictures = {**clip, **images, "do_pad": True, "image_processor_type": "LlavaImageProcessor"}
    return {"processor_config.json": counted, "preprocessor_config.json": pictures}
