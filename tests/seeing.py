"""A tiny random tower and what a test needs to see with. Knows transformers; nothing of the workbench's rooms."""

from __future__ import annotations

import json
from pathlib import Path

# pixels of a side, and of a patch's; so many placeholders has a picture
SIDE, PATCH, PLACES = 24, 8, 9


def make_tower(folder: Path) -> Path:
    """Save a random CLIP vision tower of three layers with its preprocessing, which crops, to ``folder``."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(1)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2, image_size=SIDE,
        patch_size=PATCH,
    )  # fmt: skip
    CLIPVisionModel(config).to(torch.bfloat16).save_pretrained(folder)
    images = {
        "image_processor_type": "CLIPImageProcessor", "do_center_crop": True, "do_resize": True, "do_rescale": True,
        "do_normalize": True, "do_convert_rgb": True, "size": {"shortest_edge": SIDE}, "resample": 3,
        "crop_size": {"height": SIDE, "width": SIDE}, "rescale_factor": 1 / 255,
        "image_mean": [0.5, 0.4, 0.3], "image_std": [0.3, 0.3, 0.3],
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(images), encoding="utf-8")
    return folder
