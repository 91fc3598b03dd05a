"""What a config of XTuner's says of its data. Knows XTuner's datasets and map functions; reads no row."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.errors import BadInput
from workbench.imports.draft import Draft, number
from workbench.imports.facts import Facts, last, shown

# a map function of XTuner's -> the format of its rows here; "" where the fields must be renamed first
MAP_FUNCTIONS = {
    "alpaca_map_fn": "alpaca", "openai_map_fn": "messages", "pretrain_map_fn": "text", "llava_map_fn": "llava",
    "default_map_fn": "xtuner", "alpaca_zh_map_fn": "", "oasst1_map_fn": "", "arxiv_map_fn": "",
    "code_alpaca_map_fn": "",
    "colors_map_fn": "", "crime_kg_assitant_map_fn": "", "law_reference_map_fn": "", "llava_image_only_map_fn": "llava",
    "medical_map_fn": "", "msagent_react_map_fn": "", "openorca_map_fn": "", "sql_map_fn": "",
    "stack_exchange_map_fn": "", "tiny_codes_map_fn": "", "wizardlm_map_fn": "", "moss_map_fn": "",
    "preference_map_fn": "", "cc_map_fn": "",
}  # fmt: skip


def dataset_of(facts: Facts) -> str:
    """Return the path of the table that says what is read."""
    return "train_dataloader.dataset" if facts.get("train_dataloader.dataset") is not None else "train_dataset"


def read_data(facts: Facts, sketch: Draft, where: str) -> None:
    """Carry over what is trained on, and how it is cut.

    Args:
        where: the config's name, for errors.

    Raises:
        BadInput: the rows are made by a function of the person's own.
    """
    dataset = dataset_of(facts)
    if isinstance(facts.get(f"{dataset}.datasets"), (list, tuple)):
        dataset = f"{dataset}.datasets.0"
        sketch.leave("datasets = […]", "several_sets")
    _source(facts, sketch, dataset)
    function, path = facts.take(f"{dataset}.dataset_map_fn", "dataset_map_fn")
    name = last(function)
    if path and function is None and facts.get("train_dataloader"):
        sketch.put("dataset_map_fn = None", "data.format", "xtuner", "own_format")
    elif path and function is not None:
        if name not in MAP_FUNCTIONS:
            raise BadInput("imports.config.own_function", file=where, name=name or str(function))
        ours = MAP_FUNCTIONS[name]
        if ours:
            sketch.put(shown("dataset_map_fn", name), "data.format", ours, kind="translated")
        else:
            sketch.leave(shown("dataset_map_fn", name), "rename_fields", name=name)
    if name == "pretrain_map_fn":
        sketch.put("dataset_map_fn = pretrain_map_fn", "data.loss_on", "all", "pretrain")
    length, path = facts.take(f"{dataset}.max_length", "max_length")
    if number(length):
        sketch.put(shown("max_length", length), "data.max_length", int(length))
    packed, path = facts.take(f"{dataset}.pack_to_max_length", "pack_to_max_length")
    if isinstance(packed, bool):
        sketch.put(shown("pack_to_max_length", packed), "data.packing", packed, "packing" if packed else "")
    sketch.leave("–", "no_validation")
    if _is_llava(facts):
        _pictures(facts, sketch, dataset)


def _is_llava(facts: Facts) -> bool:
    return last(facts.get("model.type")) == "LLaVAModel" or facts.get("visual_encoder_name_or_path") is not None


def _pictures(facts: Facts, sketch: Draft, dataset: str) -> None:
    names = (
        f"{dataset}.image_folder",
        f"{dataset}.pad_image_to_square",
        "visual_encoder_name_or_path",
        "model.freeze_llm",
        "model.freeze_visual_encoder",
        "model.visual_select_layer",
        "evaluation_images",
    )
    for path in names:
        value, origin = facts.take(path)
        if origin:
            sketch.leave(shown(path.rpartition(".")[2], value), "pictures")
    for group in ("model.visual_encoder", "model.visual_encoder_lora", "image_processor", f"{dataset}.image_processor"):
        facts.take(group)


def _source(facts: Facts, sketch: Draft, dataset: str) -> None:
    inner = f"{dataset}.dataset"
    files, path = facts.take(f"{inner}.data_files", f"{dataset}.data_path", "data_files", "data_path")
    source, _ = facts.take(f"{inner}.path", "alpaca_en_path")
    facts.take(f"{inner}.data_files", f"{inner}.split", f"{inner}.name")
    first = next(iter(files.values())) if isinstance(files, Mapping) and files else files
    if isinstance(first, (list, tuple)):
        if len(first) > 1:
            sketch.leave(shown("data_files", list(first)), "several_sets")
        first = first[0] if first else None
    if isinstance(first, str):
        theirs = shown("data_files" if path.endswith("data_files") else "data_path", first)
        sketch.put(theirs, "data.train", first, "their_file")
    elif isinstance(source, str) and source not in ("json", "text", "csv", "parquet"):
        sketch.put(shown("path", source), "data.train", source, "" if source.count("/") == 1 else "their_file")
