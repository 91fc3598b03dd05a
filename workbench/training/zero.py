"""The optimizer's loop on DeepSpeed's ZeRO, for several processes, or for one that offloads. Knows tensors and teams.

It takes the same steps as the loop on transformers' Trainer: the same batches, and a loss divided by the trained tokens
of the whole step over all processes. Source of the method: Rajbhandari et al. 2020 (ZeRO, section 5): stage 1 shares
out the optimizer's state, 2 the gradients too, 3 the parameters too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import BadSetting
from workbench.models.batches import summed_loss
from workbench.templates.values import IGNORE_INDEX
from workbench.training import state
from workbench.training.settings import Recipe
from workbench.training.team import Team
from workbench.training.trainer import AfterStep, Batches

STATE = "trainer_state.json"


# Numbers that are sent at once, at most; DeepSpeed's own buffers of ten times as many would take gigabytes.
BUCKET = 50_000_000


def zero_config(recipe: Recipe, *, half: bool, trained: int) -> dict[str, Any]:
    """Return the recipe in DeepSpeed's words.

    Args:
        half: compute in bfloat16, with a float32 copy of what is trained.
        trained: how many parameters move.
    """
    mode = recipe.runtime.deepspeed or "zero1"
    stage, offload = int(mode[4]), mode.endswith("offload")
    bucket = max(1, min(BUCKET, trained))
    zero: dict[str, Any] = {"stage": stage, "reduce_bucket_size": bucket, "allgather_bucket_size": bucket}
    if offload:
        zero["offload_optimizer"] = {"device": "cpu"}
        if stage == 3:
            zero["offload_param"] = {"device": "cpu"}
    return {
        "train_micro_batch_size_per_gpu": 1,  # one item of Batches is one batch
        "gradient_accumulation_steps": recipe.schedule.gradient_accumulation_steps,
        "gradient_clipping": recipe.optimizer.max_grad_norm,
        "zero_optimization": zero,
        "bf16": {"enabled": half},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,  # its own has to be compiled on the machine; torch's does the same
        "steps_per_print": 10**9,
    }


class ZeroTrainer:
    """Take the plan's steps together with the team, and call ``after_step`` once an optimizer step.

    Args:
        model: the base with what is trained; the same in all processes.
        recipe: its optimizer, schedule and ZeRO stage.
        batches: all batches of the run; each process takes its share of each step.
        team: the processes.
        after_step: see :data:`workbench.training.trainer.AfterStep`.
    """

    def __init__(self, model: Any, recipe: Recipe, batches: Batches, team: Team, after_step: AfterStep) -> None:
        self.model, self.recipe, self.batches, self.team = model, recipe, batches, team
        self.after_step, self.halted, self.step = after_step, False, 0
        self.engine: Any = None

    @property
    def stage(self) -> int:
        """Return 1, 2 or 3."""
        return int((self.recipe.runtime.deepspeed or "zero1")[4])

    def halt(self) -> None:
        """End after this step."""
        self.halted = True

    def train(self, checkpoint: Path | None) -> None:
        """Take all steps that are left.

        Args:
            checkpoint: to go on from.

        Raises:
            BadSetting: the checkpoint was written by another number of processes.
        """
        if checkpoint is not None:
            load_weights(self.model, checkpoint)
        self._initialize()
        if checkpoint is not None:
            self._load(checkpoint)
        self.model.train()
        for step in range(self.step, self.batches.plan.steps):
            self._take(step)
            if self.halted:
                return

    def _initialize(self) -> None:
        import torch

        deepspeed = _deepspeed()
        trained = [p for p in self.model.parameters() if p.requires_grad]
        half = any(p.dtype == torch.bfloat16 for p in self.model.parameters())
        self.engine, self.optimizer, _, self.scheduler = deepspeed.initialize(
            model=self.model,
            model_parameters=trained,
            optimizer=_adam(trained, self.recipe),
            lr_scheduler=lambda optimizer: _schedule(optimizer, self.recipe, self.batches.plan.steps),
            config=zero_config(self.recipe, half=half, trained=sum(p.numel() for p in trained)),
        )

    def _take(self, step: int) -> None:
        """One optimizer step: this process's batches of it, forward and backward, then all move together."""
        plan, world = self.batches.plan, self.team.size
        first = step * plan.parts
        items = sum(self._labels(i) for i in range(first, first + plan.parts))
        rate, loss = float(self.scheduler.get_last_lr()[0]), 0.0
        for index in range(first + self.team.rank, first + plan.parts, world):
            batch = {key: value.to(self.model.device) for key, value in self.batches[index].items()}
            part = summed_loss(self.engine, batch)[0] / max(1, items)
            loss += float(part.detach())
            self.engine.backward(part * world, scale_wrt_gas=False)  # the processes' gradients are averaged
            self.engine.step()
        self.step = step + 1
        norm = float(self.engine.get_global_grad_norm() or 0.0)
        # DeepSpeed says -1 of a gradient that is not finite
        self.after_step(self, self.step, self.team.sum(loss), rate, norm if norm >= 0 else math.nan)

    def _labels(self, index: int) -> int:
        """Trained tokens of a batch, whichever process takes it."""
        rows = (self.batches.examples[i] for i in self.batches.plan.batches[index])
        return sum(label != IGNORE_INDEX for row in rows for label in row.labels[1:])

    def save(self, folder: Path) -> None:
        """Save all that an exact resume needs; each process writes its share, the leader what is common."""
        with self._whole():
            if self.team.leads:
                self.model.save_pretrained(str(folder), safe_serialization=True)
                state.settle_adapter(folder)
        state.save_random(folder, self.team.rank)
        _save_shares(self.optimizer, folder, self.team.rank)
        if self.team.leads:
            state.save_scheduler(self.scheduler, folder)
            record = {"global_step": self.step, "processes": self.team.size}
            (folder / STATE).write_text(json.dumps(record), encoding="utf-8")

    def _load(self, checkpoint: Path) -> None:
        record = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        if record.get("processes", 1) != self.team.size:
            run = checkpoint.parent.parent
            raise BadSetting(
                "training.other_processes", run=run, before=record.get("processes", 1), after=self.team.size
            )
        self.step = int(record["global_step"])
        _load_shares(self.optimizer, checkpoint, self.team.rank)
        state.load_scheduler(self.scheduler, checkpoint)
        for group, rate in zip(self.optimizer.param_groups, self.scheduler.get_last_lr(), strict=True):
            group["lr"] = rate
        state.load_random(checkpoint, self.team.rank)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """While it lasts, what is trained is whole in every process."""
        if self.stage < 3:
            yield
            return
        import deepspeed

        with deepspeed.zero.GatheredParameters([p for p in self.model.parameters() if p.requires_grad]):
            yield

    @contextmanager
    def in_step(self) -> Iterator[None]:
        """Let all processes, while it lasts, see the leader's scores, so that they generate the same answers: under
        ZeRO 3 every forward pass is a common one, and a process that ended earlier would leave the others waiting."""
        if self.stage < 3 or self.team.size == 1:
            yield
            return
        import torch.distributed as dist

        def same(_: Any, __: Any, scores: Any) -> Any:
            scores = scores.clone()
            dist.broadcast(scores, 0)
            return scores

        handle = self.model.get_output_embeddings().register_forward_hook(same)
        try:
            yield
        finally:
            handle.remove()


