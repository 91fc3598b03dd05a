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
    """x (R, in), W (out, in) frozen, scales s, then for each layer A (r, in) and B (its part of out, r) →
    x (W + s BA)ᵀ (R, out)."""
    import torch

    class Product(torch.autograd.Function):
        """See above."""

        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, scales: tuple[float, ...], *pairs: Any) -> Any:
            made, low = x @ weight.t(), []
            for part, scale, a, b in _layers(made, scales, pairs):
                low.append(x @ a.t())
                part.addmm_(low[-1], b.t(), alpha=scale)
            ctx.save_for_backward(x, weight, *low, *pairs)
            ctx.scales = scales
            return made

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
    parts = side_by_side.split([len(b) for b in pairs[1::2]], -1)
    return zip(parts, scales, pairs[::2], pairs[1::2], strict=True)


@cache
def norm() -> Callable[..., torch.Tensor]:
    """The root-mean-square norm (Zhang and Sennrich 2019) of x (R, H), with a frozen weight (H,) and an epsilon."""
    import torch

    class Norm(torch.autograd.Function):
        """See above."""

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
    """SwiGLU (Shazeer 2020): gate and up side by side (R, 2 I) → silu(gate) · up (R, I)."""
    import torch

    class Gate(torch.autograd.Function):
        """See above."""

        @staticmethod
        def forward(ctx: Any, both: Any) -> Any:
            gate, up = both.chunk(2, -1)
            opened = torch.nn.functional.silu(gate)
            ctx.save_for_backward(both, opened)
            return opened * up

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            both, opened = ctx.saved_tensors
            gate, up = both.chunk(2, -1)
            grads = torch.empty_like(both)
            d_gate, d_up = grads.chunk(2, -1)
            torch.mul(dy, opened, out=d_up)
            torch.ops.aten.silu_backward.grad_input(dy * up, gate, grad_input=d_gate)
            return grads

    return Gate.apply


@cache
def attention() -> Callable[..., torch.Tensor]:
    """Causal attention within each conversation, with rotary positions: q, k and v side by side (R, 3 H), where they
    stand (:class:`workbench.models.quick.Rows`), and the scale of the scores → (R, H)."""
    import torch

    class Attention(torch.autograd.Function):
        """See above."""

        @staticmethod
        def forward(ctx: Any, qkv: Any, rows: Any, scale: float) -> Any:
            parts = qkv.view(len(qkv), 3, -1, 2 * rows.cos.shape[-1])
            turned = torch.empty_like(parts)
            rows.turn(parts[:, :2], turned[:, :2])
            turned[:, 2] = parts[:, 2]
            made = torch.empty_like(parts[:, 0], memory_format=torch.contiguous_format)
            kept: list[Any] = []
            for group in rows.groups:
                q, k, v = (x.flatten(0, 1) for x in _by_head(turned[group.source], group))
                causal = torch.full((group.width, group.width), float("-inf")).triu_(1).expand(len(q), -1, -1)
                weights = torch.baddbmm(causal, q, _across(k), alpha=scale).softmax(-1)
                mixed = (weights @ v).view(group.rows, -1, group.width, q.shape[-1]).transpose(1, 2)
                made[group.tokens] = mixed.flatten(0, 1)[group.places]
                kept += q, k, v, weights
            ctx.save_for_backward(*kept)
            ctx.rows, ctx.scale = rows, scale
            return made.flatten(1)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            rows, kept = ctx.rows, ctx.saved_tensors
            dy = dy.reshape(len(dy), 1, -1, 2 * rows.cos.shape[-1])
            grads = torch.empty(len(dy), 3, *dy.shape[2:])
            for at, group in enumerate(rows.groups):
                q, k, v, weights = kept[4 * at : 4 * at + 4]
                laid = dy.new_zeros(group.rows * group.width, *dy.shape[1:])
                d = _by_head(laid.index_copy_(0, group.places, dy[group.tokens]), group)[0].flatten(0, 1)
                softmax = torch.ops.aten._softmax_backward_data
                d_scores = softmax(d @ _across(v), weights, -1, torch.float32).mul_(ctx.scale)
                part = torch.empty(3, *q.shape)
                torch.bmm(d_scores, k, out=part[0])
                torch.bmm(d_scores.transpose(1, 2), q, out=part[1])
                torch.bmm(weights.transpose(1, 2), d, out=part[2])
                part = part.view(3, group.rows, -1, *q.shape[1:]).permute(1, 3, 0, 2, 4)
                grads[group.tokens] = part.flatten(0, 1)[group.places]
            rows.turn(grads[:, :2].clone(), grads[:, :2], back=True)
            return grads.view(len(dy), -1), None, None

    return Attention.apply


def _by_head(x: Any, group: Any) -> Any:
    """x (rows × width, parts, heads, d) → (parts, rows, heads, width, d), laid out so."""
    return x.view(group.rows, group.width, *x.shape[1:]).permute(2, 0, 3, 1, 4).contiguous()


def _across(x: Any) -> Any:
    """``x`` (N, T, d) as (N, d, T), laid out anew: products with it are three times as quick."""
    return x.transpose(1, 2).contiguous()
