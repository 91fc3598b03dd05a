"""The one training loop: which batches make a step, and what happens after it. Knows plans and teams; nothing of text.

How gradients come about and weights move is an engine's: one process by itself
(:mod:`workbench.training.single`), or several that share the work (:mod:`workbench.training.zero`). The batches come
from a plan, so that a resumed run sees the same ones, and the loss is divided by the trained tokens of the whole step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench.errors import BadSetting, Failed
from workbench.templates.values import Example
from workbench.training.batches import Plan
from workbench.training.settings import Recipe
from workbench.training.tasks import Task, untrained
from workbench.training.team import Team

if TYPE_CHECKING:
    import torch

# How far a checkpoint is, and how many processes wrote it.
STATE = "trainer_state.json"


class Engine(Protocol):
    """Make gradients and move weights; the same calls in every process of a team."""

    model: Any

    def accumulate(self, loss: Callable[[Any], torch.Tensor]) -> torch.Tensor:
        """Add the gradient of ``loss(model)`` to that of this step; return its value, without a gradient."""

    def step(self) -> float:
        """Move the weights and the learning rate; return the gradient's norm before it was clipped (NaN: no number)."""

    def rate(self) -> float:
        """Return the learning rate of the next step."""

    def in_step(self) -> AbstractContextManager[None]:
        """Return a context in which all processes generate the same answers, where each needs the others for it."""

    def prepare(self, checkpoint: Path | None) -> None:
        """Make ready for the first step, or for that which follows ``checkpoint``."""

    def save(self, folder: Path) -> None:
        """Write into ``folder`` all that :meth:`prepare` needs for an exact resume."""


# What a loop tells its worker after each optimizer step: (itself, step, loss in nats a trained token, learning rate,
# gradient norm)
AfterStep = Callable[["Loop", int, float, float, float], None]


class Loop:
    """Take the plan's steps together with the team.

    Args:
        engine: how weights move.
        task: what is learnt.
        examples: all training examples.
        plan: which of them are in which batch; a step's batches are dealt out to the processes in turn.
        after_step: called once an optimizer step.
        team: the processes; None: this one alone.
    """

    def __init__(
        self,
        engine: Engine,
        task: Task,
        examples: Sequence[Example],
        plan: Plan,
        after_step: AfterStep,
        team: Team | None = None,
    ) -> None:
        self.engine, self.task, self.examples, self.plan = engine, task, examples, plan
        self.after_step, self.team = after_step, team or Team()
        self.finished, self.halted = 0, False

    def train(self, checkpoint: Path | None = None) -> None:
        """Take all steps that are left.

        Args:
            checkpoint: to go on from.

        Raises:
            BadSetting: the checkpoint was written by another number of processes.
        """
        if checkpoint is not None:
            self.finished = self._stand(checkpoint)
        self.engine.prepare(checkpoint)
        self.engine.model.train()
        for step in range(self.finished, self.plan.steps):
            self._take(step)
            if self.halted:
                return

    def halt(self) -> None:
        """End after this step."""
        self.halted = True

    def save(self, folder: Path) -> None:
        """Save all that an exact resume needs; each process writes its share, the leader what is common."""
        self.engine.save(folder)
        if self.team.leads:
            record = {"global_step": self.finished, "processes": self.team.size}
            (folder / STATE).write_text(json.dumps(record), encoding="utf-8")

    def _take(self, step: int) -> None:
        """One optimizer step: this process's batches of it, forward and backward, then all move together."""
        first, last = step * self.plan.parts, (step + 1) * self.plan.parts
        rows = [self.examples[i] for batch in self.plan.batches[first:last] for i in batch]
        tokens, rate = max(1, sum(map(self.task.count, rows))), self.engine.rate()
        mine = range(first + self.team.rank, last, self.team.size)
        losses = [self._accumulate(self._batch(index), tokens) for index in mine]
        norm = self.engine.step()
        self.finished = step + 1
        self.after_step(self, self.finished, self.team.sum(float(sum(losses))), rate, norm)

    def _accumulate(self, batch: dict[str, torch.Tensor], tokens: int) -> torch.Tensor:
        """Add a batch's share of the step's gradient; return its share of the loss of ``tokens`` in all."""
        return self.engine.accumulate(lambda model: self.task.loss(model, batch) / tokens)

    def _batch(self, index: int) -> dict[str, torch.Tensor]:
        # a last, small step may have fewer conversations than batches: one of them then trains nothing
        rows = [self.examples[i] for i in self.plan.batches[index]] or [untrained(self.examples[0])]
        device = self.engine.model.device
        return {name: tensor.to(device) for name, tensor in self.task.batch(rows).items()}

    def _stand(self, checkpoint: Path) -> int:
        """Steps that ``checkpoint`` has behind it."""
        record = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        processes = record.get("processes", 1)
        if processes != self.team.size:
            run = checkpoint.parent.parent
            raise BadSetting("training.other_processes", run=run, before=processes, after=self.team.size)
        return int(record["global_step"])


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
