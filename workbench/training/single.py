"""An engine of one process on one device: PyTorch's own backward pass, clipping and optimizer. Knows tensors and a
checkpoint's files; nothing of batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.training import state
from workbench.training.optimizers import make_optimizer, make_schedule
from workbench.training.ranks import allocates, load_ranks, save_ranks
from workbench.training.settings import Recipe
from workbench.training.weights import load_weights

if TYPE_CHECKING:
    import torch


class SingleProcess:
    """Train ``model`` where it is, by itself.

    Args:
        model: the base with what is trained.
        recipe: its optimizer and schedule.
        steps: optimizer steps of the whole run.
        mixed: compute products in bfloat16, whatever the weights are held in.
    """

    def __init__(self, model: Any, recipe: Recipe, steps: int, *, mixed: bool = False) -> None:
        self.model, self.recipe, self.steps = model, recipe, steps
        self.trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.mixed = mixed
        modules = model.modules() if mixed else ()
        self.adapted = [module for module in modules if getattr(module, "cast_input_dtype_enabled", False)]

    def prepare(self, checkpoint: Path | None) -> None:
        """Make optimizer and schedule, or put back those of ``checkpoint`` with its weights and random state."""
        import torch

        device = self.model.device
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # kernels that name no device would run on the first
        if self.recipe.runtime.gradient_checkpointing:
            _compute_twice(self.model)
        self.optimizer = make_optimizer(self.model, self.recipe)
        self.schedule = make_schedule(self.optimizer, self.recipe, self.steps)
        if checkpoint is None:
            return
        if not load_ranks(self.model, checkpoint):
            load_weights(self.model, checkpoint)
        state.load_optimizer(self.optimizer, checkpoint)
        state.load_scheduler(self.schedule, checkpoint)
        state.load_random(checkpoint)

    def accumulate(self, loss: Callable[[Any], torch.Tensor]) -> torch.Tensor:
        """Add the gradient of ``loss(model)`` to that of this step."""
        import torch

        with _without_copies(self.adapted):
            with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.mixed):
                value = loss(self.model)
            torch.autograd.backward(value)
        return value.detach()

    def step(self) -> float:
        """Clip the gradient, move the weights and the learning rate, and forget the gradient."""
        import torch

        most = self.recipe.optimizer.max_grad_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(self.trained, most))
        self.optimizer.step()
        if allocates(self.model):  # AdaLoRA cuts ranks after the weights moved, while their gradients are still there
            self.model.base_model.update_and_allocate(self.schedule.last_epoch)
        self.schedule.step()
        self.optimizer.zero_grad()
        return norm

    def rate(self) -> float:
        """Return the learning rate of the next step."""
        return float(self.schedule.get_last_lr()[0])

    def in_step(self) -> AbstractContextManager[None]:
        """Return a context that does nothing: nobody else is to see the same scores."""
        return nullcontext()

    def save(self, folder: Path) -> None:
        """Write weights, optimizer, schedule and random state."""
        self.model.save_pretrained(str(folder), safe_serialization=True)
        state.settle_adapter(folder)
        if allocates(self.model):
            save_ranks(self.model, folder)
        state.save_optimizer(self.optimizer, folder)
        state.save_scheduler(self.schedule, folder)
        state.save_random(folder)


def _compute_twice(model: Any) -> None:
    """Keep no activations for the backward pass, in the words of this version of transformers, which has renamed
    them."""
    named: dict[str, Any] = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=named)
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=named)


@contextmanager
def _without_copies(layers: Sequence[Any]) -> Iterator[None]:
    """In mixed precision an adapter's products are in 16 bit: its inputs, which are too, need not be copied for it.

    PEFT's own ``disable_input_dtype_casting`` looks through all modules each time, ten milliseconds of a large model.

    Args:
        layers: those with an adapter.
    """
    for layer in layers:
        layer.cast_input_dtype_enabled = False
    try:
        yield
    finally:
        for layer in layers:
            layer.cast_input_dtype_enabled = True
