"""How a recipe is computed: in which precision, packed or padded, by which pass and which engine. All of it is decided
here, for training and forecast alike. Knows the recipe, devices and models' kinds; nothing of data or runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.models.isolated import can_isolate
from workbench.models.quick import quick_pass, small_llama
from workbench.training.settings import Recipe
from workbench.training.tasks import SupervisedTuning, Task

if TYPE_CHECKING:
    import torch

    from workbench.models import Loaded
    from workbench.training.loop import Engine
    from workbench.training.team import Team


def in_mixed_precision(recipe: Recipe, device: torch.device) -> bool:
    """Tell whether products are computed in bfloat16, whatever the weights are held in."""
    import torch

    if device.type != "cuda" or recipe.model.dtype not in ("auto", "bfloat16"):
        return False
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def held_in(recipe: Recipe) -> str | None:
    """Return the type of number of the base's weights; None: that which the device computes in.

    In 16 bit a step of the usual size is lost in rounding, so weights that move themselves are held in float32 and
    computed with in 16 bit (Micikevicius et al. 2018, section 3.1). DeepSpeed keeps such a copy itself.
    """
    if recipe.model.dtype != "auto":
        return recipe.model.dtype
    return "float32" if recipe.adapter.method == "full" and not recipe.runtime.deepspeed else None


def packs(recipe: Recipe) -> bool:
    """Tell whether a batch's conversations lie in one row: as ``data.packing`` says, else what is quicker.

    One row is quicker where attention can be cut at the conversations' borders; padding is where it cannot, and for
    what takes the quick pass, which has no padding outside attention either."""
    import torch

    from workbench.models import best_device, configuration
    from workbench.models.loading import default_attention

    if sees(recipe):
        return False  # pictures would have to be dealt out with the rows; ``check_settings`` refuses to be asked for it
    if recipe.data.packing is not None:
        return recipe.data.packing
    device = torch.device(recipe.runtime.device or best_device())
    if default_attention(device).startswith("flash"):
        return True
    config = configuration(recipe.base)
    return can_isolate(config) and not (device.type == "cpu" and _quick(recipe, config))


def _quick(recipe: Recipe, config: Any) -> bool:
    """Whether :func:`workbench.models.quick.quick_pass` will take this training on a CPU."""
    a, r = recipe.adapter, recipe.runtime
    bare = a.method == "lora" and a.target_modules == "all-linear" and not a.lora_dropout
    alone = not r.deepspeed and not r.gradient_checkpointing
    return bare and alone and recipe.model.dtype in ("auto", "float32") and small_llama(config)


def make_engine(model: Any, recipe: Recipe, steps: int, team: Team) -> Engine:
    """Return what moves the weights: this process by itself, or a team by DeepSpeed.

    Args:
        model: the base with what is trained.
        steps: optimizer steps of the run.
    """
    if recipe.runtime.deepspeed:
        from workbench.training.zero import Zero

        return Zero(model, recipe, steps, team)
    from workbench.training.single import SingleProcess

    return SingleProcess(model, recipe, steps, mixed=in_mixed_precision(recipe, model.device))


def make_task(recipe: Recipe, loaded: Loaded, *, packed: bool) -> Task:
    """Return what is learnt, with the quick pass where the model has one.

    Args:
        loaded: the base with what is trained.
        packed: whether a batch's conversations lie in one row.
    """
    alone = not recipe.runtime.deepspeed and not recipe.runtime.gradient_checkpointing
    quick = quick_pass(loaded.model) if alone and not packed else None
    return SupervisedTuning(packed=packed, eyes=loaded.eyes, quick=quick)


def sees(recipe: Recipe) -> bool:
    """Tell whether the base that ``recipe`` names sees pictures.

    Raises:
        UnknownName: no such model. Failed: the hub did not give it.
    """
    from workbench.models.architectures import has_eyes
    from workbench.models.loading import TEXTS, on_disk

    return bool(recipe.vision.tower) or has_eyes(on_disk(recipe.base, TEXTS))