def _adam(trained: list[Any], recipe: Recipe) -> Any:
    import torch

    o = recipe.optimizer
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": o.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [g for g in groups if g["params"]], lr=o.learning_rate, betas=(o.adam_beta1, o.adam_beta2), eps=1e-8
    )


def _schedule(optimizer: Any, recipe: Recipe, steps: int) -> Any:
    from transformers import get_scheduler

    s = recipe.schedule
    warmup = math.ceil(s.warmup_ratio * steps)
    return get_scheduler(s.lr_scheduler_type, optimizer, num_warmup_steps=warmup, num_training_steps=steps)


def load_weights(model: Any, checkpoint: Path) -> None:
    """Put a checkpoint's weights into ``model``: the adapter's, or all."""
    from safetensors.torch import load_file

    adapter = checkpoint / "adapter_model.safetensors"
    if adapter.exists():
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model, load_file(adapter))
        return
    model.load_state_dict(load_file(checkpoint / "model.safetensors"), strict=False)  # a tied head is not in the file


def _shares(optimizer: Any) -> list[Any]:
    """This process's flat parts of what is trained, in float32; what the inner optimizer moves."""
    for name in ("single_partition_of_fp32_groups", "fp32_partitioned_groups_flat", "fp32_groups_flat_partition"):
        value = getattr(optimizer, name, None)
        if value:
            return list(value)
    raise TypeError(f"{type(optimizer).__name__} has no flat parts")


def _file(folder: Path, rank: int) -> Path:
    return folder / f"zero_{rank}.safetensors"


def _save_shares(optimizer: Any, folder: Path, rank: int) -> None:
    from safetensors.torch import save_file

    tensors: dict[str, Any] = {}
    for index, share in enumerate(_shares(optimizer)):
        values = {"share": share, **optimizer.optimizer.state.get(share, {})}
        for name, value in values.items():
            tensors[f"{index}.{name}"] = value.detach().cpu().clone().contiguous()
    save_file(tensors, _file(folder, rank))


def _load_shares(optimizer: Any, folder: Path, rank: int) -> None:
    from safetensors.torch import load_file

    stored = load_file(_file(folder, rank))
    shares = _shares(optimizer)
    for key, value in stored.items():
        index, _, name = key.partition(".")
        share = shares[int(index)]
        if name == "share":
            share.data.copy_(value)
            continue
        moved = value if name == "step" else value.to(share.device, share.dtype)
        optimizer.optimizer.state[share][name] = moved


def _deepspeed() -> Any:
    """The library, without its remarks, and without what it would compile first and use only for inference."""
    import logging

    import deepspeed
    from deepspeed.accelerator import get_accelerator
    from deepspeed.utils import logger

    logger.setLevel(logging.WARNING)
    if get_accelerator().device_name() == "cpu":
        deepspeed.ops.__dict__["__compatible_ops__"] = {}
    return deepspeed
