"""Parts of a Llama's training pass with gradients of their own, in few passes over memory. Knows tensors alone.

Each is made in a function, since its parent is a heavy import; what is made is called like a function. Frozen are the
weights, trained the LoRA pairs (Hu et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@cache
def product() -> Callable[..., torch.Tensor]:
    """Compute x (R, in), W (out, in) frozen, scales s, then for each layer A (r, in) and B (its part of out, r) → x (W
    + s BA)ᵀ (R, out)."""
    import torch

    class Product(torch.autograd.Function):
        """Add the products of adapters to that of the frozen layers, forward and back."""

        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, scales: tuple[float, ...], *pairs: Any) -> Any:
            output, low = x @ weight.t(), []
            for part, scale, a, b in _layers(output, scales, pairs):
                low.append(x @ a.t())
                part.addmm_(low[-1], b.t(), alpha=scale)
            ctx.save_for_backward(x, weight, *low, *pairs)
            ctx.scales = scales
            return output

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            x, weight, *rest = ctx.saved_tensors
            low, pairs = rest[: len(ctx.scales)], rest[len(ctx.scales) :]
            dx = dy @ weight if ctx.needs_input_grad[0] else None
            grads: list[Any] = []
            for (part, scale, a, b), lower in zip(_layers(dy, ctx.scales, pairs), low, strict=True):
                d_low = (part @ b).mul_(scale)
                grads += d_low.t() @ x, (lower.t() @ part).mul_(scale).t()
                if dx is not None:
                    dx.addmm_(d_low, a)
            return dx, None, None, *grads

    return Product.apply


def _layers(side_by_side: Any, scales: Any, pairs: Any) -> Iterator[tuple[Any, float, Any, Any]]:
    """Each layer's part of ``side_by_side`` (R, out), its scale, A and B."""
    parts = side_by_side.split([len(b) for b in pairs[1::2]], -1) if pairs else ()
    return zip(parts, scales, pairs[::2], pairs[1::2], strict=True)


@cache
def norm() -> Callable[..., torch.Tensor]:
    """Return the root-mean-square norm (Zhang and Sennrich 2019) of x (R, H), with a frozen weight (H,) and an
    epsilon."""
    import torch

    class Norm(torch.autograd.Function):
        """Normalise, forward and back."""

        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, eps: float) -> Any:
            inverse = torch.linalg.vecdot(x, x).div_(x.shape[-1]).add_(eps).rsqrt_()[:, None]
            even = x * inverse
            ctx.save_for_backward(even, inverse, weight)
            return even * weight

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            even, inverse, weight = ctx.saved_tensors
            d = dy * weight
            along = torch.linalg.vecdot(d, even).div_(d.shape[-1])[:, None]
            return d.addcmul_(even, along, value=-1).mul_(inverse), None, None

    return Norm.apply


@cache
def gate() -> Callable[..., torch.Tensor]:
    """Compute SwiGLU (Shazeer 2020): gate and up side by side (R, 2 I) → silu(gate) · up (R, I)."""
    import torch

    class Gate(torch.autograd.Function):
        """Gate, forward and back."""

        @staticmethod
        def forward(ctx: Any, joined: Any) -> Any:
            gate, up = joined.chunk(2, -1)
            opened = torch.nn.functional.silu(gate)
            ctx.save_for_backward(joined, opened)
            return opened * up

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            joined, opened = ctx.saved_tensors
            gate, up = joined.chunk(2, -1)
            grads = torch.empty_like(joined)
            d_gate, d_up = grads.chunk(2, -1)
            torch.mul(dy, opened, out=d_up)
            torch.ops.aten.silu_backward.grad_input(dy * up, gate, grad_input=d_gate)
            return grads

    return Gate.apply


@cache
def attention() -> Callable[..., torch.Tensor]:
    """Compute causal attention within each conversation, with rotary positions: q, k and v side by side (R, 3 H), where
    they stand (:class:`workbench.models.quick.Rows`), and the scale of the scores → (R, H).

    The weights are never written out (Dao et al. 2022, FlashAttention)."""
    import torch

    back = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward

    class Attention(torch.autograd.Function):
        """Attend, forward and back."""

        @staticmethod
        def forward(ctx: Any, qkv: Any, rows: Any, scale: float) -> Any:
            output, saved = attended(rows.positions.turned(qkv), rows, scale)
            ctx.save_for_backward(*saved)
            ctx.rows, ctx.scale = rows, scale
            return output.flatten(1)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            rows, saved = ctx.rows, ctx.saved_tensors
            dy = dy.reshape(len(dy), -1, saved[1].shape[-1])
            grads = torch.empty(len(dy), 3, *dy.shape[1:])
            for index, group in enumerate(rows.groups):
                laid, mixed, total = saved[3 * index : 3 * index + 3]
                d = dy.new_zeros(group.rows * group.width, *dy.shape[1:])
                d = _by_head(d.index_copy_(0, group.places, dy[group.tokens]), group)
                parts = back(d, *_by_head(laid, group).unbind(2), mixed, total, 0.0, True, scale=ctx.scale)
                for slot, part in enumerate(parts):
                    grads[group.tokens, slot] = part.transpose(1, 2).flatten(0, 1)[group.places]
            rows.positions.turn(grads[:, :2].clone(), grads[:, :2], back=True)
            return grads.view(len(dy), -1), None, None

    return Attention.apply


def attended(turned: Any, rows: Any, scale: float) -> tuple[Any, list[Any]]:
    """Return what attention makes of q, k and v (R, 3, heads, d), turned already: (R, heads, d); and what its gradient
    needs of each group: q, k and v as they were laid, their outcome, and the scores' log-sum-exp."""
    import torch

    attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    output, saved = torch.empty_like(turned[:, 0], memory_format=torch.contiguous_format), []
    for group in rows.groups:
        laid = turned[group.source]
        mixed, total = attend(*_by_head(laid, group).unbind(2), 0.0, True, scale=scale)
        output[group.tokens] = mixed.transpose(1, 2).flatten(0, 1)[group.places]
        saved += [laid, mixed, total]
    return output, saved


def _by_head(x: Any, group: Any) -> Any:
    """x (rows × width, …, heads, d) → (rows, heads, …, width, d), the same memory."""
    x = x.view(group.rows, group.width, *x.shape[1:])
    return x.permute(0, -2, *range(2, x.dim() - 2), 1, -1)
