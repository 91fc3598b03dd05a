"""A model's or an adapter's folder, looked at before any library opens it. Knows files and formats; loads nothing.

What a stranger gives away may hold anything. Libraries follow what stands in it: an index names the files that are
opened, a configuration the code that computes attention, a setting of a tokenizer a file elsewhere. Here only
ordinary files within the folder pass, weights only as whole safetensors, and of a configuration what is no choice of
code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, WorkbenchError
from workbench.models.headers import header

CONFIG, ADAPTER, INDEX, WEIGHTS = (
    "config.json",
    "adapter_config.json",
    "model.safetensors.index.json",
    "model.safetensors",
)
ADAPTER_WEIGHTS = "adapter_model.safetensors"
POINTER = b"version https://git-lfs"
# What libraries may open by themselves in a folder, beside what an index names.
_OPENED = {".json", ".jinja", ".model", ".txt", ".safetensors", ".tiktoken", ".jsonl", ".md"}
_TEMPLATES = "additional_chat_templates"
# Bytes: of an index of a thousand files, and of a configuration with every option written out.
LARGEST, LARGEST_CONFIG = 200_000_000, 20_000_000
# Keys of a configuration that choose code, or what is fetched or opened: they are left out wherever they stand.
_CHOOSES = {
    "attn_implementation", "_attn_implementation", "_attn_implementation_internal", "_attn_implementation_autoset",
    "experts_implementation", "_experts_implementation", "_experts_implementation_internal", "use_kernels",
    "kernel_config", "custom_generate", "custom_pipelines", "configuration_files", "transformers_weights",
    "use_pretrained_backbone", "use_flash_attention_2", "_flash_attn_2_enabled", "name_or_path", "_name_or_path",
    "trust_remote_code", "distributed_config", "device_map", "tp_plan", "gguf_file", "generation_config",
    "output_attentions", "_output_attentions",
}  # fmt: skip
# The largest of each that a model can mean; beyond it building the model alone would take all memory.
_GREATEST = {
    "layers": 2_000, "num_layers": 2_000, "n_layer": 2_000, "n_layers": 2_000, "num_hidden_layers": 2_000,
    "vocab_size": 20_000_000, "hidden_size": 1_000_000, "n_embd": 1_000_000, "d_model": 1_000_000,
    "intermediate_size": 10_000_000, "head_dim": 100_000, "num_attention_heads": 20_000, "n_head": 20_000,
    "num_key_value_heads": 20_000, "num_experts": 20_000, "num_local_experts": 20_000, "n_routed_experts": 20_000,
    "max_position_embeddings": 1_000_000_000, "n_positions": 1_000_000_000, "image_size": 10_000, "patch_size": 10_000,
    "num_channels": 1_000, "depth": 2_000, "num_heads": 20_000, "out_hidden_size": 1_000_000, "in_channels": 1_000,
    "spatial_merge_size": 1_000, "temporal_patch_size": 1_000, "window_size": 1_000_000, "scale_factor": 1_000,
    "projection_dim": 1_000_000, "image_seq_length": 100_000_000,
}  # fmt: skip
# The one way of storing weights in few bits that needs nothing but what is installed here.
_PACKED = ("bitsandbytes", "bitsandbytes_4bit", "bitsandbytes_8bit")


def check_folder(folder: Path) -> None:
    """Check all that can be told of a model's folder without loading it.

    Raises:
        BadInput: says which file and why.
    """
    check_files(folder)
    clean_config(folder)
    check_tokenizer(folder)
    check_weights(folder)


def is_whole(folder: Path, note: str) -> bool:
    """Tell whether a folder that the workbench once made is all there: its ``note``, which is written last, and sound
    files."""
    if not (folder / note).is_file():
        return False
    try:
        check_folder(folder)
    except WorkbenchError:
        return False
    return True


def check_files(folder: Path) -> None:
    """See that what a library may open in ``folder`` is an ordinary file, and of the folder.

    Links within the folder pass, and those by which the hub's own cache stores a model.

    Raises:
        BadInput: a device, a pipe, a socket, or a link that leads elsewhere or nowhere.
    """
    for file in _opened(folder):
        check_file(file, folder)


def check_file(file: Path, folder: Path) -> None:
    """See that ``file``, which lies in ``folder``, is an ordinary file, and of the folder.

    Raises:
        BadInput: as :func:`check_files`.
    """
    target = file.resolve() if file.is_symlink() else file
    if file.is_symlink() and not any(home in target.parents for home in _homes(folder)):
        raise BadInput("models.leads_outside", file=file, target=target)
    if not target.is_file():
        raise BadInput("models.no_ordinary_file", file=file)


def _opened(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.iterdir()):
        if file.name == _TEMPLATES:
            if file.is_symlink():
                yield file
            elif file.is_dir():
                yield from sorted(file.iterdir())
        elif file.suffix.lower() in _OPENED and (file.is_symlink() or not file.is_dir()):
            yield file


def _homes(folder: Path) -> tuple[Path, ...]:
    """Where the links of ``folder`` may lead: into it; of a snapshot in the hub's cache to the files beside it."""
    home = folder.resolve()
    cached = home.parent.name == "snapshots" and home.parents[1].name.startswith("models--")
    return (home, home.parents[1] / "blobs") if cached else (home,)


