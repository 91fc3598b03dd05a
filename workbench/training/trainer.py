"""The optimizer's loop, on transformers' Trainer. Knows tensors and the run folder; nothing of text.

What differs from the library's own: the batches come from a plan (so a resumed run sees the same ones), logits are
computed only at trained tokens, a small Llama on a CPU takes a quicker pass, the loss is divided by the trained tokens
of the whole step, and checkpoints hold no pickles.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench.errors import Failed
from workbench.models.batches import pad, summed_loss
from workbench.models.quick import quick_pass
from workbench.templates.packing import in_one_row
from workbench.templates.values import IGNORE_INDEX, Example
from workbench.training import state
from workbench.training.batches import Plan
from workbench.training.ranks import allocates, load_ranks, save_ranks
from workbench.training.settings import Recipe

if TYPE_CHECKING:
    import torch
    from transformers import Trainer, TrainingArguments


class Steps(Protocol):
    """Take the optimizer's steps: a Trainer, or DeepSpeed's loop."""

    def halt(self) -> None:
        """End after this step."""

    def save(self, folder: Path) -> None:
        """Save all that an exact resume needs."""


# What a trainer tells its worker after each optimizer step: (itself, step, loss in nats a trained token, learning rate,
# gradient norm)
AfterStep = Callable[[Steps, int, float, float, float], None]


class Batches:
    """Represent the plan's batches as a dataset: item ``i`` is the ``i``-th batch of the run, as tensors.

    Args:
        examples: all training examples.
        plan: which examples are in which batch.
        packed: lay the conversations of a batch into one row, isolated, instead of padding them.
    """

    def __init__(self, examples: Sequence[Example], plan: Plan, *, packed: bool) -> None:
        self.examples, self.plan, self.packed = examples, plan, packed

    def __len__(self) -> int:
        return len(self.plan.batches)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rows = [self.examples[i] for i in self.plan.batches[index]]
        if not rows:  # a last, small step has fewer conversations than batches: this one trains nothing
            first = self.examples[0]
            rows = [Example(first.input_ids, (IGNORE_INDEX,) * len(first.input_ids))]
        return pad([in_one_row(rows)] if self.packed else rows)


def training_arguments(recipe: Recipe, folder: Path, *, steps: int, device: torch.device) -> TrainingArguments:
    """Return the recipe in the library's words, for this process and ``device`` alone."""
    import torch
    from transformers import TrainingArguments

    o, s, r = recipe.optimizer, recipe.schedule, recipe.runtime
    half = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    numbered = device.type == "cuda" and device.index is not None
    if numbered:
        os.environ["ACCELERATE_TORCH_DEVICE"] = str(device)  # else accelerate takes the first
    arguments: TrainingArguments = _alone(device)(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,  # one item of Batches is one batch
        gradient_accumulation_steps=s.gradient_accumulation_steps,
        learning_rate=o.learning_rate,
        optim=o.optim,
        weight_decay=o.weight_decay,
        adam_beta1=o.adam_beta1,
        adam_beta2=o.adam_beta2,
        max_grad_norm=o.max_grad_norm,
        lr_scheduler_type=s.lr_scheduler_type,
        warmup_steps=math.ceil(s.warmup_ratio * steps),
        seed=r.seed,
        use_cpu=device.type == "cpu",
        bf16=half and recipe.model.dtype in ("auto", "bfloat16"),
        **(_checkpointing(TrainingArguments) if r.gradient_checkpointing else {}),
        remove_unused_columns=False,
        dataloader_pin_memory=device.type == "cuda",
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
    )
    if numbered:
        torch.cuda.set_device(device)
    return arguments


def _alone(device: torch.device) -> type:
    """Arguments by which a process stays on ``device``. The library's own take the first GPU, and where there are more,
    copies of the model on all of them: not for a machine that others use too, nor for weights in 4 bit."""
    from transformers import TrainingArguments

    class Alone(TrainingArguments):  # type: ignore[misc]
        """Keep a training on one device."""

        @property
        def device(self) -> torch.device:
            """Tell where the model is."""
            _ = super().device  # sets accelerate's state up
            return device

        @property
        def n_gpu(self) -> int:
            """Return one, or none."""
            return int(device.type == "cuda")

    return Alone


def _checkpointing(arguments: type[TrainingArguments]) -> dict[str, Any]:
    """To compute activations twice, in the words of this version of transformers, which has renamed them."""
    name = "activation_checkpointing"
    name = name if hasattr(arguments, name) else "gradient_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}}


def make_trainer(model: Any, arguments: TrainingArguments, batches: Batches, after_step: AfterStep) -> Trainer:
    """Return a Trainer that takes ``batches`` in order and calls ``after_step`` once an optimizer step."""
    trainer = _trainer_class()(model=model, args=arguments, train_dataset=batches, after_step=after_step)
    if allocates(model):
        trainer.add_callback(_rank_callback()(model))
    return trainer


