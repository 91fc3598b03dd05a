"""InternLM and InternLM2 as the Llamas that they are: names, rows and settings. Knows their layout on the disk; reads a
tensor only where it is asked for, and runs no code of theirs.

InternLM2's ``wqkv`` (out, hidden) is (key and value heads, group + 2, head_dim) along its rows: of each group first the
queries, then the key, then the value. Everything else is a tensor of Llama's under another name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput
from workbench.models import folders, headers

if TYPE_CHECKING:
    import torch

FAMILY = ("internlm", "internlm2")
# A layer's part on the disk -> Llama's name of it.
PARTS = {
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
TOP = {"model.tok_embeddings": "model.embed_tokens", "model.norm": "model.norm", "output": "lm_head"}
FUSED = "attention.wqkv"
PROJECTIONS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
LAYER = re.compile(r"(model\.layers\.\d+)\.(.+)\.(weight|bias)")
# The most heads, and the widest layer, that a model can have: what is beyond would only take all memory.
MOST_HEADS, WIDEST = 20_000, 1_000_000
# Settings that both have by one name and with one meaning.
_SAME = (
    "bos_token_id", "eos_token_id", "pad_token_id", "hidden_act", "hidden_size", "initializer_range",
    "intermediate_size", "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "rms_norm_eps",
    "tie_word_embeddings", "use_cache", "vocab_size", "dtype", "torch_dtype", "quantization_config",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """Hold a tensor of the Llama, as it lies on the disk.

    Args:
        name: Llama's name of it.
        source: the name on the disk.
        rows: (first, one after the last) of the rows of ``source`` that it is made of, in order; empty: all of it.
    """

    name: str
    source: str
    rows: tuple[tuple[int, int], ...] = ()


def is_internlm(config: Mapping[str, Any]) -> bool:
    """Tell whether ``config.json`` is that of an InternLM, 1 or 2 (2.5 is a 2)."""
    return config.get("model_type") in FAMILY


def as_llama(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``config.json`` of the same model as a Llama, in the spelling that older programs read too.

    Raises:
        BadInput: it has a setting that a Llama does not have, or a number that cannot be meant.
    """
    llama = {key: config[key] for key in _SAME if config.get(key) is not None}
    heads, groups, hidden = _heads(config)
    llama |= {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_key_value_heads": groups,
        "head_dim": hidden // heads,
        "attention_bias": bool(config.get("bias", config["model_type"] == "internlm")),
        "mlp_bias": False,
        "tie_word_embeddings": bool(config.get("tie_word_embeddings", False)),
    }
    try:
        base, scaling = _rope(config)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadInput("models.broken_file", file=folders.CONFIG, reason=f"rope_scaling, rotary: {error}") from error
    return llama | {"rope_theta": base, "rope_scaling": scaling}


def _heads(config: Mapping[str, Any]) -> tuple[int, int, int]:
    """The heads, how many of them have keys and values of their own, and the numbers of a token.

    Raises:
        BadInput: these are no numbers, or none that a model can have.
    """
    try:
        heads = int(config["num_attention_heads"])
        groups, hidden = int(config.get("num_key_value_heads") or heads), int(config["hidden_size"])
    except (KeyError, TypeError, ValueError, OverflowError):
        heads = groups = hidden = 0
    if not (0 < groups <= heads <= MOST_HEADS and 0 < hidden <= WIDEST):
        names = ("num_attention_heads", "num_key_value_heads", "hidden_size")
        reason = ", ".join(f"{name}: {str(config.get(name))[:40]}" for name in names)
        raise BadInput("models.broken_file", file=folders.CONFIG, reason=reason)
    return heads, groups, hidden


def _rope(config: Mapping[str, Any]) -> tuple[float, dict[str, Any] | None]:
    """The base of the rotary embedding, and how it is stretched; InternLM 1 says both under ``rotary``."""
    first = config.get("rotary")
    if isinstance(first, Mapping):
        rope = {"type": first.get("type", "origin"), "factor": first.get("scaling_factor", 1.0)}
        base = float(first.get("base", 10000))
    else:
        scaling = config.get("rope_scaling") or {}
        rope = {
            "type": scaling.get("type") or scaling.get("rope_type") or "origin",
            "factor": scaling.get("factor", 1.0),
        }
        base = float(config.get("rope_theta") or 10000)
    if rope["type"] in ("origin", "default"):
        return base, None
    if rope["type"] not in ("dynamic", "linear"):
        raise BadInput("models.unknown_rope", given=rope["type"])
    return base, {"type": rope["type"], "rope_type": rope["type"], "factor": float(rope["factor"])}


def parts(names: Iterable[str], config: Mapping[str, Any]) -> list[Part]:
    """Return what the Llama's tensors are made of.

    Args:
        names: of the tensors on the disk.
        config: their ``config.json``.

    Raises:
        BadInput: a tensor that such a model does not have.
    """
    if config["model_type"] == "internlm":
        return [Part(name, name) for name in names if not name.endswith(".rotary_emb.inv_freq")]
    return [part for name in names if not name.endswith("inv_freq") for part in _parts(name, config)]


