"""Facts about the optimizer's loop itself, in this process."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import tiny as small
from workbench.training import load_recipe
from workbench.training.assemble import assemble, material
from workbench.training.forecast import work_of
from workbench.training.trainer import Batches, make_trainer, training_arguments


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_in_mixed_precision_an_adapter_s_input_is_not_copied(tiny: Path, tmp_path: Path, quantization: str) -> None:
    """PEFT brings it to the adapter's 32 bit, and autocast back to 16: for each adapted layer a copy more."""
    settings = small.overrides(
        tiny, "persona.name=Sprout", "max_steps=1", "dtype=bfloat16", f"quantization={quantization}", "packing=true"
    )
    recipe = load_recipe("pocket-lora", settings)
    made = material(recipe)
    loaded = assemble(recipe, made)
    seen: list[Any] = []
    layers = [module for name, module in loaded.model.named_modules() if name.endswith("lora_A.default")]
    for layer in layers:
        layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    arguments = training_arguments(recipe, tmp_path, steps=1, device=loaded.device)
    arguments = replace(arguments, bf16=True)  # as on a GPU; the CPU can do it too
    losses: list[float] = []
    batches = Batches(made.prepared.train, made.plan, packed=made.packed)
    make_trainer(loaded.model, arguments, batches, lambda _, __, loss, *___: losses.append(loss)).train()
    assert len(losses) == 1 and losses[0] > 0
    assert len(seen) == len(layers) and set(seen) == {torch.bfloat16}
    assert all(m.cast_input_dtype_enabled for m in loaded.model.modules() if hasattr(m, "cast_input_dtype_enabled"))


def test_a_packed_training_attends_within_each_conversation(tiny: Path) -> None:
    from workbench.models.isolated import attends_isolated

    for packed in (True, False):
        recipe = load_recipe("pocket-lora", small.overrides(tiny, "persona.name=Sprout", f"packing={packed}"))
        made = material(recipe)
        assert made.packed is packed
        assert attends_isolated(assemble(recipe, made).model) is packed


def test_activations_are_computed_twice_where_the_recipe_says_so(tiny: Path, tmp_path: Path) -> None:
    losses: list[list[float]] = []
    for twice in (False, True):
        torch.manual_seed(0)
        settings = small.overrides(tiny, "persona.name=Sprout", "max_steps=3", f"gradient_checkpointing={twice}")
        recipe = load_recipe("pocket-lora", settings)
        made = material(recipe)
        loaded = assemble(recipe, made)
        arguments = training_arguments(recipe, tmp_path, steps=3, device=loaded.device)
        batches = Batches(made.prepared.train, made.plan, packed=made.packed)
        losses.append([])
        make_trainer(loaded.model, arguments, batches, lambda _, __, loss, *___: losses[-1].append(loss)).train()
        assert loaded.model.get_base_model().is_gradient_checkpointing is twice
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "packed"),
    [
        ((), False),
        (("lora_dropout=0.1",), True),
        (("target_modules=[q_proj, v_proj]",), True),
        (("gradient_checkpointing=true",), True),
        (("method=adalora",), True),
        (("quantization=nf4",), False),
    ],
)
def test_what_takes_the_quick_pass_is_padded_and_the_rest_packed(
    tiny: Path, tmp_path: Path, settings: tuple[str, ...], packed: bool
) -> None:
    recipe = load_recipe("pocket-lora", small.overrides(tiny, "persona.name=Sprout", "max_steps=1", *settings))
    made = material(recipe)
    assert made.packed is packed
    arguments = training_arguments(recipe, tmp_path, steps=1, device=torch.device("cpu"))
    model = assemble(recipe, made).model
    trainer = make_trainer(model, arguments, Batches(made.prepared.train, made.plan, packed=packed), lambda *_: None)
    assert (trainer.quick is None) is packed


def test_one_process_stays_on_its_gpu_where_there_are_more(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library would copy the model to all GPUs, and begin with the first, wherever the model is."""
    chosen: list[Any] = []
    monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", "")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: False)
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    recipe = load_recipe("pocket-lora", small.overrides(tiny, "device=cuda:2"))
    where = torch.device("cuda:2")
    monkeypatch.setattr("transformers.TrainingArguments.device", property(lambda _: torch.device("cuda:0")))
    arguments = training_arguments(recipe, tmp_path, steps=1, device=where)
    assert arguments.device == where == chosen[-1]
    assert arguments.n_gpu == 1
    assert os.environ["ACCELERATE_TORCH_DEVICE"] == "cuda:2"
    assert training_arguments(recipe, tmp_path, steps=1, device=torch.device("cpu")).n_gpu == 0


@pytest.mark.parametrize(
    ("settings", "dtype"),
    [
        (("method=full", "quantization=none"), torch.float32),
        (("method=full", "quantization=none", "dtype=bfloat16"), torch.bfloat16),
        (("quantization=none",), torch.bfloat16),
    ],
)
def test_weights_that_move_are_held_in_float32(
    tiny: Path, settings: tuple[str, ...], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device that computes in 16 bit, where a step of 1e-5 on a weight of 0.02 would be rounded away."""
    monkeypatch.setattr("workbench.models.loading.compute_dtype", lambda _: torch.bfloat16)
    recipe = load_recipe("pocket-lora", small.overrides(tiny, "persona.name=Sprout", *settings))
    model = assemble(recipe, material(recipe)).model
    assert model.get_input_embeddings().weight.dtype == dtype
    assert work_of(recipe).dtype == str(dtype).removeprefix("torch.")
    with torch.no_grad():
        weight = torch.tensor(0.02, dtype=dtype)
        assert bool(weight - 1e-5 != weight) is (dtype == torch.float32)