def _quicker() -> type:
    """Trainer with the quick pass, where the model has one. Made in a function, since its parent is a heavy import."""
    from transformers import Trainer

    class Quicker(Trainer):  # type: ignore[misc]
        """Take steps by the quick pass, where the model has one."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            alone = self.accelerator.num_processes == 1 and not self.args.gradient_checkpointing
            self.quick = quick_pass(self.model) if alone and not self.train_dataset.packed else None
            modules = self.model.modules() if self.args.bf16 else ()
            self.copying = [module for module in modules if getattr(module, "cast_input_dtype_enabled", False)]

        def summed_loss(self, model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, int]:
            """Return the cross-entropy summed over the trained tokens, and how many these are."""
            if self.quick is not None and self.quick.takes(inputs):
                return self.quick(inputs)
            return summed_loss(model, inputs)

        def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
            """Take the parent's step only where there is no quick pass: it walks through all modules to set a mode."""
            if self.quick is None:
                with _as_they_come(self.copying):
                    return super().training_step(model, inputs, num_items_in_batch)
            loss = self.compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
            self.accelerator.backward(loss)
            return loss.detach()

        def floating_point_ops(self, inputs: dict[str, Any]) -> int:  # noqa: ARG002
            """Return 0: nobody reads them, and counting takes a thirtieth of a step of the embedded model."""
            return 0

    return Quicker


@contextmanager
def _as_they_come(layers: Sequence[Any]) -> Iterator[None]:
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


def _trainer_class() -> type:
    """What differs from the library's own, apart from speed."""

    class PlanTrainer(_quicker()):  # type: ignore[misc]
        """Take the plan's steps in the plan's order, and hand each one's numbers over."""

        def __init__(self, *, after_step: AfterStep, **settings: Any) -> None:
            super().__init__(data_collator=lambda items: items[0], **settings)
            self.after_step = after_step
            self.model_accepts_loss_kwargs = True  # the loss below is divided by the tokens of the whole step

        def get_train_dataloader(self) -> Any:
            """Return the plan's batches, in order; shared out among the processes batch by batch."""
            return self.accelerator.prepare(_loader(self))

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            """Return the sum over this batch's trained tokens, divided by those of the whole step, on all devices."""
            total, count = self.summed_loss(model, inputs)
            items = max(int(num_items_in_batch), 1) if num_items_in_batch is not None else max(count, 1)
            loss = total / items * self.accelerator.num_processes  # the processes' gradients are averaged
            return (loss, None) if return_outputs else loss

        def halt(self) -> None:
            """End after this step."""
            self.control.should_training_stop = True

        def save(self, folder: Path) -> None:
            """Save all that an exact resume needs: adapter, optimizer, scheduler, random state, where it stands."""
            _write_checkpoint(self, folder)

        def _maybe_log_save_evaluate(
            self, tr_loss: Any, grad_norm: Any, *_: Any, learning_rate: float | None = None, **__: Any
        ) -> None:
            """Once an optimizer step: hand the numbers over, and begin the sum anew."""
            step = int(self.state.global_step)
            if step <= self._globalstep_last_logged:  # type: ignore[has-type]
                return
            loss = self.accelerator.gather(tr_loss).mean().item()
            tr_loss -= tr_loss
            self._total_loss_scalar += loss
            self._globalstep_last_logged = step
            self.after_step(self, step, loss, float(learning_rate or 0.0), float(grad_norm or 0.0))

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            if not load_ranks(self.model, Path(resume_from_checkpoint)):
                super()._load_from_checkpoint(resume_from_checkpoint, model)

        def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
            if checkpoint is not None:
                _read_optimizer(self, Path(checkpoint))

        def _load_rng_state(self, checkpoint: str | None) -> None:
            if checkpoint is not None:
                state.load_random(Path(checkpoint), self.args.process_index)

    return PlanTrainer


def _read_optimizer(trainer: Any, folder: Path) -> None:
    state.load_optimizer(trainer.optimizer, folder)
    state.load_scheduler(trainer.lr_scheduler, folder)


def _loader(trainer: Any) -> Any:
    from torch.utils.data import DataLoader, SequentialSampler

    return DataLoader(
        trainer.train_dataset,
        batch_size=1,
        sampler=SequentialSampler(trainer.train_dataset),
        collate_fn=trainer.data_collator,
        pin_memory=trainer.args.dataloader_pin_memory,
    )


def _write_checkpoint(trainer: Any, folder: Path) -> None:
    # not through accelerate, which would import DeepSpeed wherever it is installed
    trainer.model.save_pretrained(str(folder), safe_serialization=True)
    state.settle_adapter(folder)
    if allocates(trainer.model):
        save_ranks(trainer.model, folder)
    state.save_optimizer(trainer.optimizer, folder)
    state.save_scheduler(trainer.lr_scheduler, folder)
    state.save_random(folder, trainer.args.process_index)
    trainer.state.save_to_json(str(folder / "trainer_state.json"))


def _rank_callback() -> type:
    """AdaLoRA cuts ranks between the optimizer's step and the gradients' end."""
    from transformers import TrainerCallback

    class Ranks(TrainerCallback):  # type: ignore[misc]
        """Let AdaLoRA cut ranks after each of the optimizer's steps."""

        def __init__(self, model: Any) -> None:
            self.model = model

        def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            """Cut ranks after the weights moved, while their gradients are still there."""
            self.model.base_model.update_and_allocate(state.global_step)

    return Ranks


def check_finite(loss: float, norm: float, *, step: int, recipe: Recipe, run: Path) -> None:
    """Refuse to go on with a loss or a gradient that is no number.

    Args:
        norm: of the gradient; one that is not finite has just spoilt the weights, whatever the loss was before.

    Raises:
        Failed: loss or gradient are NaN or infinite; says what to change.
    """
    if not (math.isfinite(loss) and math.isfinite(norm)):
        rate = recipe.optimizer.learning_rate
        raise Failed("training.nan_loss", loss=loss, norm=norm, step=step, learning_rate=rate, lower=rate / 10, run=run)
