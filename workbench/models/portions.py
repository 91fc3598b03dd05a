"""The cross-entropy at a frozen head, a portion of the tokens at a time. Knows tensors; nothing of what they mean.

Of a vocabulary V in the hundred thousands, the scores (N, V) of a long batch and their gradient take more memory than
all activations. Only so many rows of them are there at once here, forward and backward in one go: the gradient by the
hidden states (N, H) is all that is kept.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Scores at once: 128 MiB in float32; of a vocabulary of 100 000, those of 335 tokens. With fewer, a CPU is slower.
ROOM = 2**25
# Architectures whose scores are what the head gives: nothing caps or scales them, and no second head sees them.
BARE = frozenset({"llama", "mistral", "qwen2", "qwen3"})


def portion(model: Any, head: Any, count: int) -> int:
    """Tell how many of ``count`` hidden states the head takes at once; 0: all, by the library's own way.

    Args:
        model: the one that ``head`` belongs to, whatever wraps it.
    """
    import torch

    config = getattr(model, "config", None)
    rows = max(1, ROOM // max(1, getattr(head, "out_features", 1)))
    plain = type(head) is torch.nn.Linear and not any(p.requires_grad for p in head.parameters())
    if not plain or head.bias is not None or getattr(config, "model_type", "") not in BARE:
        return 0
    shared_out = hasattr(head.weight, "ds_id")  # by ZeRO 3: it is whole only while the head is called
    return rows if count > rows and not shared_out else 0


def loss_in_portions(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, rows: int) -> torch.Tensor:
    """Sum the cross-entropy without ever holding all scores.

    Args:
        hidden: (N, H), what the head would see.
        weight: (V, H), the head's; frozen.
        targets: (N,) int64.
        rows: hidden states at once.

    Returns:
        the cross-entropy summed over N, in nats, 0-d float32; only ``hidden`` gets a gradient.
    """
    import torch

    kind = hidden.device.type
    mixing = torch.amp.is_autocast_available(kind)  # not on ``meta``, where a forecast rehearses
    with torch.autocast(kind, enabled=False) if mixing else nullcontext():  # in the head's own precision
        total: torch.Tensor = _portions().apply(hidden.to(weight.dtype), weight, targets, rows)
    return total


@cache
def _portions() -> Any:
    """Made in a function, since its parent is a heavy import."""
    import torch
    from torch.nn.functional import linear

    class Portions(torch.autograd.Function):
        """Sum the loss by portions.

        The gradient by the scores is softmax − one-hot; by the hidden states, that times the weight.
        """

        @staticmethod
        def forward(ctx: Any, hidden: Any, weight: Any, targets: Any, rows: int) -> Any:
            total = torch.zeros((), dtype=torch.float32, device=hidden.device)
            gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
            for start in range(0, len(hidden), rows):
                part = slice(start, start + rows)
                labels = targets[part, None]
                scores = linear(hidden[part], weight).float()
                normalizer = scores.logsumexp(-1, keepdim=True)
                total += (normalizer - scores.gather(1, labels)).sum()
                if gradient is not None:
                    scores.sub_(normalizer).exp_().scatter_add_(1, labels, torch.full_like(normalizer, -1.0))
                    gradient[part] = scores.to(weight.dtype) @ weight
            if gradient is not None:
                ctx.save_for_backward(gradient)
            return total

        @staticmethod
        def backward(ctx: Any, *after: Any) -> Any:
            (gradient,) = ctx.saved_tensors
            return (gradient.float() * after[0]).to(gradient.dtype), None, None, None

    return Portions
