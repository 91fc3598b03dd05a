"""What a config of XTuner's LLaVA says of pictures, as our settings of ``vision``. Knows the settings of both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from workbench.imports.draft import Draft, number
from workbench.imports.facts import Facts, last, shown
from workbench.imports.recipe_model import base_name

TITLES = "llava_image_only_map_fn"
# the pictures that a hook asks about while it trains, by the hook's usual place
_HOOKS = "custom_hooks.1.evaluation_images"
# What of the tower and its pictures stands in the model's own folder here.
_OWN_FILES = ("model.visual_encoder", "model.visual_encoder_lora", "image_processor")


def is_llava(facts: Facts) -> bool:
    """Tell whether a config is one of a model that sees."""
    return last(facts.get("model.type")) == "LLaVAModel" or facts.get("visual_encoder_name_or_path") is not None


def read_pictures(facts: Facts, sketch: Draft, dataset: str, *, tower: str) -> None:
    """Carry over tower, stage and folder of the pictures, and what is trained.

    Args:
        dataset: the path of the table that says what is read.
        tower: as it is called here; it goes before what the config says. Empty: as that says.
    """
    _tower(facts, sketch, tower)
    _stage(facts, sketch, dataset)
    folder, _ = facts.take(f"{dataset}.image_folder", "image_folder")
    if isinstance(folder, str) and folder:
        sketch.put(shown("image_folder", folder), "vision.image_folder", folder, "their_images")
    square, origin = facts.take(f"{dataset}.pad_image_to_square")
    if origin:
        sketch.leave(shown("pad_image_to_square", square), "padded" if square else "cropped")
    if number(sketch.settings.get("data", {}).get("max_length")):
        sketch.leave("max_length", "picture_length")
    layer, origin = facts.take("model.visual_select_layer")
    if origin and layer != -2:
        sketch.leave(shown("visual_select_layer", layer), "select_layer")
    depth, origin = facts.take("model.projector_depth")
    if origin and depth != 2:
        sketch.leave(shown("projector_depth", depth), "always_so", usual=2)
    begin, origin = facts.take("model.pretrained_pth", "pretrained_pth")
    if origin and begin:
        sketch.leave(shown("pretrained_pth", begin), "projector_begins", file=PurePosixPath(str(begin)).name)
    images, origin = facts.take("evaluation_images")
    if origin and images:
        sketch.leave(shown("evaluation_images", images), "evaluation_images")
    for path in (*_OWN_FILES, f"{dataset}.image_processor", "visual_encoder_name_or_path", _HOOKS):
        facts.take(path)


def _tower(facts: Facts, sketch: Draft, tower: str) -> None:
    name, _ = facts.take("model.visual_encoder.pretrained_model_name_or_path", "visual_encoder_name_or_path")
    if tower:
        sketch.put(shown("visual_encoder", name), "vision.tower", tower, "base_given")
    elif isinstance(name, str) and name:
        ours, note = base_name(name)
        sketch.put(shown("visual_encoder", name), "vision.tower", ours, note and "their_tower")


def _stage(facts: Facts, sketch: Draft, dataset: str) -> None:
    """Questions are left out where their map function does; the tower stays as it is, or has a LoRA."""
    facts.take("model.freeze_llm")  # read with the adapter
    function = last(facts.get(f"{dataset}.dataset_map_fn") or facts.get("dataset_map_fn"))
    stage = "pretrain" if function == TITLES else "finetune"
    sketch.put(shown("dataset_map_fn", function), "vision.stage", stage, "stage_titles" if function == TITLES else "")
    still, _ = facts.take("model.freeze_visual_encoder")
    rank, _ = facts.take("model.visual_encoder_lora.r")
    if isinstance(facts.get("model.visual_encoder_lora"), Mapping):
        value = int(number(rank) or 8)
        sketch.put(shown("visual_encoder_lora.r", value), "vision.tower_lora_r", value, "tower_lora")
    elif still is False:
        sketch.leave("freeze_visual_encoder = False", "tower_frozen")
