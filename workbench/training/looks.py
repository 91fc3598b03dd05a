"""The evaluations of a run: what is asked, when, and what that takes. Knows recipes and run folders; nothing of steps.

What was chosen at the first look stays in the run folder, so that a resumed run, and every process of one, asks the
same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.ordering import evenly
from workbench.errors import Failed
from workbench.evaluation import Budget, Choice, Evaluator, FirstLook, KnownAnswers, Measurement, adopt
from workbench.runs import Run, read_json, write_json
from workbench.training.data import template_of

if TYPE_CHECKING:
    from workbench.models import Loaded
    from workbench.training.assemble import Material
    from workbench.training.settings import Recipe
    from workbench.training.team import Team

# Conversations whose loss is measured at each evaluation, spread evenly: time belongs to the training.
LOSSES = 40
FILE = "evaluation.json"


def quarter(steps: int) -> int:
    """Return a quarter of the steps: where a run that says nothing of it is evaluated and saved."""
    return max(1, -(-steps // 4))


def out_of_memory(reason: str, step: int, recipe: Recipe, run: Path) -> Failed:
    """Return the error of a training that the memory was too small for, with what to lower."""
    s = recipe.schedule
    rows = max(1, s.per_device_train_batch_size // 2)
    parts = s.gradient_accumulation_steps * -(-s.per_device_train_batch_size // rows)
    return Failed("training.out_of_memory", step=step, reason=reason, run=run, rows=rows, parts=parts)


class Looking:
    """Represent the evaluations of one stay of a worker.

    Args:
        run: its folder.
        recipe: its settings.
        made: what it trains with, and what it asks.
        loaded: the base with its adapter.
        team: the processes that train together.
        should_stop: whether somebody asked to stop.
    """

    def __init__(
        self, run: Run, recipe: Recipe, inputs: Material, loaded: Loaded, team: Team, should_stop: Callable[[], bool]
    ) -> None:
        self.run, self.recipe, self.made, self.loaded = run, recipe, inputs, loaded
        prepared, limits = inputs.prepared, recipe.evaluation
        # under ZeRO 3 one process that left would keep the others waiting
        alone = team.size == 1 or not (recipe.runtime.deepspeed or "").startswith("zero3")
        self.evaluator = Evaluator(
            prepared.probes,
            tokenizer=loaded.tokenizer,
            held_out=evenly(prepared.held_out, LOSSES),
            trained=evenly(prepared.repeated, LOSSES),
            identity=prepared.identity,
            template=template_of(recipe, loaded.tokenizer),
            max_new_tokens=limits.max_new_tokens,
            should_stop=should_stop if alone else None,
        )
        self.every = limits.eval_steps or quarter(inputs.plan.steps)
        self.choice: Choice | None = None

    def first(self) -> Measurement:
        """Ask the base, choose what is asked from now on, and keep that in the run folder.

        Raises:
            Halted: somebody asked to stop.
        """
        memory = KnownAnswers(self._base())
        count = self.recipe.evaluation.general_probes
        look = FirstLook(self.evaluator, self.loaded, count=count, budget=self._budget(), memory=memory)
        choice, base = look.take()
        self._settle(choice)
        write_json(self.run.path / FILE, {"probes": self._probes(), **choice.record()})
        return base

    def recall(self, *, ask_again: bool) -> bool:
        """Take what was chosen before; whether there was such a choice.

        Args:
            ask_again: after a resume, where the drift's reference must be taken anew from the base.
        """
        record = read_json(self.run.path / FILE) or {}
        if record.pop("probes", None) != self._probes():
            return False
        try:
            choice = Choice.of(record)
            adopt(self.evaluator, choice)
        except (KeyError, TypeError, IndexError):
            return False
        if ask_again:
            self.evaluator.drift(self.loaded)
        self._settle(choice)
        return True

    def notices(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what a person is told of the choice: keys of ``training.state`` with their values."""
        choice = self.choice
        if choice is None:
            return
        if self.recipe.evaluation.general_probes:
            yield "known" if choice.known >= 10 else "too_few", {"known": choice.known, "asked": choice.asked}
        looks = choice.looks
        numbers = {"looks": looks.looks, "questions": len(choice.rows), "seconds": looks.seconds}
        if looks.training:
            yield "looks", {**numbers, "share": looks.seconds / looks.training, "training": looks.training}

    def _settle(self, choice: Choice) -> None:
        self.choice = choice
        if self.recipe.evaluation.eval_steps is None:
            every = -(-self.made.plan.steps // choice.looks.looks)
            save = self.recipe.checkpoints.save_steps
            if choice.looks.short and save is not None:  # or each checkpoint would have a look of its own
                every = -(-every // save) * save
            self.every = max(1, every)

    def _budget(self) -> Budget:
        limits, plan, train = self.recipe.evaluation, self.made.plan, self.made.prepared.train
        looks = None if limits.eval_steps is None else -(-plan.steps // limits.eval_steps)
        tokens = sum(len(train[i].input_ids) for batch in plan.batches for i in batch)
        return Budget(limits.budget, tokens, looks)

    def _base(self) -> dict[str, Any]:
        """What tells one base's answers from another's."""
        model = self.recipe.model
        base = self.run.manifest().get("base_fingerprint") or model.name
        shown = {"base": base, "quantization": model.quantization, "device": self.loaded.device.type}
        dtype = str(self.loaded.model.dtype)
        template = template_of(self.recipe, self.loaded.tokenizer).fingerprint(self.loaded.tokenizer)
        begun = {"start": self.recipe.adapter.start} if self.recipe.adapter.start else {}
        return {**shown, **begun, "dtype": dtype, "template": template, "length": self.evaluator.max_new_tokens}

    def _probes(self) -> str:
        """What tells one set of probes from another."""
        questions = [[m.to_dict() for m in p.messages] for p in self.made.prepared.probes]
        return hashlib.sha256(json.dumps(questions, sort_keys=True).encode()).hexdigest()[:24]
