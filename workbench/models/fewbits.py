"""Weights in 4 and in 8 bit: the settings, which weights they mean, and what must be mended. Knows bitsandbytes; loads
no model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def nf4(compute: torch.dtype, skipped: Iterable[str] | None = None) -> Any:
    """Return the 4-bit setting of QLoRA: NF4, double quantization, computing in ``compute``.

    Args:
        skipped: full names of modules that stay as they are; a shorter name would match nothing, and the library
            would pack them without a word.
    """
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
        llm_int8_skip_modules=list(skipped) if skipped else None,
    )


def int8(skipped: Iterable[str] | None = None) -> Any:
    """Return the 8-bit setting of LLM.int8(): outliers apart, in 16 bit."""
    import logging

    from transformers import BitsAndBytesConfig

    # it tells at each layer of each token that it rounds what comes in: that is the method
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(skipped) if skipped else None)


def through_4bit(weight: torch.Tensor) -> torch.Tensor:
    """Return ``weight`` (out, in) brought to NF4 and back, float32: what a layer in 4 bit computes with."""
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Params4bit

    packed = Params4bit(weight.float(), requires_grad=False, quant_type="nf4", compress_statistics=True)
    packed = packed.to(weight.device)
    rounded: torch.Tensor = dequantize_4bit(packed.data, packed.quant_state).to(torch.float32)
    return rounded


def mend_4bit(network: Any) -> Any:
    """Keep 4-bit layers differentiable after an evaluation.

    On CPUs with AVX512-BF16, bitsandbytes repacks a ``Linear4bit`` at its first forward in ``eval`` mode, and the
    packed kernel has no backward: the gradient through that layer is lost with no more than a warning. Switching the
    repacking off prevents it.
    """
    for module in network.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return network