def read_object(file: Path, largest: int = LARGEST) -> dict[str, Any]:
    """Return the JSON object that ``file`` holds.

    Raises:
        BadInput: it is missing, no ordinary file, larger than ``largest`` bytes, or holds no JSON object.
    """
    from workbench.runs.files import read_bounded  # a look at a folder need not load all that a run is

    try:
        content = read_bounded(file, largest)
        if content.startswith(POINTER):
            raise BadInput("models.lfs_pointer", file=file)
        loaded = json.loads(content)
    except FileNotFoundError as error:
        raise BadInput("models.file_missing", folder=file.parent, file=file.name) from error
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput("models.broken_file", file=file, reason=_reason(error)) from error
    if not isinstance(loaded, dict):
        raise BadInput("models.broken_file", file=file, reason="no JSON object")
    return loaded


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "brackets within brackets without end"
    return getattr(error, "strerror", None) or str(error).split("\n", 1)[0] or type(error).__name__


def clean_config(folder: Path) -> dict[str, Any]:
    """Return ``config.json`` of a model's folder, without what would choose code or files.

    Raises:
        BadInput: it is broken, asks for sizes that no model has, or names a way of storing weights that would fetch
            code; or the folder holds an adapter.
    """
    if (folder / ADAPTER).is_file():
        key = "models.model_and_adapter" if (folder / CONFIG).is_file() else "models.is_adapter"
        raise BadInput(key, folder=folder)
    config = read_object(folder / CONFIG, LARGEST_CONFIG)
    if not isinstance(config.get("model_type"), str):
        raise BadInput("models.no_model_type", file=folder / CONFIG)
    try:
        cleaned: dict[str, Any] = _without_choices(config, folder / CONFIG)
    except RecursionError as error:
        raise BadInput("models.broken_file", file=folder / CONFIG, reason=_reason(error)) from error
    return cleaned


def _without_choices(node: Any, file: Path) -> Any:
    if isinstance(node, list):
        return [_without_choices(item, file) for item in node]
    if not isinstance(node, dict):
        return node
    for key, value in node.items():
        if isinstance(value, (int, float)) and abs(value) > _GREATEST.get(key, float("inf")):
            raise BadInput("models.no_such_size", file=file, key=key, given=value, greatest=_GREATEST[key])
    for key in ("quantization_config", "compression_config"):
        _check_packed(node.get(key), file)
    return {key: _without_choices(value, file) for key, value in node.items() if key not in _CHOOSES}


def _check_packed(quantization: Any, file: Path) -> None:
    if quantization is None:
        return
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else quantization
    bits = (
        isinstance(quantization, Mapping)
        and method is None
        and (quantization.get("load_in_4bit") or quantization.get("load_in_8bit"))
    )
    if method not in _PACKED and not bits:
        raise BadInput("models.packed_otherwise", file=file, given=method)


