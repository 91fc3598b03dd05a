"""Small GGUF files that the tests write themselves, by the format's own library, from the tests' tiny Llama."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def theirs(name: str) -> str:
    """``blk.0.attn_q.weight`` of ``model.layers.0.self_attn.q_proj.weight``."""
    name, _, end = name.rpartition(".")
    prefix = ""
    if name.startswith("model.layers."):
        number, _, name = name.removeprefix("model.layers.").partition(".")
        prefix = f"blk.{number}."
    return f"{prefix}{NAMES[name]}.{end}"


def rotated(weight: Any, heads: int) -> Any:
    """Rows of queries and keys in GGUF's order: pairs side by side, not halves."""
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def write(
    model: Path,
    file: Path,
    *,
    kind: str = "F32",
    values: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
    architecture: str = "llama",
) -> Path:
    """The Llama in the folder ``model`` as a GGUF file.

    Args:
        kind: how matrices are stored: ``F32``, ``F16``, ``Q8_0``, ``Q4_1``.
        values: pairs in place of the usual ones; None leaves one out.
        more: tensors besides.
        architecture: what the file says it is.
    """
    import gguf
    from transformers import AutoConfig, AutoTokenizer

    config, tokenizer = AutoConfig.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    writer = gguf.GGUFWriter(file, architecture)
    for key, value in {**usual(config, tokenizer), **(values or {})}.items():
        if value is not None:
            add = {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}[type(value)]
            add(key, value)
    add_vocabulary(writer, model, tokenizer)
    add_tensors(writer, {**arrays(model, config), **(more or {})}, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def usual(config: Any, tokenizer: Any) -> dict[str, Any]:
    """GGUF's name of each setting -> its value."""
    return {
        "general.name": "a tiny one",
        "general.license": "cc0-1.0",
        "llama.context_length": config.max_position_embeddings,
        "llama.block_count": config.num_hidden_layers,
        "llama.feed_forward_length": config.intermediate_size,
        "llama.embedding_length": config.hidden_size,
        "llama.rope.dimension_count": config.hidden_size // config.num_attention_heads,
        "llama.rope.freq_base": float(config.rope_parameters["rope_theta"]),
        "llama.attention.head_count": config.num_attention_heads,
        "llama.attention.head_count_kv": config.num_key_value_heads,
        "llama.attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "llama.vocab_size": config.vocab_size,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.eos_token_id": tokenizer.eos_token_id,
        "tokenizer.ggml.padding_token_id": tokenizer.pad_token_id,
        "tokenizer.chat_template": tokenizer.chat_template,
    }


def add_vocabulary(writer: Any, model: Path, tokenizer: Any) -> None:
    """The tokens in their order, which of them are special, and the merges."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    special = set(tokenizer.all_special_tokens) | set(tokenizer.added_tokens_encoder)
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([3 if token in special else 1 for token, _ in vocabulary])
    merges = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])


def add_tensors(writer: Any, tensors: Mapping[str, Any], kind: str) -> None:
    """Each tensor, matrices stored as ``kind``."""
    import gguf
    import numpy

    for name, array in tensors.items():
        stored = gguf.GGMLQuantizationType[kind if array.ndim > 1 else "F32"]
        raw = numpy.ascontiguousarray(array, dtype=numpy.float32)
        if kind == "F32" or array.ndim == 1:
            writer.add_tensor(name, raw)
        else:
            writer.add_tensor(name, gguf.quantize(raw, stored), raw_dtype=stored)


def arrays(model: Path, config: Any) -> dict[str, Any]:
    """GGUF's name -> numbers."""
    from safetensors.torch import load_file

    found = {}
    for name, weight in load_file(model / "model.safetensors").items():
        array = weight.float().numpy()
        if "q_proj" in name or "k_proj" in name:
            array = rotated(array, config.num_attention_heads if "q_proj" in name else config.num_key_value_heads)
        found[theirs(name)] = array
    return found
