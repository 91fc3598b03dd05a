"""A language model and a tower as one model that sees: a folder of LLaVA's, made once, cached. Knows both folders.

The projector between them is fresh, always the same of one size: what a training makes of it is the adapter's.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.environment import cache_folder
from workbench.errors import BadInput, Failed
from workbench.models import headers, sight
from workbench.models.architectures import has_eyes
from workbench.models.folders import (
    check_files,
    check_folder,
    check_weights,
    clean_config,
    is_whole,
    read_object,
    weight_files,
)
from workbench.models.pixels import chosen, whole
from workbench.models.projector import PROJECTOR
from workbench.models.translating import TranslatedErrors

if TYPE_CHECKING:
    import torch

SIGN = "+"
TOWERS = {"sight": sight.WEIGHTS}
# A folder that was made in another way than now is made again.
WAY = 1
NOTE = "seeing.json"
IMAGE = "<image>"
# A tower's tensors that are no part of what sees, or are computed.
_ELSE = ("text_model.", "visual_projection.", "text_projection.", "logit_scale", "embeddings.position_ids")
# Configurations whose vision part is a CLIP tower.
_KINDS = ("clip", "clip_vision_model")


def joined(model: str, tower: str | None) -> str:
    """Return the name of ``model`` with eyes: ``pocket+sight``."""
    return f"{model}{SIGN}{tower}" if tower else model


def parted(name: str) -> tuple[str, str] | None:
    """Return model and tower of such a name; None of any other, and of a folder that is called so."""
    model, sign, tower = name.rpartition(SIGN)
    if not sign or not model or not tower or Path(name).expanduser().exists():
        return None
    return model, tower


def cached(name: str, words: Path, eyes: Path, parts: Callable[[], tuple[Any, Any]]) -> Path:
    """Return the folder that a model and a tower become; made the first time, and again only of other files.

    Args:
        name: what a person called it.
        words: the folder of the language model.
        eyes: the folder of the tower.
        parts: gives the language model's network, in its own kind of numbers, and its tokenizer.

    Raises:
        BadInput: one of them is damaged, or the model sees already. Failed: nowhere to keep it.
    """
    if has_eyes(words):
        raise BadInput("models.seeing.sees_already", model=name.rpartition(SIGN)[0])
    home = cache_folder()
    if home is None:
        raise Failed("models.seeing.no_cache", given=name)
    marks = json.dumps([headers.digest(words), headers.digest(eyes), _tokens(words), WAY])
    target = home / "seeing" / hashlib.sha256(marks.encode()).hexdigest()[:24]
    if not is_whole(target, NOTE):
        shutil.rmtree(target, ignore_errors=True)
        compose(*parts(), words, eyes, target)
    return target


def embedded(tower: str) -> Path:
    """Return the folder of an embedded tower.

    Raises:
        Failed: it is not built.
    """
    if not (TOWERS[tower] / "config.json").is_file():
        raise Failed("models.seeing.not_built", given=tower)
    return TOWERS[tower]


def check_tower(folder: Path) -> Path:
    """Return ``folder``, which holds a tower.

    Raises:
        BadInput: what is there is no CLIP tower, or damaged.
    """
    check_files(folder)
    config = clean_config(folder)
    if config.get("model_type") not in _KINDS:
        raise BadInput("models.seeing.no_tower", folder=folder, given=config.get("model_type"), known=tuple(_KINDS))
    vision = _of_vision(config, folder)
    for key in ("image_size", "patch_size"):
        whole(vision, key, 1, folder / "config.json")
    if (images := folder / "preprocessor_config.json").exists():
        chosen(read_object(images), images)
    check_weights(folder)
    return folder


def _of_vision(config: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The part of a configuration that is about the tower.

    Raises:
        BadInput: it is none.
    """
    vision = config.get("vision_config", config)
    if not isinstance(vision, Mapping):
        raise BadInput("models.broken_file", file=folder / "config.json", reason="vision_config")
    return vision


