"""What a config of XTuner's says of its data. Knows XTuner's datasets and map functions; reads no row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.errors import BadInput
from workbench.imports.draft import Draft, number
from workbench.imports.facts import Facts, last, shown
from workbench.imports.recipe_pictures import is_llava, read_pictures
from workbench.imports.values import Symbol, Unread

# a map function of XTuner's -> the format of its rows here; "" where the fields must be renamed first
MAP_FUNCTIONS = {
    "alpaca_map_fn": "alpaca", "openai_map_fn": "messages", "pretrain_map_fn": "text", "llava_map_fn": "llava",
    "default_map_fn": "xtuner", "alpaca_zh_map_fn": "", "oasst1_map_fn": "", "arxiv_map_fn": "",
    "code_alpaca_map_fn": "",
    "colors_map_fn": "", "crime_kg_assitant_map_fn": "", "law_reference_map_fn": "", "llava_image_only_map_fn": "llava",
    "medical_map_fn": "", "msagent_react_map_fn": "sharegpt", "openorca_map_fn": "", "sql_map_fn": "",
    "stack_exchange_map_fn": "", "tiny_codes_map_fn": "", "wizardlm_map_fn": "", "moss_map_fn": "moss",
    "preference_map_fn": "", "cc_map_fn": "",
}  # fmt: skip
READERS = ("json", "text", "csv", "parquet", "arrow")
# What XTuner trains on pairs of a better and a worse answer.
PREFERENCES = ("DPO", "ORPO", "RewardModel")


def dataset_of(facts: Facts) -> str:
    """Return the path of the table that says what is read; of one in a wrapper that repeats it, the inner one's."""
    path = "train_dataloader.dataset" if facts.get("train_dataloader.dataset") is not None else "train_dataset"
    inner = facts.get(f"{path}.dataset")
    return f"{path}.dataset" if isinstance(inner, Mapping) and "tokenizer" in inner else path


def read_data(facts: Facts, sketch: Draft, where: str, *, weighs: bool = True, tower: str = "") -> None:
    """Carry over what is trained on, and how it is cut.

    Args:
        where: the config's name, for errors.
        weighs: whether the data is what the config is brought for; else rows that cannot be read are only told.
        tower: of a model that sees, as it is called here, where it was named.

    Raises:
        BadInput: the rows are made by a function of the person's own, are pairs, or are named by no plain value.
    """
    _check_preferences(facts, sketch, where, weighs=weighs)
    dataset = dataset_of(facts)
    _repeated(facts, sketch, dataset)
    if isinstance(facts.get(f"{dataset}.datasets"), (list, tuple)):
        dataset = f"{dataset}.datasets.0"
        sketch.leave("datasets = […]", "several_sets")
    try:
        _source(facts, sketch, dataset, where)
    except BadInput:  # a value that is not read has a line in the table already
        if weighs:
            raise
    name = _function(facts, sketch, dataset, where, weighs=weighs)
    if name == "pretrain_map_fn":
        sketch.put("dataset_map_fn = pretrain_map_fn", "data.loss_on", "all", "pretrain")
    length, _ = facts.take(f"{dataset}.max_length", f"{dataset}.packed_length", "max_length")
    if number(length):
        sketch.put(shown("max_length", length), "data.max_length", int(length))
    packed, _ = facts.take(f"{dataset}.pack_to_max_length", "pack_to_max_length")
    if isinstance(packed, bool) and not is_llava(facts):
        sketch.put(shown("pack_to_max_length", packed), "data.packing", packed, "packing" if packed else "")
    sketch.leave("–", "no_validation")
    if is_llava(facts):
        read_pictures(facts, sketch, dataset, tower=tower)


def _check_preferences(facts: Facts, sketch: Draft, where: str, *, weighs: bool) -> None:
    name = last(facts.get("model.type"))
    if name not in PREFERENCES:
        return
    if weighs:
        raise BadInput("imports.config.preferences", file=where, name=name)
    sketch.leave(shown("type", name), "preferences", name=name)


def _repeated(facts: Facts, sketch: Draft, dataset: str) -> None:
    """A set that is gone through several times an epoch: that many epochs more."""
    outer = dataset.rpartition(".")[0]
    times, path = facts.take(f"{outer}.times") if dataset.count(".dataset") > 1 or outer == "train_dataset" else (0, "")
    epochs = sketch.settings.get("schedule", {}).get("num_train_epochs")
    if path and number(times) and epochs:
        sketch.put(shown("times", times), "schedule.num_train_epochs", float(epochs * times), "repeated", times=times)


