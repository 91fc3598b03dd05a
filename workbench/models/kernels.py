"""Kernels for GPUs that are used where they are installed. Knows their packages; needs none of them.

Liger's (Hsu et al. 2024) compute a norm, a rotation of positions or a gated product in one pass over memory, and keep
less for the way back. Its loss is not taken: that of :mod:`workbench.models.portions` sees trained tokens only.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def optional_kernels() -> dict[str, bool]:
    """Return the packages that make training on a GPU quicker, and whether each is installed."""
    return {"flash-attn": find_spec("flash_attn") is not None, "liger-kernel": has_liger()}


def has_liger() -> bool:
    """Tell whether Liger's kernels are installed, with what compiles them."""
    return find_spec("liger_kernel") is not None and find_spec("triton") is not None


def uses_liger(requested: bool | None, device: torch.device) -> bool:
    """Tell whether a training on ``device`` takes them.

    Args:
        requested: the recipe's ``runtime.use_liger_kernel``; None: where they are.
    """
    return device.type == "cuda" and (has_liger() if requested is None else requested)


def use_liger(network: Any) -> None:
    """Put Liger's kernels for norms, positions and gated layers into ``network``; an architecture that it does not know
    is left as it is."""
    from transformers.integrations.liger import apply_liger_kernel

    apply_liger_kernel(network, {"cross_entropy": False, "fused_linear_cross_entropy": False})
