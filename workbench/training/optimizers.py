"""Which optimizer moves the weights, in which groups and at which rate. Knows recipes and parameters; no loop."""

from __future__ import annotations

import math
from typing import Any

from workbench.models.architectures import architecture_of
from workbench.training.settings import Recipe

# Those made here; all others are made by transformers, with what they need installed.
ADAMW = ("adamw_torch", "adamw_torch_fused")


def make_optimizer(model: Any, recipe: Recipe, *, fused: bool = True) -> Any:
    """Return the recipe's optimizer over what is trained of ``model``.

    Args:
        fused: take all of a fused optimizer's step at once; not where others share its state out.

    Raises:
        ImportError: it needs a library that is not here.
    """
    import torch

    o, groups = recipe.optimizer, parameter_groups(model, recipe)
    if o.optim in ADAMW:
        betas = (o.adam_beta1, o.adam_beta2)
        at_once = True if fused and o.optim.endswith("_fused") else None
        return torch.optim.AdamW(groups, lr=o.learning_rate, betas=betas, eps=1e-8, fused=at_once)
    return _by_name(model, recipe, groups)


def parameter_groups(model: Any, recipe: Recipe) -> list[dict[str, Any]]:
    """Return what is trained of ``model`` as an optimizer's groups: matrices, which decay, and then norms and biases,
    which do not; or, where the projector has a rate of its own, all else and then the projector."""
    decay, rate = recipe.optimizer.weight_decay, recipe.vision.projector_learning_rate
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    parts = architecture_of(model.config)
    if rate is not None and parts is not None:
        projector = [parameter for name, parameter in trained if parts.projector in name]
        rest = [parameter for name, parameter in trained if parts.projector not in name]
        groups = [
            {"params": rest, "weight_decay": decay},
            {"params": projector, "weight_decay": decay, "lr": rate},
        ]
    else:
        groups = [
            {"params": [p for _, p in trained if p.dim() > 1], "weight_decay": decay},
            {"params": [p for _, p in trained if p.dim() <= 1], "weight_decay": 0.0},
        ]
    return [group for group in groups if group["params"]]


def make_schedule(optimizer: Any, recipe: Recipe, steps: int) -> Any:
    """Return the learning rate's course over ``steps`` optimizer steps."""
    from transformers import get_scheduler

    s = recipe.schedule
    warmup = math.ceil(s.warmup_ratio * steps)
    return get_scheduler(s.lr_scheduler_type, optimizer, num_warmup_steps=warmup, num_training_steps=steps)


def _by_name(model: Any, recipe: Recipe, groups: list[dict[str, Any]]) -> Any:
    """Any other optimizer that transformers knows, as its Trainer makes it."""
    from tempfile import gettempdir

    from transformers import Trainer, TrainingArguments

    o = recipe.optimizer
    arguments = TrainingArguments(
        output_dir=gettempdir(),  # nothing is written there
        optim=o.optim,
        learning_rate=o.learning_rate,
        weight_decay=o.weight_decay,
        adam_beta1=o.adam_beta1,
        adam_beta2=o.adam_beta2,
        use_cpu=True,  # where the model is, it stays: the arguments choose no device
        report_to="none",
    )
    kind, options = Trainer.get_optimizer_cls_and_kwargs(arguments, model)
    trained: Any = groups
    for key in ("params", "model", "optimizer_dict"):  # of those that choose themselves what they move
        trained = options.pop(key, trained)
    if options.get("optim_bits") == 8:
        _embeddings_in_32bit(model)
    return kind(trained, **options)


def _embeddings_in_32bit(model: Any) -> None:
    """An embedding's state stays in 32 bit: its gradients are rare and large (Dettmers et al. 2022, 8-bit optimizers,
    section 2.3)."""
    import torch
    from bitsandbytes.optim import GlobalOptimManager

    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            GlobalOptimManager.get_instance().register_module_override(module, "weight", {"optim_bits": 32})