def _function(facts: Facts, sketch: Draft, dataset: str, where: str, *, weighs: bool) -> str:
    """The rows' format, by the function that makes rows of them; returns its name.

    Raises:
        BadInput: it is the person's own.
    """
    function, path = facts.take(f"{dataset}.dataset_map_fn", "dataset_map_fn")
    name = function.source if isinstance(function, Unread) else last(function) or str(function)
    if last(facts.get(f"{dataset}.type")) == "MOSSSFTDataset":
        sketch.put("type = MOSSSFTDataset", "data.format", "moss", kind="translated")
    elif path and function is None and facts.get("train_dataloader"):
        sketch.put("dataset_map_fn = None", "data.format", "xtuner", "own_format")
    elif path and function is not None and name not in MAP_FUNCTIONS:
        if weighs:
            raise BadInput("imports.config.own_function", file=where, name=name)
        sketch.leave(shown("dataset_map_fn", name), "own_function")
    elif path and function is not None and MAP_FUNCTIONS[name]:
        sketch.put(shown("dataset_map_fn", name), "data.format", MAP_FUNCTIONS[name], kind="translated")
    elif path and function is not None:
        sketch.leave(shown("dataset_map_fn", name), "rename_fields", name=name)
    return name


def _source(facts: Facts, sketch: Draft, dataset: str, where: str) -> None:
    """The file, folder or hub id of the rows: what the set itself names; only without one, what a variable does."""
    inner = f"{dataset}.dataset"
    own = (f"{inner}.data_files", f"{dataset}.data_path", f"{dataset}.data_file", f"{inner}.dataset_path",
           f"{inner}.dataset_name", f"{inner}.data_dir")  # fmt: skip
    table = isinstance(facts.get(dataset), Mapping)
    files, path = facts.take(*own, *(() if table else ("data_files", "data_path")))
    origin, origin_path = facts.take(f"{inner}.path", *(() if table else ("alpaca_en_path",)))
    tokenized, tokenized_path = facts.take(f"{dataset}.dataset_cfg.folder")
    if tokenized_path:
        sketch.leave(shown("folder", tokenized), "tokenized")
        facts.take(f"{dataset}.dataset_cfg", f"{dataset}.seed")
    _split(facts, sketch, inner)
    for value, name in ((files, path), (origin, origin_path)):
        if isinstance(value, Unread):
            raise BadInput("imports.config.unread", file=where, line=value.line, name=name.rpartition(".")[2],
                           source=value.source)  # fmt: skip
    name = path.rpartition(".")[2]
    first = _first(files, sketch, where)
    if isinstance(first, str) and name == "dataset_name":
        sketch.put(shown(name, first), "data.train", first, "modelscope")
    elif isinstance(first, str):
        sketch.put(shown(name, first), "data.train", first, "their_file")
    elif isinstance(origin, str) and origin not in READERS and not isinstance(origin, Symbol):
        sketch.put(shown("path", origin), "data.train", origin, "" if origin.count("/") == 1 else "their_file")


def _first(files: Any, sketch: Draft, where: str) -> Any:
    """Of several files the one that is trained on; the rest are told."""
    if isinstance(files, Mapping) and files:
        chosen = "train" if "train" in files else next(iter(files))
        for split in files:
            if split != chosen:
                sketch.leave(shown(f"data_files.{split}", files[split]), "other_split", split=split)
        files = files[chosen]
    if isinstance(files, (list, tuple)):
        if len(files) > 1:
            sketch.leave(shown("data_files", list(files)), "several_sets")
        files = files[0] if files else None
    if isinstance(files, Unread):
        raise BadInput("imports.config.unread", file=where, line=files.line, name="data_files", source=files.source)
    return files


def _split(facts: Facts, sketch: Draft, inner: str) -> None:
    """Which part of a set is read."""
    split, path = facts.take(f"{inner}.split")
    if path and split and split != "train":
        sketch.leave(shown("split", split), "split")
    name, path = facts.take(f"{inner}.name")
    if path and name:
        sketch.leave(shown("name", name), "subset")
