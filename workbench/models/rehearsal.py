"""A step of training played through on torch's ``meta`` device, to see how many bytes lie in memory at its fullest.

Knows torch's dispatch; nothing of recipes. Tensors there have shapes and no numbers, so that a model of any size takes
a second or two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.models.architectures import LLAVA
from workbench.models.portions import loss_in_portions, portion
from workbench.models.quick_seeing import features

if TYPE_CHECKING:
    import torch

    from workbench.models.work import Work


def trained_places(work: Work) -> int:
    """Tell how many places of a batch the head sees."""
    places = work.rows * max(1, work.length - 1)
    return min(work.trained or places, places)


def rehearse(model: Any, work: Work) -> int:
    """Return bytes that one forward and backward pass make, at the fullest moment; weights and their gradients not
    counted.

    Args:
        model: on the ``meta`` device, in ``train`` mode; it is of no other use afterwards.
        work: how many conversations, how long, and what is kept of them.
    """
    import torch

    if work.attention != "eager":
        _attend_without_weights(model)
    if work.gradient_checkpointing:
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    if work.method == "none" or (work.gradient_checkpointing and work.method != "full"):
        model.enable_input_require_grads()  # of a projector alone the gradient comes by what stands among the words
    for p in model.parameters():
        if p.requires_grad:
            p.register_post_accumulate_grad_hook(lambda p: setattr(p, "grad", None))
    trained = trained_places(work)
    ids = torch.ones(work.rows, work.length, dtype=torch.long, device="meta")
    # as in the real step, the head sees only the places where a label stands, and perhaps in portions
    head, targets = model.get_output_embeddings(), ids.flatten()[:trained]
    rows = portion(model, head, trained)
    head.register_forward_pre_hook(lambda _, args: (args[0].flatten(0, -2)[:trained],))
    if rows:
        head.forward = lambda hidden: hidden
    watch: Any = _watch()()
    with watch:
        seen = _seen(model, work)
        scores = model(input_ids=ids, attention_mask=ids, use_cache=False).logits
        if rows:
            loss = loss_in_portions(scores, head.weight, targets, rows)
        else:
            loss = torch.nn.functional.cross_entropy(scores.float(), targets, reduction="sum")
        del scores
        if seen is not None:
            loss = loss + seen.float().sum()
        torch.autograd.backward(loss)
    return int(watch.peak)


def _seen(model: Any, work: Work) -> torch.Tensor | None:
    """What the projector makes of a batch's pictures; None where there are none, or the model has no one tower for
    whole pictures."""
    import torch

    network = model.get_base_model() if hasattr(model, "get_base_model") else model
    if not work.pictures or network.config.model_type != LLAVA:
        return None
    side = network.config.vision_config.image_size
    dtype = getattr(torch, work.dtype)
    pixels = torch.empty(work.pictures, 3, side, side, dtype=dtype, device="meta")
    return features(network.model, {"pixel_values": pixels})


def _watch() -> type:
    """A mode that counts the bytes alive at once; made in a function, since its parent is a heavy import."""
    import weakref

    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        """Count the bytes of all tensors that live, and the most at once."""

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.now = self.peak = 0
            self.known: set[int] = set()

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            for tensor in tree_leaves(result):
                if isinstance(tensor, torch.Tensor):
                    self._add(tensor.untyped_storage())
            return result

        def _add(self, storage: Any) -> None:
            key, size = storage._cdata, storage.nbytes()
            if key not in self.known:
                self.known.add(key)
                self.now += size
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._gone, key, size)

        def _gone(self, key: int, size: int) -> None:
            self.known.discard(key)
            self.now -= size

    return Watch


def _attend_without_weights(network: Any) -> None:
    """Let ``network`` attend as the fused kernels do: of a (B, H, T, T) matrix of weights nothing is kept.

    What they keep: queries, keys, values, the result, and a float32 for each query and head (Dao 2023, section 3.1).
    """
    import torch
    from transformers import AttentionInterface

    class Fused(torch.autograd.Function):
        """Attend as a fused kernel does, which keeps no weight of attention."""

        @staticmethod
        def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            output = torch.empty_like(q)
            ctx.save_for_backward(q, k, v, output, q.new_empty(q.shape[:-1], dtype=torch.float32))
            return output

        @staticmethod
        def backward(ctx: Any, *_: torch.Tensor) -> Any:
            q, k, v, *_ = ctx.saved_tensors
            return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)

    def attend(_: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *__: Any, **___: Any) -> Any:
        output: torch.Tensor = Fused.apply(q, k, v)  # type: ignore[no-untyped-call]
        return output.transpose(1, 2).contiguous(), None

    AttentionInterface.register("workbench_forecast", attend)
    network.config._attn_implementation = "workbench_forecast"
