"""The parts of a training put together: base, adapter, data. Knows models and PEFT; nothing of runs or events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import BadSetting, Failed
from workbench.training.data import Prepared, conversations, prepare
from workbench.training.settings import Recipe

if TYPE_CHECKING:
    from workbench.models import Loaded


@dataclass(slots=True)
class Parts:
    """What a training is made of.

    Args:
        loaded: the base with its fresh adapter, which changes nothing yet.
        prepared: examples and probes.
        packed: whether a batch's conversations lie in one row.
        fingerprint: SHA-256 of the data.
    """

    loaded: Loaded
    prepared: Prepared
    packed: bool
    fingerprint: str


def assemble(recipe: Recipe) -> Parts:
    """Load and prepare everything that ``recipe`` names.

    Raises:
        BadInput: a setting does not go with another, or the data are not as they must be. Failed: the model cannot be loaded.
    """
    from workbench.models import load

    _check(recipe)
    settings = recipe.model
    loaded = load(
        settings.name,
        quantization=settings.quantization,
        device=recipe.runtime.device,
        dtype=None if settings.dtype == "auto" else settings.dtype,
    )
    _check_length(recipe, loaded.model.config)
    both = conversations(recipe)
    prepared = prepare(recipe, loaded.tokenizer, both)
    loaded.model = with_adapter(loaded.model, recipe)
    packed = recipe.data.packing if recipe.data.packing is not None else packs_by_itself(loaded.model)
    return Parts(loaded, prepared, packed, both.fingerprint())


def packs_by_itself(model: Any) -> bool:
    """One row is quicker where attention is cut at the conversations' borders in the kernel (flash attention), and slower
    where it is computed over the whole row and masked afterwards, as on a CPU."""
    return getattr(model.config, "_attn_implementation", "").startswith("flash")


def with_adapter(network: Any, recipe: Recipe) -> Any:
    """``network`` with what is trained: a fresh adapter on a frozen base, or all of it."""
    a = recipe.adapter
    network.config.use_cache = False
    if a.method == "full":
        return network.requires_grad_(True)
    from peft import AdaLoraConfig, LoraConfig, get_peft_model

    common: dict[str, Any] = {
        "r": a.r,
        "lora_alpha": a.lora_alpha,
        "lora_dropout": a.lora_dropout,
        "target_modules": a.target_modules,
        "task_type": "CAUSAL_LM",
    }
    if a.method == "adalora":
        config = AdaLoraConfig(**{**common, "init_r": a.r, "target_r": max(1, a.r // 2)}, total_step=_total(recipe))
    else:
        config = LoraConfig(**common, use_rslora=a.use_rslora)
    if recipe.runtime.gradient_checkpointing:
        network.enable_input_require_grads()
    return get_peft_model(network, config)


def _total(recipe: Recipe) -> int:
    return max(recipe.schedule.max_steps, 100)


def _check(recipe: Recipe) -> None:
    if recipe.adapter.method == "full" and recipe.model.quantization != "none":
        raise BadSetting("training.full_needs_16bit")
    if recipe.model.quantization == "nf4":
        try:
            import bitsandbytes  # noqa: F401
        except (ImportError, RuntimeError, OSError) as error:
            raise Failed("training.no_4bit", reason=str(error).splitlines()[0]) from error


def _check_length(recipe: Recipe, config: Any) -> None:
    limit = getattr(config, "max_position_embeddings", None)
    if limit and recipe.data.max_length > limit:
        raise BadSetting("training.too_long", given=recipe.data.max_length, model=recipe.model.name, limit=limit)