def _parts(name: str, config: Mapping[str, Any]) -> list[Part]:
    top, _, kind = name.rpartition(".")
    if top in TOP:
        return [Part(f"{TOP[top]}.{kind}", name)]
    match = LAYER.fullmatch(name)
    if match and match[2] in PARTS:
        return [Part(f"{match[1]}.{PARTS[match[2]]}.{match[3]}", name)]
    if match and match[2] == FUSED:
        return [
            Part(f"{match[1]}.{projection}.{match[3]}", name, rows)
            for projection, rows in zip(PROJECTIONS, fused_rows(config), strict=True)
        ]
    raise BadInput("models.unknown_tensor", tensor=name, model_type=config["model_type"])


def fused_rows(config: Mapping[str, Any]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return the rows of ``wqkv`` that are queries, keys and values, as (first, one after the last)."""
    heads, groups, hidden = _heads(config)
    wide = hidden // heads
    each = heads // groups
    starts = [group * (each + 2) * wide for group in range(groups)]
    queries = tuple((start, start + each * wide) for start in starts)
    keys = tuple((end, end + wide) for _, end in queries)
    return queries, keys, tuple((end, end + wide) for _, end in keys)


def module_name(name: str) -> tuple[str, ...]:
    """Return Llama's names of a module or of its last part: ``wqkv`` is three; what is none of InternLM2's stays."""
    for theirs, ours in ({FUSED: PROJECTIONS} | {key: (value,) for key, value in (PARTS | TOP).items()}).items():
        if name == theirs or name.endswith(f".{theirs}"):
            return tuple(name.removesuffix(theirs) + part for part in ours)
        if name == theirs.rpartition(".")[2]:
            return tuple(part.rpartition(".")[2] for part in ours)
    return (name,)


def layers(folder: Path) -> set[str]:
    """Return the names of all modules that have a tensor, an InternLM's as Llama's; empty where none is known.

    Raises:
        BadInput: it has a tensor that such a model does not have.
    """
    names = {name for file in folder.glob("*.safetensors") for name in headers.places(file)}
    config = headers.settings(folder)
    names = {part.name for part in parts(names, config)} if is_internlm(config) else names
    return {name.rpartition(".")[0] for name in names} - {""}


def load_llama(folder: Path, settings: Mapping[str, Any], **options: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return the model with its weights, each read where it goes, one at a time, in 4 bit too; and what the library
    says of its loading.

    Args:
        folder: whose weights :func:`workbench.models.folders.check_weights` finds whole.
        settings: its ``config.json``.
        options: what the library's ``from_pretrained`` is told.

    Raises:
        BadInput: a weight that such a model does not have, or of a wrong shape.
    """
    from transformers import GenerationConfig, LlamaForCausalLM

    apart = ("trust_remote_code", "use_safetensors", "local_files_only")
    options = {key: value for key, value in options.items() if key not in apart}
    with ExitStack() as opened:
        network, loading = LlamaForCausalLM.from_pretrained(
            None, state_dict=_tensors(folder, settings, opened), **options
        )
    network.config.name_or_path = network.name_or_path = str(folder)
    if (folder / "generation_config.json").is_file():
        network.generation_config = GenerationConfig.from_pretrained(str(folder))
    return network, loading


def _tensors(folder: Path, settings: Mapping[str, Any], opened: ExitStack) -> dict[str, Any]:
    """Llama's names -> what gives the tensor when it is asked for."""
    from safetensors import safe_open
    from transformers.integrations import is_deepspeed_zero3_enabled

    lies: dict[str, Any] = {}
    for file in folders.weight_files(folder):
        reader = opened.enter_context(safe_open(file, framework="pt"))
        lies |= {name: reader.get_slice(name) for name in reader.keys()}  # noqa: SIM118  it is no mapping
    tensors: dict[str, Any] = {}
    for part in parts(lies, settings):
        check_rows(part, lies[part.source].get_shape(), settings)
        tensors[part.name] = Lazy(lies[part.source], part.rows)
    if is_deepspeed_zero3_enabled():  # it shares out tensors, and asks for nothing
        return {name: lazy[...] for name, lazy in tensors.items()}
    return tensors


def check_rows(part: Part, shape: Sequence[int], config: Mapping[str, Any]) -> None:
    """Refuse a weight that has other rows than its configuration says.

    Args:
        shape: that the tensor on the disk has.

    Raises:
        BadInput: ``wqkv`` has another number of rows than its heads need.
    """
    rows = shape[0] if shape else 0
    expected = fused_rows(config)[2][-1][1] if part.rows else rows
    if rows != expected:
        raise BadInput("models.fused_shape", tensor=part.source, rows=rows, expected=expected)


class Lazy:
    """Represent a tensor that is read when it is asked for: what the library does with those of a file.

    Args:
        source: the slice of an opened safetensors file.
        rows: of it, as :class:`Part` says; empty: all.
    """

    def __init__(self, source: Any, rows: tuple[tuple[int, int], ...]) -> None:
        self.source, self.rows = source, rows

    def __getitem__(self, index: Any) -> torch.Tensor:
        import torch

        fused: torch.Tensor = (
            torch.cat([self.source[first:end] for first, end in self.rows]) if self.rows else self.source[...]
        )
        return fused if index is Ellipsis else fused[index]

    def get_shape(self) -> list[int]:
        """Return its shape."""
        shape = list(self.source.get_shape())
        return [sum(end - first for first, end in self.rows), *shape[1:]] if self.rows else shape

    def get_dtype(self) -> str:
        """Return its kind of numbers, as the file writes it."""
        return str(self.source.get_dtype())
