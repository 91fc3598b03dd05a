"""Answering quicker while nothing is trained: one matrix for each adapted layer. Knows PEFT's layers; no text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Bytes that the matrices of a model may take; a larger model answers with its layers as they are.
LIMIT = 256 * 2**20


@contextmanager
def dense(model: Any) -> Iterator[None]:
    """Let each linear layer with an adapter, while it lasts, compute with one matrix, ``W + ΔW``, in place of three
    products and, in 4 bit, of unpacking ``W`` at every call.

    Nothing that is trained or saved is touched: the matrices are made beside the weights, and are gone afterwards. On a
    CPU, for models of at most :data:`LIMIT` bytes; elsewhere the layers stay as they are. No gradient flows meanwhile.

    Args:
        model: a model with or without an adapter.
    """
    layers = [m for m in model.modules() if adapted(m)] if model.device.type == "cpu" else []
    if 4 * sum(layer.in_features * layer.out_features for layer in layers) > LIMIT:
        layers = []
    import torch

    for layer in layers:
        with torch.no_grad():
            layer.forward = partial(_product, matrix(layer), layer.base_layer.bias)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def adapted(module: Any) -> bool:
    """Tell whether ``module`` is a linear layer whose adapter adds a matrix to its weight, all of it in this
    process."""
    import torch

    base = getattr(module, "base_layer", None)
    return (
        isinstance(base, torch.nn.Linear)
        and hasattr(module, "get_delta_weight")
        and not module.merged
        and not getattr(module, "lora_variant", None)
        and not any(hasattr(p, "ds_id") for p in module.parameters())  # DeepSpeed shares it out
    )


def base_matrix(layer: Any) -> torch.Tensor:
    """Return ``W`` (out, in) of a linear layer, adapted or not, unpacked where it is in 4 bit."""
    weight = getattr(layer, "base_layer", layer).weight
    state = getattr(weight, "quant_state", None)
    if state is not None:
        from bitsandbytes.functional import dequantize_4bit

        weight = dequantize_4bit(weight.data, state)
    plain: torch.Tensor = weight.detach()
    return plain


def matrix(layer: Any) -> torch.Tensor:
    """Return ``W + ΔW`` (out, in) of an adapted layer, in the dtype of the computation; ``W`` of any other linear
    layer."""
    weight = base_matrix(layer)
    if not hasattr(layer, "base_layer"):
        return weight
    names = [] if layer.disable_adapters else [n for n in layer.active_adapters if n in layer.lora_A]
    for name in names:
        weight = weight + layer.get_delta_weight(name).to(weight.dtype)
    return weight.detach()


def _product(weight: torch.Tensor, bias: torch.Tensor | None, x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    import torch

    return torch.nn.functional.linear(x.to(weight.dtype), weight, bias).to(x.dtype)
