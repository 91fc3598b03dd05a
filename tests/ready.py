"""Tiny random models that see by themselves, made in the test: the architectures, processors and chat templates of
Idefics3, SmolVLM and Qwen2.5-VL. Knows transformers; nothing of the workbench's rooms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.tiny import make_tiny

KINDS = ("idefics3", "smolvlm", "qwen2_5_vl")
# Each in the way of its published template: turns that are lists of parts, a colon that depends on what comes first;
# a default system text, and what stands round a picture.
TURNS = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% elif part['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
CHATML = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# pixels of a tile, of its patches, and of the longest side: up to four tiles, and one of the whole
SIDE, PATCH, SCALE, LONGEST = 32, 8, 2, 64
TILES = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
ROWS = tuple(f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2))
LANGUAGE = r".*\.(text_model|language_model)\..*\.(q_proj|down_proj)"
GRID = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
NUMBERS = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.3, 0.3, 0.3], "rescale_factor": 1 / 255, "do_rescale": True,
           "do_normalize": True, "do_convert_rgb": True, "do_resize": True}  # fmt: skip


def make_ready(kind: str, folder: Path) -> Path:
    """Save a random model of ``kind`` with its processor to ``folder``."""
    make_tiny(folder)
    tokenizer = _tokenizer(kind, folder)
    (_tiled if kind != "qwen2_5_vl" else _grid)(kind, folder, tokenizer)
    return folder


def shared(kind: str, home: Path) -> Path:
    """The random model of ``kind`` below ``home``, made the first time; no test changes it."""
    folder = home / f"ready-{kind}"
    if not folder.is_dir():
        folder.mkdir()
        make_ready(kind, folder)
    return folder


def make_adapter(base: Path, out: Path, targets: str = LANGUAGE) -> Path:
    """Save a random LoRA adapter on the model in ``base`` to ``out``, as anybody's program with PEFT does: without a
    tokenizer or a note. ``targets`` may reach the tower and the projector too."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    network = AutoModelForImageTextToText.from_pretrained(base)
    torch.manual_seed(3)
    settings = LoraConfig(r=4, lora_alpha=8, target_modules=targets, init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(network, settings).save_pretrained(out)
    return out


def _tokenizer(kind: str, folder: Path) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    names = GRID if kind == "qwen2_5_vl" else (*TILES, *ROWS)
    tokenizer.add_special_tokens({"additional_special_tokens": list(names)})
    if kind != "qwen2_5_vl":
        tokenizer.eos_token = "<end_of_utterance>"
    tokenizer.chat_template = CHATML if kind == "qwen2_5_vl" else TURNS
    tokenizer.save_pretrained(folder)
    return tokenizer


def _text(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2048, "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip


def _tiled(kind: str, folder: Path, tokenizer: Any) -> None:
    name = {"idefics3": "Idefics3", "smolvlm": "SmolVLM"}[kind]
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": SIDE, "patch_size": PATCH}  # fmt: skip
    token = tokenizer.convert_tokens_to_ids("<image>")
    text = {"model_type": "llama", **_text(tokenizer)}
    _save(kind, folder, vision_config=vision, text_config=text, image_token_id=token, scale_factor=SCALE)
    images = {
        "image_processor_type": f"{name}ImageProcessor", "size": {"longest_edge": LONGEST}, "do_pad": True,
        "max_image_size": {"longest_edge": SIDE}, "do_image_splitting": True, "resample": 1, **NUMBERS,
    }  # fmt: skip
    places = (SIDE // PATCH // SCALE) ** 2
    _write(folder / "preprocessor_config.json", {**images, "processor_class": f"{name}Processor"})
    _write(folder / "processor_config.json", {"processor_class": f"{name}Processor", "image_seq_len": places})


def _grid(kind: str, folder: Path, tokenizer: Any) -> None:
    vision = {"hidden_size": 32, "intermediate_size": 64, "depth": 2, "num_heads": 2, "patch_size": 8,
              "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 32, "out_hidden_size": 64,
              "fullatt_block_indexes": [1]}  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]}
    ids = {"image": "<|image_pad|>", "video": "<|video_pad|>", "vision_start": "<|vision_start|>",
           "vision_end": "<|vision_end|>"}  # fmt: skip
    named = {f"{key}_token_id": tokenizer.convert_tokens_to_ids(token) for key, token in ids.items()}
    _save(kind, folder, vision_config=vision, text_config={**_text(tokenizer), "rope_parameters": rope}, **named)
    images = {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor",
              "min_pixels": 16 * 16, "max_pixels": 64 * 64, "patch_size": 8, "temporal_patch_size": 2, "merge_size": 2,
              "resample": 3, **NUMBERS}  # fmt: skip
    _write(folder / "preprocessor_config.json", images)


def _save(kind: str, folder: Path, **parts: Any) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, tie_word_embeddings=False, **parts)
    network = AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():  # else a tiny model says the same to every picture
        for parameter in network.parameters():
            parameter.mul_(8 if parameter.dim() > 1 else 1)
    network.to(torch.bfloat16).save_pretrained(folder)


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
