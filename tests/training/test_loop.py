"""Facts about the training loop itself, in this process."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import tiny as small
from workbench.models import Loaded
from workbench.training import load_recipe
from workbench.training.assemble import Material, assemble, material
from workbench.training.execution import in_mixed_precision, make_engine, make_task
from workbench.training.forecast import work_of
from workbench.training.loop import Loop
from workbench.training.settings import Recipe
from workbench.training.tasks import SupervisedTuning
from workbench.training.team import Team


def losses_of(recipe: Recipe, made: Material, loaded: Loaded, checkpoint: Path | None = None) -> list[float]:
    """The loss of each step of a training in this process."""
    losses: list[float] = []
    engine = make_engine(loaded.model, recipe, made.plan.steps, Team())
    task = make_task(recipe, loaded, packed=made.packed)
    Loop(engine, task, made.prepared.train, made.plan, lambda _, __, loss, *___: losses.append(loss)).train(checkpoint)
    return losses


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_in_mixed_precision_an_adapter_s_input_is_not_copied(
    tiny: Path, quantization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    # as on a GPU; the CPU can do it too
    monkeypatch.setattr("workbench.training.execution.in_mixed_precision", lambda *_: True)
    losses = losses_of(recipe, made, loaded)
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


def test_activations_are_computed_twice_where_the_recipe_says_so(tiny: Path) -> None:
    losses: list[list[float]] = []
    for twice in (False, True):
        torch.manual_seed(0)
        settings = small.overrides(tiny, "persona.name=Sprout", "max_steps=3", f"gradient_checkpointing={twice}")
        recipe = load_recipe("pocket-lora", settings)
        made = material(recipe)
        loaded = assemble(recipe, made)
        losses.append(losses_of(recipe, made, loaded))
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
    tiny: Path, settings: tuple[str, ...], packed: bool
) -> None:
    recipe = load_recipe("pocket-lora", small.overrides(tiny, "persona.name=Sprout", "max_steps=1", *settings))
    made = material(recipe)
    assert made.packed is packed
    task = make_task(recipe, assemble(recipe, made), packed=packed)
    assert isinstance(task, SupervisedTuning) and (task.quick is None) is packed


def test_mixed_precision_is_for_gpus_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    able = [True]
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: able[0])
    gpu, recipe = torch.device("cuda:2"), load_recipe("pocket-lora")
    assert in_mixed_precision(recipe, gpu)
    assert not in_mixed_precision(recipe, torch.device("cpu"))
    assert not in_mixed_precision(load_recipe("pocket-lora", ["dtype=float32"]), gpu)
    able[0] = False
    assert not in_mixed_precision(recipe, gpu)


def test_the_loop_takes_the_steps_of_the_library_s_trainer(tiny: Path, tmp_path: Path) -> None:
    """The same batches, optimizer, schedule, clipping and division of the loss, bit for bit."""
    from transformers import Trainer, TrainingArguments

    settings = ("persona.name=Sprout", "max_steps=4", "gradient_accumulation_steps=2", "weight_decay=0.1")
    recipe = load_recipe("pocket-lora", small.overrides(tiny, *settings, "lora_dropout=0", "target_modules=[q_proj]"))
    made = material(recipe)
    torch.manual_seed(0)
    ours = assemble(recipe, made)
    torch.manual_seed(0)
    theirs = assemble(recipe, made)
    losses_of(recipe, made, ours)
    task = make_task(recipe, theirs, packed=made.packed)
    rows = [task.batch([made.prepared.train[i] for i in batch]) for batch in made.plan.batches]
    o, s = recipe.optimizer, recipe.schedule

    class Theirs(Trainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Any, *_: Any, num_items_in_batch: Any = None, **__: Any) -> Any:
            return task.loss(model, inputs) / num_items_in_batch

    trainer = Theirs(
        model=theirs.model,
        args=TrainingArguments(
            output_dir=str(tmp_path),
            max_steps=made.plan.steps,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=s.gradient_accumulation_steps,
            learning_rate=o.learning_rate,
            optim=o.optim,
            weight_decay=o.weight_decay,
            adam_beta2=o.adam_beta2,
            lr_scheduler_type=s.lr_scheduler_type,
            warmup_steps=math.ceil(s.warmup_ratio * made.plan.steps),
            use_cpu=True,
            remove_unused_columns=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=rows,
        data_collator=lambda items: items[0],
    )
    trainer.model_accepts_loss_kwargs = True
    trainer.get_train_dataloader = lambda: torch.utils.data.DataLoader(rows, collate_fn=lambda items: items[0])
    trainer.train()
    named = dict(theirs.model.named_parameters())
    for name, parameter in ours.model.named_parameters():
        assert torch.equal(parameter, named[name]), name


@pytest.mark.parametrize("optim", ["adamw_torch", "adamw_torch_fused", "adamw_8bit", "sgd", "adafactor", "rmsprop"])
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
def test_any_optimizer_of_the_library_is_made(tiny: Path, optim: str) -> None:
    recipe = load_recipe("pocket-lora", small.overrides(tiny, "persona.name=Sprout", "max_steps=2", f"optim={optim}"))
    made = material(recipe)
    losses = losses_of(recipe, made, assemble(recipe, made))
    assert len(losses) == 2 and all(math.isfinite(loss) for loss in losses)


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
