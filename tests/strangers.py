"""Folders of models and adapters as a stranger may give them, each with one fault. Knows files; loads nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Fault = Callable[[Path], object]
WEIGHTS, INDEX, SHARD = "model.safetensors", "model.safetensors.index.json", "model-00001-of-00001.safetensors"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 123456789\n"
BOMB = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def broken(good: Path, folder: Path, fault: Fault) -> Path:
    """A copy of ``good`` in ``folder``, with the fault."""
    shutil.copytree(good, folder)
    fault(folder)
    return folder


def edit(name: str, **changes: Any) -> Fault:
    """Some keys of a JSON file changed."""

    def change(folder: Path) -> None:
        file = folder / name
        file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | changes), encoding="utf-8")

    return change


def put(name: str, content: str | bytes) -> Fault:
    """A file with that content."""
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def cut(name: str, share: float) -> Fault:
    """A file of which only a share is there."""
    return lambda folder: os.truncate(folder / name, int((folder / name).stat().st_size * share))


def linked(name: str, target: str) -> Fault:
    """A link in the place of a file."""

    def link(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return link


def piped(name: str) -> Fault:
    """A pipe in the place of a file: whoever opens it waits for ever."""

    def pipe(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return pipe


def indexed(name: str) -> Fault:
    """An index that sends every tensor to the file ``name``."""

    def index(folder: Path) -> None:
        from safetensors import safe_open

        with safe_open(folder / WEIGHTS, "pt") as opened:
            places = dict.fromkeys(opened.keys(), name)
        (folder / WEIGHTS).rename(folder / SHARD)
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}), encoding="utf-8")

    return index


def pickled(folder: Path) -> None:
    """An index that names a pickled file which is there."""
    import torch

    indexed("pytorch_model.bin")(folder)
    torch.save({}, folder / "pytorch_model.bin")


def without(*names: str) -> Fault:
    """Tensors missing from the weights, which are whole otherwise."""

    def drop(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        kept = {k: v for k, v in load_file(folder / WEIGHTS).items() if k not in names}
        save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})

    return drop


# Each keeps the weights from being loaded; what reads the tokenizer alone may go on.
MODELS: dict[str, Fault] = {
    "cut weights": cut(WEIGHTS, 0.5),
    "cut in the header": lambda f: os.truncate(f / WEIGHTS, 100),
    "empty weights": put(WEIGHTS, b""),
    "zero weights": put(WEIGHTS, bytes(5000)),
    "header of brackets": put(WEIGHTS, (200_000).to_bytes(8, "little") + b"[" * 200_000),
    "header of terabytes": put(WEIGHTS, (2**40).to_bytes(8, "little") + b"{}"),
    "pickled weights under the name": put(WEIGHTS, b"\x80\x04" + bytes(300)),
    "a git-lfs pointer": put(WEIGHTS, POINTER),
    "an index to a file elsewhere": indexed("../../../../../../etc/passwd"),
    "an index to an absolute path": indexed("/etc/passwd"),
    "an index to a file that is not there": indexed("model-00002-of-00002.safetensors"),
    "an index to a pickled file": pickled,
    "an index without a map": lambda f: (indexed(SHARD)(f), put(INDEX, "{}")(f)),
    "an index of brackets": lambda f: (indexed(SHARD)(f), put(INDEX, "[" * 200_000)(f)),
    "an index that is wrong": lambda f: (indexed(SHARD)(f), edit(INDEX, weight_map={"model.norm.nothing": SHARD})(f)),
    "missing tensors": without("model.norm.weight", "model.layers.0.mlp.up_proj.weight"),
    "no configuration": lambda f: (f / "config.json").unlink(),
    "a broken configuration": put("config.json", '{"model_type": "llama", '),
    "a configuration of brackets": put("config.json", '{"a":' * 200_000),
    "a list as configuration": put("config.json", "[]"),
    "a configuration without a kind": edit("config.json", model_type=None),
    "a kind that brings its code": edit("config.json", model_type="evil", auto_map={"AutoConfig": "x.C"}),
    "numbers as text": edit("config.json", hidden_size="many"),
    "heads that do not divide": edit("config.json", num_attention_heads=7),
    "a million layers": edit("config.json", num_hidden_layers=1_000_000),
    "an endless vocabulary": edit("config.json", vocab_size=10**12),
    "another shape": edit("config.json", intermediate_size=96),
    "a quantizer of others": edit("config.json", quantization_config={"quant_method": "awq", "bits": 4}),
    "a quantizer that fetches": edit("config.json", quantization_config={"quant_method": "mxfp4"}),
    "an adapter beside the model": put("adapter_config.json", '{"base_model_name_or_path": "owner/base"}'),
    "a distributed checkpoint": put(".metadata", b"\x80\x04."),
}
# Each keeps whatever opens the folder from going on.
EITHER: dict[str, Fault] = {
    "weights that are a device": linked(WEIGHTS, "/dev/zero"),
    "a configuration that is a device": linked("config.json", "/dev/zero"),
    "a configuration that is a pipe": piped("config.json"),
    "a tokenizer that is a pipe": piped("tokenizer.json"),
    "weights that are a pipe": piped(WEIGHTS),
    "a template that is a pipe": piped("chat_template.jinja"),
    "a link out of the folder": linked("tokenizer_config.json", "/etc/passwd"),
    "a link that leads nowhere": linked("tokenizer.json", "nothing"),
    "tokenizer settings of brackets": put("tokenizer_config.json", '{"a":' * 200_000),
    "a broken tokenizer": put("tokenizer.json", '{"version": "1.0"'),
    "a tokenizer that is a pointer": put("tokenizer.json", POINTER),
    "a tokenizer that names a file": edit("tokenizer_config.json", gguf_file="../../../etc/passwd"),
    "a template without end": put("chat_template.jinja", BOMB),
    "a template of a power": put("chat_template.jinja", "{{ 9 ** (9 ** 9) }}"),
    "a template of all memory": put("chat_template.jinja", "{{ 'a' * 100000000000 }}"),
    "a template that looks inside": put("chat_template.jinja", "{{ ''.__class__.__mro__[1].__subclasses__() }}"),
    "a template in a template's place": put("chat_template.jinja", "{% for"),
}
ADAPTERS: dict[str, Fault] = {
    "cut weights": cut(ADAPTER_WEIGHTS, 0.5),
    "empty weights": put(ADAPTER_WEIGHTS, b""),
    "a git-lfs pointer": put(ADAPTER_WEIGHTS, POINTER),
    "weights that are a device": linked(ADAPTER_WEIGHTS, "/dev/zero"),
    "weights that are a pipe": piped(ADAPTER_WEIGHTS),
    "settings that are a pipe": piped("adapter_config.json"),
    "settings that lead elsewhere": linked("adapter_config.json", "/etc/passwd"),
    "broken settings": put("adapter_config.json", "{"),
    "settings of brackets": put("adapter_config.json", '{"a":' * 200_000),
    "a list as settings": put("adapter_config.json", "[]"),
    "no kind": edit("adapter_config.json", peft_type=None),
    "a kind that fetches others": edit("adapter_config.json", peft_type="XLORA", adapters={"0": "owner/adapter"}),
    "rank as text": edit("adapter_config.json", r="four"),
    "a rank of zero": edit("adapter_config.json", r=0),
    "another rank": edit("adapter_config.json", r=8),
    "a pattern without end": edit("adapter_config.json", target_modules="(.*.*)*_proj"),
    "a rank pattern without end": edit("adapter_config.json", rank_pattern={"(a+)+$": 4}),
    "a rank of truth values": edit("adapter_config.json", rank_pattern={"q_proj": [True, False]}),
    "a broken pattern": edit("adapter_config.json", alpha_pattern={"(": 4}),
    "a scale that is no number": edit("adapter_config.json", lora_alpha="much"),
}
