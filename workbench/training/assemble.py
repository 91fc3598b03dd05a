"""The parts of a training put together: base, adapter, data. Knows models and PEFT; nothing of runs or events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import BadSetting, Failed
from workbench.training.batches import Plan, plan_batches
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
        plan: which examples are in which step.
    """

    loaded: Loaded
    prepared: Prepared
    packed: bool
    fingerprint: str
    plan: Plan


def assemble(recipe: Recipe) -> Parts:
    """Load and prepare everything that ``recipe`` names.

    Raises:
        BadInput: a setting does not go with another, or the data are not as they must be. Failed: the model cannot be
            loaded.
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
    plan = plan_of(recipe, prepared)
    loaded.model = with_adapter(loaded.model, recipe, plan.steps)
    packed = recipe.data.packing if recipe.data.packing is not None else packs_by_itself(loaded.model)
    return Parts(loaded, prepared, packed, both.fingerprint(), plan)


def packs_by_itself(model: Any) -> bool:
    """One row is quicker where attention is cut at the conversations' borders in the kernel (flash attention), and
    slower
    where it is computed over the whole row and masked afterwards, as on a CPU."""
    return getattr(model.config, "_attn_implementation", "").startswith("flash")


def plan_of(recipe: Recipe, prepared: Prepared) -> Plan:
    """All batches of the run."""
    s = recipe.schedule
    return plan_batches(
        [len(e.input_ids) for e in prepared.train],
        batch_size=s.per_device_train_batch_size,
        parts=s.gradient_accumulation_steps,
        epochs=s.num_train_epochs,
        max_steps=s.max_steps,
        seed=recipe.runtime.seed,
    )


def with_adapter(network: Any, recipe: Recipe, steps: int) -> Any:
    """``network`` with what is trained: a fresh adapter on a frozen base, or all of it.

    Args:
        steps: optimizer steps of the run, by which AdaLoRA times its cuts.
    """
    a = recipe.adapter
    network.config.use_cache = False
    if a.method == "full":
        return network.requires_grad_(True)
    from peft import get_peft_model

    if recipe.runtime.gradient_checkpointing:
        network.enable_input_require_grads()
    return get_peft_model(network, adapter_config(recipe, steps))


def adapter_config(recipe: Recipe, steps: int) -> Any:
    """The recipe's adapter in PEFT's words.

    AdaLoRA (Zhang et al. 2023) begins with half as much rank again and has cut it to ``r`` after 70 % of the steps.
    """
    from peft import AdaLoraConfig, LoraConfig

    a = recipe.adapter
    common: dict[str, Any] = {
        "lora_alpha": a.lora_alpha,
        "lora_dropout": a.lora_dropout,
        "target_modules": a.target_modules,
        "task_type": "CAUSAL_LM",
    }
    if a.method == "lora":
        return LoraConfig(r=a.r, use_rslora=a.use_rslora, **common)
    timing = {"tinit": steps // 10, "tfinal": steps * 3 // 10, "deltaT": max(1, steps // 100), "total_step": steps}
    return AdaLoraConfig(init_r=-(-a.r * 3 // 2), target_r=a.r, **timing, **common)


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
