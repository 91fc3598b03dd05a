"""What XTuner leaves of a LLaVA comes out under the names of today's, number for number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.imports.theirs import TINY, lora, save_pth
from workbench.imports import bring
from workbench.imports.seeing import (
    is_official,
    joined_config,
    language_config,
    of_official,
    processor_configs,
    projector_names,
)


def tensors_of(file: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(file)


def projector() -> dict[str, Any]:
    import torch

    shapes = {"0.weight": (64, 48), "0.bias": (64,), "2.weight": (64, 64), "2.bias": (64,)}
    return {f"projector.model.{name}": torch.randn(*shape) for name, shape in shapes.items()}


def test_stage_one_is_a_projector_that_loads_here(tmp_path: Path) -> None:
    weights = projector()
    made = bring([save_pth(tmp_path / "iter_4.pth", weights, TINY)], tmp_path / "out")
    assert made.parts == {"projector": 4}
    ours = tensors_of(tmp_path / "out" / "llava" / "projector" / "model.safetensors")
    assert {name: tensor.tolist() for name, tensor in ours.items()} == {
        f"linear_{1 if '.0.' in name else 2}.{name.rpartition('.')[2]}": tensor.tolist()
        for name, tensor in weights.items()
    }
    adapter = tensors_of(tmp_path / "out" / "llava" / "adapter_model.safetensors")
    assert adapter.keys() == {f"base_model.model.model.multi_modal_projector.{name}" for name in ours}
    config = json.loads((tmp_path / "out" / "llava" / "adapter_config.json").read_text())
    assert config["modules_to_save"] == ["multi_modal_projector"]


def test_both_towers_changes_are_one_adapter_by_todays_names(tmp_path: Path) -> None:
    import torch

    layer = "encoder.layers.0.self_attn.q_proj"
    theirs = f"visual_encoder.base_model.model.vision_model.{layer}"
    weights = lora() | projector()
    weights |= {f"{theirs}.lora_A.default.weight": torch.randn(2, 48)}
    weights |= {f"{theirs}.lora_B.default.weight": torch.randn(48, 2)}
    text = TINY.replace("dict(r=4", "None, llm_lora=dict(r=4").replace("lora=None, ", "")
    text = text.replace("))\n", "), visual_encoder_lora=dict(r=2, lora_alpha=16))\n")
    bring([save_pth(tmp_path / "iter_4.pth", weights, text)], tmp_path / "out")
    ours = tensors_of(tmp_path / "out" / "llava" / "adapter_model.safetensors")
    assert len(ours) == 14
    tower = f"base_model.model.model.vision_tower.{layer}.lora_B.weight"
    assert torch.equal(ours[tower], weights[f"{theirs}.lora_B.default.weight"])
    assert sum(".language_model.layers." in name for name in ours) == 8
    config = json.loads((tmp_path / "out" / "llava" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (4, 8)
    assert config["rank_pattern"] == {f"model.vision_tower.{layer}": 2}
    assert config["alpha_pattern"] == {f"model.vision_tower.{layer}": 16}
    assert f"model.vision_tower.{layer}" in config["target_modules"]
    assert "q_proj" not in config["target_modules"]


def test_the_adapter_reaches_both_towers_and_nothing_else(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    import torch

    tower, language = (
        "model.vision_tower.encoder.layers.0.self_attn.q_proj",
        "model.language_model.layers.0.self_attn.q_proj",
    )
    half = {"r": 2, "lora_alpha": 4, "rank_pattern": {}, "alpha_pattern": {}, "peft_type": "LORA", "bias": "none"}
    config = joined_config(
        half | {"target_modules": [language]}, half | {"r": 3, "lora_alpha": 9, "target_modules": [tower]}
    )
    assert config

    def nested(names: list[str]) -> torch.nn.Module:
        root = torch.nn.Module()
        for name in names:
            node = root
            *path, last = name.split(".")
            for part in path:
                if not hasattr(node, part):
                    node.add_module(part, torch.nn.Module())
                node = getattr(node, part)
            node.add_module(last, torch.nn.Linear(8, 8))
        return root

    others = [tower.replace("0.self", "1.self"), language.replace("q_proj", "k_proj")]
    model = nested([tower, language, *others])
    model.forward = lambda: None  # type: ignore[method-assign]
    options = {key: config[key] for key in ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "target_modules")}
    adapted = peft.PeftModel(model, peft.LoraConfig(**options))
    layers = {
        name.removeprefix("base_model.model."): layer
        for name, layer in adapted.named_modules()
        if hasattr(layer, "lora_A")
    }
    assert {name: (layer.r["default"], layer.scaling["default"]) for name, layer in layers.items()} == {
        tower: (3, 3.0),
        language: (2, 2.0),
    }


def test_halves_of_two_kinds_are_not_joined() -> None:
    half = {"r": 2, "lora_alpha": 4, "rank_pattern": {}, "alpha_pattern": {}, "target_modules": ["a"]}
    assert joined_config({**half, "use_dora": True}, half) is None


def test_a_projector_of_another_depth_is_kept_apart() -> None:
    names = {f"model.{i}.{kind}": object() for i in (0, 2, 4) for kind in ("weight", "bias")}
    assert projector_names(names) == {}  # type: ignore[arg-type]


def test_llavas_own_names_are_parted() -> None:
    names = ("model.layers.0.a", "lm_head.weight", "model.mm_projector.0.weight",
             "model.vision_tower.vision_tower.vision_model.x")  # fmt: skip
    weights: Any = dict.fromkeys(names)
    assert is_official(weights)
    language, projector, tower = of_official(weights)
    assert list(language) == ["model.layers.0.a", "lm_head.weight"]
    assert (list(projector), list(tower)) == (["model.0.weight"], ["vision_model.x"])
    config = {"model_type": "llava_llama", "hidden_size": 8, "mm_hidden_size": 4, "image_aspect_ratio": "pad"}
    assert language_config(config) == {
        "model_type": "llama",
        "hidden_size": 8,
        "architectures": ["LlamaForCausalLM"],
    }


def test_a_whole_model_gets_the_settings_that_are_left_out_there() -> None:
    vision = {"vision_config": {"model_type": "clip_vision_model", "patch_size": 14, "image_size": 56}}
    made = processor_configs(vision, {"do_center_crop": True, "crop_size": {"height": 56, "width": 56}})
    assert made["processor_config.json"]["patch_size"] == 14
    assert made["processor_config.json"]["num_additional_image_tokens"] == 1
    assert made["processor_config.json"]["vision_feature_select_strategy"] == "default"
    assert made["preprocessor_config.json"]["do_pad"] is True