def check_tokenizer(folder: Path) -> None:
    """See that the tokenizer's settings are JSON, and name no file but those of the folder.

    Raises:
        BadInput: says which file and why.
    """
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        if not (folder / name).is_file():
            continue
        if name == "tokenizer.json":  # a large one, and read by the library at once
            if _starts_as_pointer(folder / name):
                raise BadInput("models.lfs_pointer", file=folder / name)
            continue
        settings = read_object(folder / name, LARGEST_CONFIG)
        if settings.get("gguf_file") or any(_elsewhere(name) for name in _names(settings.get("fast_tokenizer_files"))):
            raise BadInput("models.names_file", file=folder / name)


def _names(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _elsewhere(name: Any) -> bool:
    """Whether ``name`` is anything but the plain name of a file."""
    return not isinstance(name, str) or name in ("", ".", "..") or any(sign in name for sign in "/\\:\0")


def _starts_as_pointer(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(POINTER)) == POINTER


def check_weights(folder: Path) -> None:
    """See that the weights of a model's folder are whole safetensors, by their heads; no weight is read.

    Raises:
        BadInput: there are none, or only pickled ones; a file is cut short, empty, a git-lfs pointer or no safetensors;
            an index names another kind of file, a file elsewhere or one that is not there, or a tensor that is not
            where it says.
    """
    if (folder / ".metadata").exists():
        raise BadInput("models.other_checkpoint", folder=folder)
    if (folder / WEIGHTS).exists():
        check_safetensors(folder / WEIGHTS)
        return
    if not (folder / INDEX).exists():
        pickled = sorted(
            file.name for end in ("*.bin", "*.pth", "*.pt", "*.ckpt", "*.pkl") for file in folder.glob(end)
        )
        key = "models.only_pickled" if pickled else "models.no_weights"
        raise BadInput(key, folder=folder, file=pickled[0] if pickled else "")
    places = _places(folder / INDEX)
    shards = {name: check_safetensors(folder / name) for name in sorted(set(places.values()))}
    for tensor, name in places.items():
        if tensor not in shards[name]:
            raise BadInput("models.tensor_missing", file=folder / name, tensor=tensor)


def weight_files(folder: Path) -> list[Path]:
    """Return the files of weights that a library opens in a folder which :func:`check_weights` finds whole."""
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    return [folder / name for name in sorted(set(_places(folder / INDEX).values()))]


def _places(index: Path) -> dict[str, str]:
    """Of an index: tensor -> name of the file that holds it."""
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise BadInput("models.broken_file", file=index, reason="no weight_map")
    for name in dict.fromkeys(str(value) for value in places.values()):
        if _elsewhere(name) or not name.endswith(".safetensors"):
            raise BadInput("models.not_safetensors", file=index, given=name)
        if not (index.parent / name).exists():
            raise BadInput("models.file_missing", folder=index.parent, file=name)
    return {str(tensor): str(name) for tensor, name in places.items()}


def check_safetensors(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tensors of ``file``, found whole.

    Raises:
        BadInput: it is no ordinary file, empty, cut short, a git-lfs pointer, or no safetensors file.
    """
    if not file.is_file():
        raise BadInput("models.no_ordinary_file" if file.exists() else "models.file_missing",
                       file=file.name if not file.exists() else file, folder=file.parent)  # fmt: skip
    if _starts_as_pointer(file):
        raise BadInput("models.lfs_pointer", file=file)
    try:
        entries, begin = header(file)
        end = max((_end(entry) for entry in entries.values()), default=0)
        shapes = {name: tuple(int(n) for n in entry["shape"]) for name, entry in entries.items()}
    except WorkbenchError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput("models.broken_weights", file=file, reason=_reason(error)) from error
    size = file.stat().st_size
    if size < begin + end:
        raise BadInput("models.cut_short", file=file, size=size, whole=begin + end)
    if not shapes:
        raise BadInput("models.broken_weights", file=file, reason="it holds no tensor")
    return shapes


def _end(entry: Mapping[str, Any]) -> int:
    start, end = (int(n) for n in entry["data_offsets"])
    if not 0 <= start <= end:
        raise ValueError(f"bytes {start} to {end}")
    return end
