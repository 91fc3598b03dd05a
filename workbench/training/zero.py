"""An engine of several processes, or of one that offloads: DeepSpeed's ZeRO. Knows tensors, teams and a checkpoint's
files; nothing of batches.

Source of the method: Rajbhandari et al. 2020 (ZeRO, section 5): stage 1 shares out the optimizer's state, 2 the
gradients too, 3 the parameters too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.training import state
from workbench.training.optimizers import make_optimizer, make_schedule
from workbench.training.settings import Recipe
from workbench.training.team import Team
from workbench.training.weights import load_weights

if TYPE_CHECKING:
    import torch

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
        "train_micro_batch_size_per_gpu": 1,  # a loop's batch is one
        "gradient_accumulation_steps": recipe.schedule.gradient_accumulation_steps,
        "gradient_clipping": recipe.optimizer.max_grad_norm,
        "zero_optimization": zero,
        "bf16": {"enabled": half},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,  # its own has to be compiled on the machine; torch's does the same
        "steps_per_print": 10**9,
    }


class Zero:
    """Share the work on ``model`` with the other processes of a team.

    Args:
        model: the base with what is trained; the same in all processes.
        recipe: its optimizer, schedule and ZeRO stage.
        steps: optimizer steps of the whole run.
        team: the processes.
    """

    def __init__(self, model: Any, recipe: Recipe, steps: int, team: Team) -> None:
        self.model, self.recipe, self.steps, self.team = model, recipe, steps, team
        self.engine: Any = None

    @property
    def stage(self) -> int:
        """Return 1, 2 or 3."""
        return int((self.recipe.runtime.deepspeed or "zero1")[4])

    def prepare(self, checkpoint: Path | None) -> None:
        """Share out what is trained, the optimizer and the gradients; put back those of ``checkpoint``."""
        import torch

        if checkpoint is not None:
            load_weights(self.model, checkpoint)
        deepspeed = _deepspeed()
        trained = [p for p in self.model.parameters() if p.requires_grad]
        half = any(p.dtype == torch.bfloat16 for p in self.model.parameters())
        self.engine, self.optimizer, _, self.schedule = deepspeed.initialize(
            model=self.model,
            model_parameters=trained,
            optimizer=make_optimizer(self.model, self.recipe, fused=False),
            lr_scheduler=lambda optimizer: make_schedule(optimizer, self.recipe, self.steps),
            config=zero_config(self.recipe, half=half, trained=sum(p.numel() for p in trained)),
        )
        if checkpoint is not None:
            self._load(checkpoint)

    def _load(self, checkpoint: Path) -> None:
        _load_shares(self.optimizer, checkpoint, self.team.rank)
        state.load_scheduler(self.schedule, checkpoint)
        for group, rate in zip(self.optimizer.param_groups, self.schedule.get_last_lr(), strict=True):
            group["lr"] = rate
        state.load_random(checkpoint, self.team.rank)

    def accumulate(self, loss: Callable[[Any], torch.Tensor]) -> torch.Tensor:
        """Add the gradient of ``loss(model)`` to that of this step; at the step's last batch DeepSpeed moves the
        weights."""
        value = loss(self.engine)
        self.engine.backward(value * self.team.size, scale_wrt_gas=False)  # the processes' gradients are averaged
        self.engine.step()
        return value.detach()

    def step(self) -> float:
        """Return the gradient's norm of the step just taken."""
        norm = float(self.engine.get_global_grad_norm() or 0.0)
        return norm if norm >= 0 else math.nan  # DeepSpeed says -1 of a gradient that is not finite

    def rate(self) -> float:
        """Return the learning rate of the next step."""
        return float(self.schedule.get_last_lr()[0])

    def save(self, folder: Path) -> None:
        """Write this process's share, and as the leader what is common."""
        with self._whole():
            if self.team.leads:
                self.model.save_pretrained(str(folder), safe_serialization=True)
                state.settle_adapter(folder)
        state.save_random(folder, self.team.rank)
        _save_shares(self.optimizer, folder, self.team.rank)
        if self.team.leads:
            state.save_scheduler(self.schedule, folder)

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
