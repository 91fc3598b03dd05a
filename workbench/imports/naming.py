"""XTuner's names of tensors as PEFT's and Llama's. Knows names and rows; reads no tensor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.errors import BadInput
from workbench.imports.lying import Lying
from workbench.models import internlm

Tensors = dict[str, Lying]
_LORA = re.compile(r"\.(lora_(?:A|B|E|embedding_A|embedding_B|magnitude_vector))(?=\.|$)")
_THEIRS = re.compile(r"\.(attention\.w(qkv|o)|feed_forward\.w[123]|tok_embeddings|output)(\.|$)")
# XTuner's own part of a name, and every adapter's own name
_ADAPTER = re.compile(r"\.(default|modules_to_save\.default|modules_to_save)(?=\.|$)")
# what PEFT keeps of a layer of modules_to_save beside the one that was trained
_UNUSED = ".original_module."
_PREFIX = "base_model.model."
# InternLM2's published models all have heads as wide as this
WIDE = 128


@dataclass(frozen=True, slots=True)
class Parted:
    """Hold what a checkpoint holds, by what it belongs to; all names as those who load them write them.

    Args:
        adapter: the language model's, in PEFT's names.
        model: the language model itself, where all of it was trained.
        projector: LLaVA's, ``model.0.weight`` …
        tower_adapter: LLaVA's vision encoder's, in PEFT's names.
        tower: the vision encoder itself.
    """

    adapter: Tensors
    model: Tensors
    projector: Tensors
    tower_adapter: Tensors
    tower: Tensors


def parted(weights: Mapping[str, Lying], where: object) -> Parted:
    """Return the tensors of a checkpoint, sorted and renamed.

    Raises:
        BadInput: there are none, or one belongs to nothing that is known.
    """
    parted = Parted({}, {}, {}, {}, {})
    for name, tensor in weights.items():
        top, _, rest = name.partition(".")
        plain = _peft_name(rest if top in ("llm", "visual_encoder", "projector") else name)
        if _UNUSED in name:
            continue
        if top == "projector":
            parted.projector[plain] = tensor
        elif top == "visual_encoder":
            (parted.tower_adapter if _of_adapter(plain) else parted.tower)[plain] = tensor
        elif top == "llm" or name.startswith((_PREFIX, "model.", "lm_head.", "output.")):
            (parted.adapter if _of_adapter(plain) else parted.model)[plain] = tensor
        else:
            raise BadInput("imports.unknown_tensor", tensor=name[:120], file=where)
    if not weights:
        raise BadInput("imports.no_tensors", file=where)
    return parted


def _of_adapter(name: str) -> bool:
    return name.startswith(_PREFIX)


def peft_names(adapter: Mapping[str, Lying]) -> Tensors:
    """Return the tensors of a converted adapter under the names that PEFT gives them, without the copies that it keeps
    of layers whose weights were trained."""
    return {_peft_name(name): tensor for name, tensor in adapter.items() if _UNUSED not in name}


def _peft_name(name: str) -> str:
    """A name without the adapter's own, and with PEFT's prefix once where it is an adapter's.

    A model that was wrapped twice has it twice, one saved by its layers alone has none.
    """
    plain = _ADAPTER.sub("", name)
    while plain.startswith(2 * _PREFIX):
        plain = plain.removeprefix(_PREFIX)
    return _PREFIX + plain if _LORA.search(plain) and not plain.startswith(_PREFIX) else plain


def is_theirs(names: Sequence[str]) -> bool:
    """Tell whether modules are called as InternLM2's own implementation calls them."""
    return any(_THEIRS.search(f".{name}") for name in names)


def split(name: str) -> tuple[str, str]:
    """Return ``base_model.model.M.lora_A.weight`` as (``base_model.model.M``, ``.lora_A.weight``)."""
    match = _LORA.search(name)
    if match:
        return name[: match.start()], name[match.start() :]
    module, _, kind = name.rpartition(".")
    return module, f".{kind}"


def as_llamas(adapter: Tensors, config: Mapping[str, Any] | None, where: object) -> tuple[Tensors, str]:
    """Return an adapter for InternLM2's own layers as one for the same model as a Llama; exactly the same change.

    One for ``wqkv`` becomes three: each has all of A, and its own rows of B. So has DoRA's magnitude, of which a number
    belongs to a row.

    Args:
        adapter: PEFT's names.
        config: the base's ``config.json``; None: told from the shapes, for heads of 128.

    Returns:
        The tensors, and a note's key that says what was done; both as they were where the names are Llama's already.

    Raises:
        BadInput: the heads cannot be told: the base is needed.
    """
    if not is_theirs([split(name)[0] for name in adapter]):
        return adapter, ""
    rows, note = _rows(adapter, config, where)
    renamed: Tensors = {}
    for name, tensor in adapter.items():
        module, rest = split(name)
        ours = internlm.module_name(module)
        apart = not rest.startswith(".lora_A") and len(ours) == 3
        for i, target in enumerate(ours):
            renamed[target + rest] = tensor.rows(rows[i]) if apart else tensor
    return renamed, note


def _rows(adapter: Tensors, config: Mapping[str, Any] | None, where: object) -> tuple[Any, str]:
    fused = [name for name in adapter if internlm.FUSED in name]
    if not fused:
        return (), "llama_names"
    wide = next((t.shape[0] for n, t in adapter.items() if internlm.FUSED in n and ".lora_B" in n), 0)
    hidden = next((t.shape[1] for n, t in adapter.items() if internlm.FUSED in n and ".lora_A" in n), 0)
    if config and internlm.is_internlm(config):
        rows = internlm.fused_rows(config)
        if rows[2][-1][1] != wide:
            raise BadInput("imports.other_heads", file=where, rows=wide, expected=rows[2][-1][1])
        return rows, "llama_names"
    if config:  # the base is a Llama already: the same heads by its own names
        llama_config = {**config, "model_type": "internlm2"}
        if {"num_attention_heads", "hidden_size"} <= set(llama_config) and internlm.fused_rows(llama_config)[2][-1][
            1
        ] == wide:
            return internlm.fused_rows(llama_config), "llama_names"
        raise BadInput("imports.other_heads", file=where, rows=wide, expected="?")
    heads, remainder = divmod(hidden, WIDE)
    groups, odd = divmod(wide // WIDE - heads, 2)
    if remainder or odd or wide % WIDE or groups < 1 or heads % groups:
        raise BadInput("imports.base_needed", file=where)
    llama_config = {"num_attention_heads": heads, "num_key_value_heads": groups, "hidden_size": hidden}
    return internlm.fused_rows(llama_config), "llama_names_guessed"


def model_as_llama(weights: Tensors, config: Mapping[str, Any]) -> Tensors:
    """Return a whole InternLM under Llama's names; any other as it is.

    Raises:
        BadInput: a tensor that such a model does not have, or of a wrong shape.
    """
    if not internlm.is_internlm(config):
        return weights
    renamed: Tensors = {}
    for part in internlm.parts(weights, config):
        tensor = weights[part.source]
        internlm.check_rows(part, tensor.shape, config)
        renamed[part.name] = tensor.rows(part.rows) if part.rows else tensor
    return renamed


def patterns(pattern: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return ``rank_pattern`` or ``alpha_pattern`` by Llama's names."""
    return {module: value for key, value in (pattern or {}).items() for module in internlm.module_name(key)}
