"""The parts of a training put together: data, base, adapter. Knows models and PEFT; nothing of runs or events."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadSetting, Failed
from workbench.models import adapters
from workbench.models.architectures import LLAVA, Architecture
from workbench.models.isolated import isolate, isolates
from workbench.models.kernels import use_liger, uses_liger
from workbench.models.loading import eyes_of
from workbench.models.projector import load_projector
from workbench.models.translating import Fitting
from workbench.training.batches import Plan, plan_batches
from workbench.training.checks import adapter_folder, check_length, check_settings, no_such_layers, projector_folder
from workbench.training.data import Conversations, Prepared, conversations, dress, prepare
from workbench.training.execution import held_in, packs
from workbench.training.settings import Recipe

if TYPE_CHECKING:
    from workbench.data.findings import Finding
    from workbench.models import Loaded


# PEFT's word for an adapter without layers of its own.
_DUMMY = "dummy-target-modules"


@dataclass(frozen=True, slots=True)
class Material:
    """Hold what a training learns from; no weight is loaded for it.

    Args:
        tokenizer: the base's.
        prepared: examples and probes.
        fingerprint: SHA-256 of the data.
        plan: which examples are in which step.
        packed: whether a batch's conversations lie in one row.
        doubts: columns of the data that change what a row means and are not trained.
    """

    tokenizer: Any
    prepared: Prepared
    fingerprint: str
    plan: Plan
    packed: bool
    doubts: tuple[Finding, ...]


def material(recipe: Recipe, *, processes: int = 1, split: Conversations | None = None) -> Material:
    """Read, encode and deal out the data that ``recipe`` names.

    Args:
        processes: how many share each step.
        split: the data, where they were read already.

    Raises:
        BadInput: the data are not as they must be. Failed: the tokenizer cannot be loaded.
    """
    from workbench.data.doubts import of_columns
    from workbench.models import load_tokenizer

    check_settings(recipe)
    _check_4bit(recipe)
    tokenizer = dress(recipe, load_tokenizer(recipe.base))
    split = split or conversations(recipe)
    prepared = prepare(recipe, tokenizer, split)
    plan = plan_of(recipe, prepared, processes)
    doubts = tuple(of_columns([*split.train, *split.held_out]))
    return Material(tokenizer, prepared, split.fingerprint(), plan, packs(recipe), doubts)


def base_of(recipe: Recipe, tokenizer: Any) -> Loaded:
    """Return the base that ``recipe`` names, in the quantization that is trained.

    Raises:
        Failed: the model cannot be loaded.
    """
    from workbench.models import load

    settings = recipe.model
    return load(
        recipe.base,
        quantization=settings.quantization,
        device=recipe.runtime.device,
        dtype=held_in(recipe),
        tokenizer=tokenizer,
    )


def assemble(recipe: Recipe, inputs: Material, base: Loaded | None = None) -> Loaded:
    """Return the base that ``recipe`` names, with its fresh adapter, which changes nothing yet.

    Args:
        base: the base, where it was loaded already.

    Raises:
        BadInput: a setting does not go with another. Failed: the model cannot be loaded.
    """
    loaded = base or base_of(recipe, inputs.tokenizer)
    check_length(recipe, getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None))
    config = loaded.model.config
    if isolates(config, config._attn_implementation, packed=inputs.packed):
        isolate(loaded.model)
    if uses_liger(recipe.runtime.use_liger_kernel, loaded.device):
        use_liger(loaded.model)
    loaded.model = with_adapter(loaded.model, recipe, inputs.plan.steps)
    return loaded


def plan_of(recipe: Recipe, prepared: Prepared, processes: int = 1) -> Plan:
    """Return all batches of the run."""
    s = recipe.schedule
    return plan_batches(
        [len(e.input_ids) for e in prepared.train],
        batch_size=s.per_device_train_batch_size,
        parts=s.gradient_accumulation_steps * processes,
        epochs=s.num_train_epochs,
        max_steps=s.max_steps,
        seed=recipe.runtime.seed,
    )


def with_adapter(network: Any, recipe: Recipe, steps: int) -> Any:
    """Return ``network`` with what is trained: a fresh adapter on a frozen base, or all of it.

    Args:
        steps: optimizer steps of the run, by which AdaLoRA times its cuts.

    Raises:
        BadSetting: it has no layer of the names in ``target_modules``.
    """
    a = recipe.adapter
    network.config.use_cache = False
    if a.method == "full":
        return network.requires_grad_(True)
    from peft import get_peft_model

    if recipe.runtime.gradient_checkpointing:
        network.enable_input_require_grads()
    eyes = eyes_of(network)
    if eyes and recipe.vision.projector:
        if network.config.model_type != LLAVA:
            raise BadSetting("training.projector_of_its_own", model=recipe.base, given=recipe.vision.projector)
        load_projector(network, projector_folder(recipe.vision.projector))
    if a.start:
        return _begun(network, adapter_folder(a.start))
    try:
        if eyes:
            return seeing_adapter(network, recipe, steps, eyes.parts)
        return get_peft_model(network, adapter_config(recipe, steps))
    except ValueError as error:
        if "target modules" not in str(error).lower():
            raise
        linear = [name for name, module in network.named_modules() if hasattr(module, "in_features")]
        raise no_such_layers(recipe, linear) from error


def _begun(network: Any, folder: Path) -> Any:
    """``network`` with the adapter in ``folder``, to be trained on.

    Raises:
        BadInput: it is damaged, or does not fit.
    """
    from peft import PeftModel

    adapters.check(folder)
    with Fitting(folder, str(network.name_or_path)):
        config = adapters.configured(folder)
        return PeftModel.from_pretrained(network, str(folder), config=config, is_trainable=True)


def seeing_adapter(network: Any, recipe: Recipe, steps: int, parts: Architecture) -> Any:
    """Return a network that sees with what is trained of it: its projector, and LoRA on the layers that are named.

    Layers are named in full: tower and language model have layers of one name, and a short one would mean both. The
    projector is PEFT's ``modules_to_save``, so that an adapter's file is never without one that was made here; that of
    a model that could see before is the base's, where it is not trained.

    Args:
        parts: how the parts of the network are called.
    """
    from peft import get_peft_model

    config = adapter_config(recipe, steps)
    if recipe.vision.train_projector or network.config.model_type == LLAVA:
        config.modules_to_save = [parts.projector_module]
    config.target_modules = _DUMMY if recipe.adapter.method == "none" else _targets(network, recipe, parts)
    if recipe.vision.tower_lora_r and recipe.adapter.method == "lora":
        config.rank_pattern = {rf"{re.escape(parts.tower)}\..+": recipe.vision.tower_lora_r}
    adapted = get_peft_model(network, config)
    for name, parameter in adapted.named_parameters():
        if parts.projector in name and "modules_to_save" in name:
            parameter.data = parameter.data.float()
            parameter.requires_grad_(recipe.vision.train_projector)
    return adapted


def _targets(network: Any, recipe: Recipe, parts: Architecture) -> str:
    """The layers that get LoRA, as one pattern on full names: of the language model, and of the tower those whose
    output is read."""
    import torch

    chosen = recipe.adapter.target_modules
    if isinstance(chosen, str) and chosen != "all-linear":
        return chosen
    linear = [name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)]
    words = {name.rpartition(".")[2] for name in linear if name.startswith(f"{parts.language}.")}
    ends = sorted(words if chosen == "all-linear" else words & set(chosen))
    if not ends:
        raise no_such_layers(recipe, linear)
    pattern = rf"{re.escape(parts.language)}\..+\.({'|'.join(ends)})"
    if not recipe.vision.tower_lora_r:
        return pattern
    read = [found for name in linear if (found := _in_tower(name, network, parts))]
    layers, eyes = sorted({number for number, _ in read}), sorted({end for _, end in read})
    inside = f"({'|'.join(map(str, layers))})"
    return rf"{pattern}|{re.escape(parts.tower)}\..+\.{inside}\..+\.({'|'.join(eyes)})"


def _in_tower(name: str, network: Any, parts: Architecture) -> tuple[int, str] | None:
    """The layer of the tower in which a linear layer lies, and its own name there; None where its output does not
    reach the projector, or it is in no layer of the tower."""
    layer = re.fullmatch(rf"{re.escape(parts.tower)}\..+?\.(\d+)\..*?([^.]+)", name)
    if layer is None or name.startswith(f"{parts.projector}."):
        return None
    last = getattr(network.config, "vision_feature_layer", None)
    if last is not None and int(layer[1]) > network.config.vision_config.num_hidden_layers + last:
        return None
    return int(layer[1]), layer[2]


def adapter_config(recipe: Recipe, steps: int) -> Any:
    """Return the recipe's adapter in PEFT's words.

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
    if a.method in ("lora", "none"):
        return LoraConfig(r=a.r, use_rslora=a.use_rslora, **common)
    timing = {"tinit": steps // 10, "tfinal": steps * 3 // 10, "deltaT": max(1, steps // 100), "total_step": steps}
    return AdaLoraConfig(init_r=-(-a.r * 3 // 2), target_r=a.r, **timing, **common)


def _check_4bit(recipe: Recipe) -> None:
    if recipe.model.quantization == "nf4":
        try:
            import bitsandbytes  # noqa: F401
        except (ImportError, RuntimeError, OSError) as error:
            raise Failed("training.no_4bit", reason=str(error).splitlines()[0]) from error
