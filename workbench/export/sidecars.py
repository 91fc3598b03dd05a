"""What lies beside the weights: configuration, tokenizer, chat template. Knows file names; reads no weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.models import internlm, sentencepieces
from workbench.models.folders import check_file
from workbench.runs.files import LARGEST, read_bounded

TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
PROCESSOR = (
    "processor_config.json",
    "preprocessor_config.json",
    "image_processor_config.json",
    "video_preprocessor_config.json",
)
_PAPERS = ("LICENSE*", "NOTICE*", "USE_POLICY*")


def model_folder(model: str, *, fetch: bool = True) -> Path:
    """Return the folder on this machine that holds ``model``'s files.

    Args:
        model: ``pocket``, a folder or a hub id.
        fetch: get a hub id's files where they are not here yet.

    Raises:
        UnknownName: no such model. BadInput: the folder holds what is no ordinary file, or links that leave it.
        Failed: the hub did not give it.
    """
    from workbench.models.loading import on_disk

    return on_disk(model, fetch=fetch)


def read_config(file: Path) -> dict[str, Any]:
    """Return a JSON file that holds an object.

    Raises:
        BadInput: it is not there, or not JSON.
    """
    try:
        loaded = json.loads(read_bounded(file, LARGEST))
    except FileNotFoundError as error:
        raise BadInput("export.no_config", folder=file.parent, file=file.name) from error
    except RecursionError as error:
        raise BadInput("export.broken_file", file=file, reason="brackets within brackets") from error
    except ValueError as error:
        raise BadInput("export.broken_file", file=file, reason=error) from error
    except OSError as error:
        raise BadInput("export.broken_file", file=file, reason=error.strerror or error) from error
    if not isinstance(loaded, dict):
        raise BadInput("export.broken_file", file=file, reason="not an object")
    return loaded


def base_config(folder: Path) -> dict[str, Any]:
    """Return ``config.json`` of a base; an InternLM's as that of the Llama that it is.

    Raises:
        BadInput: it is not there, or not JSON, or has a setting that a Llama does not have.
    """
    config = read_config(folder / "config.json")
    return internlm.as_llama(config) if internlm.is_internlm(config) else config


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Write ``value`` as readable JSON, unsynced: the folder gets its name once it is whole."""
    file.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def copy_tokenizer(folders: Iterable[Path], out: Path, *, as_is: bool = False) -> bool:
    """Copy the tokenizer of the first of ``folders`` that has one; whether there was one.

    Args:
        folders: an InternLM's is written as every program reads it, without code of the folder's.
        out: where to.
        as_is: leave that as it is.

    Raises:
        BadInput: an InternLM's cannot be read.
    """
    from workbench.models.loading import load_tokenizer

    for folder in folders:
        if not as_is and sentencepieces.is_internlms(folder):
            load_tokenizer(str(folder)).save_pretrained(str(out))
            config = read_config(out / "tokenizer_config.json")
            write_json(out / "tokenizer_config.json", config | {"tokenizer_class": "PreTrainedTokenizerFast"})
            return True
        if (folder / "tokenizer_config.json").is_file() or (folder / "tokenizer.json").is_file():
            _copy(folder, TOKENIZER, out)
            more = folder / "additional_chat_templates"
            if more.is_dir():
                shutil.copytree(more, out / more.name)
            return True
    return False


def copy_rest(folder: Path, config: Mapping[str, Any], out: Path) -> None:
    """Copy a base's processor files and licences, and its own code where its configuration names it (it is not run)."""
    code = ("*.py",) if config.get("auto_map") else ()
    _copy(folder, (*PROCESSOR, *_PAPERS, *code), out)


def _copy(folder: Path, patterns: Iterable[str], out: Path) -> None:
    for pattern in patterns:
        for file in sorted(folder.glob(pattern)):
            if file.is_file():
                check_file(file, folder)
                shutil.copyfile(file, out / file.name)


def merged_config(config: Mapping[str, Any], dtype: str, *, untied: bool) -> dict[str, Any]:
    """Return ``config.json`` of the merged model: the base's, in the dtype written, no longer tied where the two
    parted."""
    merged = {key: value for key, value in config.items() if key not in ("quantization_config", "_name_or_path")}
    inner = merged["text_config"] = dict(merged["text_config"]) if isinstance(merged.get("text_config"), dict) else None
    if inner is None:
        del merged["text_config"]
    for part in (merged, inner):
        if part is not None:
            part["dtype"] = part["torch_dtype"] = dtype  # the new name and the old one: other programs read either
            if untied:
                part["tie_word_embeddings"] = False
    return merged


def generation_config(base: Path, config: Mapping[str, Any], stops: Iterable[int]) -> dict[str, Any]:
    """Return ``generation_config.json`` with the full list of tokens at which an answer ends.

    The end-of-turn of a chat template and the end-of-sequence of a base model are often two tokens; a server that knows
    only one of
    them talks on after the answer.

    Args:
        base: the base's folder.
        config: the base's ``config.json``.
        stops: what the template adds.
    """
    file = base / "generation_config.json"
    settings = read_config(file) if file.is_file() else {}
    for key in ("bos_token_id", "pad_token_id"):
        if key not in settings and config.get(key) is not None:
            settings[key] = config[key]
    ends = dict.fromkeys(int(stop) for stop in stops)
    for eos in (settings.get("eos_token_id"), config.get("eos_token_id")):
        several = eos if isinstance(eos, list) else [eos]
        ends |= dict.fromkeys(token for token in several if isinstance(token, int))
    if ends:
        settings["eos_token_id"] = list(ends)
    return settings
