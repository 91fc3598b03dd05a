"""The process that trains: ``python -m workbench.training.worker RUN``. Knows the run folder; nothing of who watches
it.

It goes on from the run's last finished checkpoint, or begins.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.evaluation import Evaluator, Measurement, measured, rank, verdict
from workbench.runs import Run, checkpoint_writer, claim, prune
from workbench.texts import text
from workbench.training.recipe import check_recipe
from workbench.training.settings import Recipe

if TYPE_CHECKING:
    from transformers import Trainer

    from workbench.runs import Claim

# Answers written to the event log at each evaluation, of each kind; a person reads no more.
SHOWN = {"identity": 4, "general": 4, "unrelated": 2, "sample": 1_000}


def main(arguments: list[str] | None = None) -> int:
    """Train the run that is named; returns the exit status."""
    folder = Path((sys.argv[1:] if arguments is None else arguments)[0])
    from workbench.environment import prepare as prepare_environment

    prepare_environment()
    try:
        work(Run(folder))
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


def work(run: Run) -> None:
    """Train ``run`` from where it stands to its end, or until it is asked to stop.

    Raises:
        WorkbenchError: as said in its last status event.
    """
    import yaml

    recipe = check_recipe(yaml.safe_load(run.recipe_text()), where=str(run.path / "recipe.yaml"))
    last = run.latest()
    with claim(run, resume_from=last.step if last else None) as hold:
        Work(run, recipe, hold).go(last.path if last else None)


class Work:
    """One stay of a worker with its run.

    Args:
        run: the folder.
        recipe: its settings.
        hold: the claim on it.
    """

    def __init__(self, run: Run, recipe: Recipe, hold: Claim) -> None:
        self.run, self.recipe, self.hold = run, recipe, hold
        self.history: list[Measurement] = []
        self.started = time.monotonic()
        self.tokens = 0

    def go(self, checkpoint: Path | None) -> None:
        """Load, measure the base, train."""
        import torch
        from transformers import set_seed

        from workbench.training.assemble import assemble

        self._say("loading")
        set_seed(self.recipe.runtime.seed)
        parts = assemble(self.recipe)
        self.loaded, self.prepared, self.plan = parts.loaded, parts.prepared, parts.plan
        self._check_same(parts.fingerprint)
        self.evaluator = Evaluator(
            self.prepared.probes,
            tokenizer=self.loaded.tokenizer,
            held_out=self.prepared.held_out,
            identity=self.prepared.identity,
            template=self.recipe.model.template,
            max_new_tokens=self.recipe.evaluation.max_new_tokens,
        )
        trainer = self._trainer(parts.loaded.model, parts.packed)
        self._base(checkpoint)
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except torch.OutOfMemoryError as error:
            raise Failed("training.out_of_memory", step=self.hold.step) from error

    def _trainer(self, model: Any, packed: bool) -> Trainer:
        from workbench.training.trainer import Batches, make_trainer, training_arguments

        self.every = self.recipe.evaluation.eval_steps or max(1, -(-self.plan.steps // 4))
        arguments = training_arguments(
            self.recipe, self.run.path / "checkpoints", steps=self.plan.steps, device=self.loaded.device
        )
        batches = Batches(self.prepared.train, self.plan, packed=packed)
        trainer = make_trainer(model, arguments, batches, self.after_step)
        self.hold.beat(self.hold.step, self.plan.steps)
        self._say(
            "training",
            steps=self.plan.steps,
            examples=len(self.prepared.train),
            trained=sum(e.trained for e in self.prepared.train),
            parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        )
        return trainer

    def _base(self, checkpoint: Path | None) -> None:
        """Measure the base: the adapter is still nothing. On a resume its answers are taken again, but not told
        again."""
        base = self.evaluator.measure(self.loaded, 0)
        self.history.append(base)
        if checkpoint is None:
            self._tell(base)
            return
        self.history += [m for m in measured(self.run.events.all()) if m.step]

    def after_step(self, trainer: Trainer, step: int, loss: float, rate: float, norm: float) -> None:
        """Log, evaluate, save, and hear whether to stop; in this order, so that a checkpoint's events are all told."""
        from workbench.training.trainer import check_finite

        self.hold.beat(step)
        check_finite(loss, step=step, recipe=self.recipe, run=self.run.path)
        last = step >= self.plan.steps
        if step % self.recipe.runtime.logging_steps == 0 or last:
            epoch = step / self.plan.steps_per_epoch
            self.hold.log(
                "train", step=step, loss=loss, learning_rate=rate, grad_norm=norm, epoch=epoch, **self._pace()
            )
        stop = self.hold.stop_requested
        evaluated = step % self.every == 0 or last
        if evaluated:
            self._tell(self.evaluator.measure(self.loaded, step))
        early = evaluated and not last and self._enough()
        if self._saves(step, evaluated) or stop or early:
            self._save(trainer, step, evaluated, "stop" if stop else "end" if last or early else "interval")
        if stop or early:
            trainer.control.should_training_stop = True
            if early:
                message = text("training.state.early", patience=self.recipe.evaluation.early_stopping_patience)
                self.hold.finish("ended", message)

    def _tell(self, measurement: Measurement) -> None:
        """The events of an evaluation: numbers, answers, verdict."""
        if measurement.step:
            self.history.append(measurement)
        step = measurement.step
        self.hold.log("eval", step=step, seconds=measurement.seconds, **measurement.scores())
        shown = dict.fromkeys(SHOWN, 0)
        for sample in measurement.samples:
            shown[sample.kind] += 1
            if shown[sample.kind] <= SHOWN[sample.kind]:
                fields = {"question": sample.question, "answer": sample.answer, "right": sample.right}
                self.hold.log("sample", step=step, probe=sample.kind if sample.kind != "sample" else "", **fields)
        found = verdict(self.history)
        values = {"key": found.reason, "values": found.values}
        self.hold.log("verdict", step=step, verdict=found.word, reason=found.because(), **values)

    def _saves(self, step: int, evaluated: bool) -> bool:
        every = self.recipe.checkpoints.save_steps
        return evaluated if every is None else (step % every == 0 or step >= self.plan.steps)

    def _save(self, trainer: Trainer, step: int, evaluated: bool, reason: str) -> None:
        from workbench.training.trainer import write_checkpoint

        score, why = None, ""
        if evaluated:
            score = rank(self.history[0], self.history[-1])
            why = verdict(self.history).sentence()
        with checkpoint_writer(self.run, step, reason=reason, score=score, why=why) as folder:
            write_checkpoint(trainer, folder.path)
        prune(self.run, self.recipe.checkpoints.save_total_limit)

    def _enough(self) -> bool:
        """Whether the last ``early_stopping_patience`` evaluations brought nothing better."""
        patience = self.recipe.evaluation.early_stopping_patience
        ranks = [rank(self.history[0], m) for m in self.history[1:]]
        return bool(patience) and len(ranks) > patience and max(ranks[-patience:]) <= max(ranks[:-patience])

    def _pace(self) -> dict[str, float]:
        return {"seconds": time.monotonic() - self.started}

    def _say(self, key: str, **values: Any) -> None:
        full = f"training.state.{key}"
        self.hold.log("status", state="running", message=text(full, **values), key=full, values=values)

    def _check_same(self, data: str) -> None:
        """A resumed run must learn from what it began with, rendered as it was."""
        from workbench.runs import write_json
        from workbench.templates import get

        chosen = get(self.recipe.model.template, self.loaded.tokenizer)
        now = {"data_sha256": data, "template_hash": chosen.fingerprint(self.loaded.tokenizer)}
        manifest = self.run.manifest()
        before = {name: manifest.get(name) or value for name, value in now.items()}
        if before["data_sha256"] != data:
            raise BadInput("training.data_changed", run=self.run.path)
        if before != now:
            raise BadInput("training.template_changed", run=self.run.path)
        write_json(self.run.path / "manifest.json", {**manifest, **now, "template": chosen.name})


if __name__ == "__main__":
    sys.exit(main())