def compose(network: Any, tokenizer: Any, words: Path, eyes: Path, out: Path) -> None:
    """Write the model that sees; it is there whole or not at all.

    Args:
        network: the language model.
        tokenizer: its tokenizer.
        words: its folder.
        eyes: the folder of the tower.
        out: the folder to make; not there yet.
    """
    from huggingface_hub import save_torch_state_dict
    from transformers import CLIPVisionConfig, LlavaConfig

    text_config = network.config
    token = _image_token(tokenizer)
    with TranslatedErrors(str(eyes), str(eyes)):
        vision_config = CLIPVisionConfig(**_vision(_of_vision(clean_config(eyes), eyes)))
    tensors = _tensors(network, eyes)
    dtype = tensors["model.language_model.embed_tokens.weight"].dtype
    text_config.vocab_size = _grown(tensors, token)
    config = LlavaConfig(
        vision_config=vision_config.to_dict(), text_config=text_config.to_dict(), image_token_index=token,
        vision_feature_layer=-2, vision_feature_select_strategy="default", projector_hidden_act="gelu",
        image_seq_length=(vision_config.image_size // vision_config.patch_size) ** 2,
        tie_word_embeddings=bool(text_config.tie_word_embeddings),
    )  # fmt: skip
    config.architectures = ["LlavaForConditionalGeneration"]
    config.dtype = dtype
    tensors |= {
        name: tensor.to(dtype)
        for name, tensor in fresh_projector(vision_config.hidden_size, text_config.hidden_size).items()
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{out.name}.part-", dir=out.parent))
    try:
        save_torch_state_dict(tensors, part, max_shard_size="2GB")
        config.save_pretrained(str(part))
        tokenizer.save_pretrained(str(part))
        _write_processor(part, eyes, vision_config)
        for name in ("generation_config.json", "LICENSE"):
            if (words / name).is_file():
                shutil.copyfile(words / name, part / name)
        (part / NOTE).write_text(json.dumps({"model": words.name, "tower": eyes.name}), encoding="utf-8")
        check_folder(part)
        try:
            part.rename(out)
        except OSError:
            if not is_whole(out, NOTE):  # else another process was quicker, with the same files
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def fresh_projector(wide: int, out: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return an untrained projector from ``wide`` numbers to ``out``, float32; the same of one size and seed."""
    import torch

    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, fan: int) -> torch.Tensor:
        bound = 1 / math.sqrt(fan)
        return (torch.rand(*shape, generator=generator) * 2 - 1) * bound

    return {
        f"model.{PROJECTOR}.linear_1.weight": uniform(out, wide, fan=wide),
        f"model.{PROJECTOR}.linear_1.bias": uniform(out, fan=wide),
        f"model.{PROJECTOR}.linear_2.weight": uniform(out, out, fan=out),
        f"model.{PROJECTOR}.linear_2.bias": uniform(out, fan=out),
    }


def _tensors(network: Any, eyes: Path) -> dict[str, torch.Tensor]:
    """All tensors of both, under the names that they have in LLaVA's model."""
    from safetensors.torch import load_file

    tensors = {}
    shared = bool(network.config.tie_word_embeddings)
    for name, tensor in network.state_dict().items():
        if name.startswith("model."):
            tensors[f"model.language_model.{name.removeprefix('model.')}"] = tensor
        elif not shared:
            tensors[name] = tensor
    dtype = next(iter(tensors.values())).dtype
    for file in weight_files(eyes):
        for name, tensor in load_file(str(file)).items():
            short = name.removeprefix("vision_model.")
            if not short.startswith(_ELSE):
                tensors[f"model.vision_tower.{short}"] = tensor.to(dtype)
    return tensors


def _vision(config: Mapping[str, Any]) -> dict[str, Any]:
    keys = (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size", "patch_size",
        "hidden_act", "layer_norm_eps", "num_channels", "projection_dim",
    )  # fmt: skip
    return {key: config[key] for key in keys if key in config}


def _image_token(tokenizer: Any) -> int:
    """The id of the placeholder: the tokenizer's own, else the first free one."""
    known = tokenizer.convert_tokens_to_ids(IMAGE)
    if known is not None and tokenizer.convert_ids_to_tokens(known) == IMAGE and known != tokenizer.unk_token_id:
        return int(known)
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE]}, replace_extra_special_tokens=False)
    return int(tokenizer.convert_tokens_to_ids(IMAGE))


def _grown(tensors: dict[str, torch.Tensor], token: int) -> int:
    """The rows of the embedding, with one more for the placeholder where it has none; its row is never read."""
    import torch

    for name in ("model.language_model.embed_tokens.weight", "lm_head.weight"):
        weight = tensors.get(name)
        if weight is not None and len(weight) <= token:
            missing = weight.new_zeros(token + 1 - len(weight), weight.shape[1])
            tensors[name] = torch.cat([weight, missing])
    return len(tensors["model.language_model.embed_tokens.weight"])


def _write_processor(folder: Path, eyes: Path, vision: Any) -> None:
    """What programs read that make pictures into numbers and placeholders; one way in training and serving."""
    settings = dict(headers.settings(eyes, "preprocessor_config.json"))
    size = {"height": vision.image_size, "width": vision.image_size}
    settings |= {"image_processor_type": "LlavaImageProcessor", "do_pad": True, "do_center_crop": True}
    settings |= {"size": {"shortest_edge": vision.image_size}, "crop_size": size}
    processor = {
        "processor_class": "LlavaProcessor", "image_token": IMAGE, "patch_size": vision.patch_size,
        "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default", "image_processor": settings,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    (folder / "processor_config.json").write_text(json.dumps(processor, indent=2) + "\n", encoding="utf-8")
    file = folder / "tokenizer_config.json"
    described = json.loads(file.read_text(encoding="utf-8"))
    described["processor_class"] = "LlavaProcessor"
    file.write_text(json.dumps(described, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _tokens(folder: Path) -> str:
    """What tells one tokenizer from another, so that a changed template is another model."""
    digest = hashlib.sha256()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        file = folder / name
        digest.update(file.read_bytes() if file.is_file() else b"-")
    return digest.hexdigest()
