"""The process that trains, or goes on: ``python -m workbench.training.worker RUN``. Knows nothing of who watches it."""

from __future__ import annotations

import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.environment import prepare as prepare_environment
from workbench.errors import WorkbenchError
from workbench.evaluation import Measurement, measured, rank, verdict
from workbench.models.halting import Halted
from workbench.runs import Run, checkpoint_writer, claim, judge, prune
from workbench.texts import text
from workbench.training.checks import check_same
from workbench.training.early import early
from workbench.training.looks import Looking, out_of_memory, quarter
from workbench.training.recipe import recipe_of
from workbench.training.reporting import reported
from workbench.training.settings import Recipe
from workbench.training.sharing import Sharing
from workbench.training.team import LEADER, Onlooker, Team, checkpoint_part, following, gathered
from workbench.training.turn import make_room, turn
from workbench.training.warm import await_run, load_libraries

if TYPE_CHECKING:
    from workbench.models import Loaded
    from workbench.runs import Claim
    from workbench.training.assemble import Material
    from workbench.training.loop import Loop

# Answers written to the event log at each evaluation, of each kind; a person reads no more.
SHOWN = {"identity": 4, "task": 8, "general": 4, "unrelated": 2, "sample": 1_000}


def main(arguments: list[str] | None = None) -> int:
    """Train the run that is named, or with ``-`` the one that will be; returns the exit status."""
    name = (sys.argv[1:] if arguments is None else arguments)[0]
    prepare_environment()
    folder, data = await_run() if name == "-" else (Path(name), "")
    if folder is None:
        return 0
    if name == "-":
        make_room()
    try:
        work(Run(folder), data=data)
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


def work(run: Run, team: Team | None = None, data: str = "") -> None:
    """Train ``run`` from where it stands to its end, or until it is asked to stop.

    Args:
        run: the run.
        team: the processes that train it, where somebody else started them; None: this one starts those it needs.
        data: the conversations, where a front end has read them already
            (:meth:`~workbench.training.data.Conversations.handed`).

    Raises:
        WorkbenchError: as said in its last status event.
    """
    last = run.latest()
    if LEADER in os.environ or (team and not team.leads):
        recipe = recipe_of(run)
        with nullcontext(team) if team else following(run, recipe) as peers:
            Work(run, recipe, Onlooker(), peers).go(last.path if last else None)
        return
    with claim(run, resume_from=last.step if last else None) as hold:
        recipe = recipe_of(run)
        with nullcontext(True) if team else turn(hold, recipe) as begins:
            if not begins:
                hold.finish("stopped", "" if last else text("training.state.not_begun"))
                return
            with nullcontext(team) if team else gathered(run, recipe) as group:
                Work(run, recipe, hold, group, data).go(last.path if last else None)


class Work:
    """Represent one stay of a worker with its run.

    Args:
        run: the folder.
        recipe: its settings.
        hold: the claim on it; of a process that does not lead, nothing.
        team: the processes that train together.
        data: as :func:`work` says.
    """

    def __init__(self, run: Run, recipe: Recipe, hold: Claim | Onlooker, team: Team, data: str = "") -> None:
        self.run, self.recipe, self.hold, self.team, self.data = run, recipe, hold, team, data
        self.history: list[Measurement] = []
        self.started = time.monotonic()
        self.sharing: Sharing | None = None
        # under ZeRO 3 every forward pass is a common one
        self.measures = team.leads or (recipe.runtime.deepspeed or "").startswith("zero3")

    def go(self, checkpoint: Path | None) -> None:
        """Load, measure the base, train.

        Raises:
            WorkbenchError: says what to change.
        """
        self._say("loading")
        load_libraries()
        from transformers import set_seed

        from workbench.data import read
        from workbench.models.translating import ran_out
        from workbench.training.assemble import assemble, material
        from workbench.training.data import Conversations, conversations
        from workbench.training.rehearsing import rehearses

        set_seed(self.recipe.runtime.seed)
        split = Conversations.taken(self.data) if self.data else None
        base = None
        if rehearses(self.recipe):
            base = self._rehearse()
            if self.hold.stop_requested:
                self.hold.finish("stopped", text("training.state.not_begun"))
                return
            split = conversations(self.recipe, rehearsed=read(self.rehearsed))
        inputs = material(self.recipe, processes=self.team.size, split=split)
        check_same(self.run, self.recipe, inputs.fingerprint, inputs.tokenizer, note=self.team.leads)
        self.plan, self.prepared = inputs.plan, inputs.prepared
        if self._ended_early():
            return
        self._told(inputs)
        self._forecast(inputs)
        try:
            self.loaded = assemble(self.recipe, inputs, base)
            self.looks = Looking(self.run, self.recipe, inputs, self.loaded, self.team, self._stop_asked)
            if self.loaded.device.type == "cpu" and self.team.size == 1:
                self.sharing = Sharing(self.run, self.recipe.runtime.threads)
            self._share()
            loop = self._loop(inputs)
            with reported(self.hold, self.run, self.recipe, self.hold.step if checkpoint else None):
                if self._base(checkpoint):
                    loop.train(checkpoint)
                    self._missed()
        except Exception as error:
            if reason := ran_out(error):
                raise out_of_memory(reason, self.hold.step, self.recipe, self.run.path) from error
            raise

    def _ended_early(self) -> bool:
        """Whether an earlier stay ended the training before its last step, and only its last word may be missing."""
        last = self.run.latest()
        if last is None or last.reason != "end" or last.step >= self.plan.steps:
            return False
        self.hold.beat(last.step, self.plan.steps)
        self.hold.finish("ended", early(measured(self.run.events.all()), self.recipe.evaluation))
        return True

    @property
    def rehearsed(self) -> Path:
        """Tell where the base's own answers are kept, so that a resumed run learns the same."""
        return self.run.path / "data" / "general.jsonl"

    def _rehearse(self) -> Loaded | None:
        """Ask the base for its own answers to general questions, once for a run; the base, where it was loaded for
        that."""
        from workbench.data import write
        from workbench.models import load_tokenizer
        from workbench.training.assemble import base_of
        from workbench.training.data import conversations, dress
        from workbench.training.rehearsing import questions, rehearsed

        base = None
        if self.team.leads and not self.rehearsed.is_file():
            base = base_of(self.recipe, dress(self.recipe, load_tokenizer(self.recipe.base)))
            prompts = questions(self.recipe, len(conversations(self.recipe).train))
            self._say("rehearsing", count=len(prompts), model=self.recipe.base)
            answers = rehearsed(self.recipe, base, prompts, lambda _: not self.hold.stop_requested)
            if not self.hold.stop_requested:
                self.rehearsed.parent.mkdir(exist_ok=True)
                write(answers, self.rehearsed, overwrite=True)
                self._say("rehearsed", count=len(answers), asked=len(prompts), file=str(self.rehearsed))
        self.team.meet()
        return base

    def _told(self, inputs: Material) -> None:
        """Say what the template adds by itself, and what of the data is left out or not trained as it stands."""
        from workbench.templates import default_system
        from workbench.training.data import template_of
        from workbench.training.forecast import picture_share

        if not self.team.leads:
            return
        notices = default_system(template_of(self.recipe, inputs.tokenizer)).notices()
        for key, values in (*notices, *inputs.prepared.encoded.notices(), *picture_share(inputs)):
            self.hold.log("status", state="running", message=text(key, **values), key=key, values=values)
        for finding in inputs.doubts:
            self._say("doubt", message=finding.message, remedy=finding.remedy)

    def _forecast(self, inputs: Material) -> None:
        """Say whether it will fit, before anything large is loaded."""
        from workbench.training.forecast import NO_FORECAST, outlook, short_reason, widest_batch

        if not self.team.leads:
            return
        try:
            seen = outlook(self.recipe, widest_batch(inputs.prepared.train, inputs.plan, packed=inputs.packed))
        except NO_FORECAST as error:
            self._say("no_forecast", reason=short_reason(error))
            return
        self._say(seen.key, **seen.values())

    def _stop_asked(self) -> bool:
        return self.hold.stop_requested

    def _loop(self, inputs: Material) -> Loop:
        """Return what takes the steps."""
        from workbench.training.execution import make_engine, make_task
        from workbench.training.loop import Loop

        model = self.loaded.model
        self.hold.beat(self.hold.step, self.plan.steps)
        self._say(
            "training",
            steps=self.plan.steps,
            examples=len(self.prepared.train),
            trained=sum(e.trained for e in self.prepared.train),
            parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        )
        self.engine = make_engine(model, self.recipe, self.plan.steps, self.team)
        task = make_task(self.recipe, self.loaded, packed=inputs.packed)
        return Loop(self.engine, task, self.prepared.train, self.plan, self.after_step, self.team)

    def _base(self, checkpoint: Path | None) -> bool:
        """Measure the base: the adapter is still nothing. On a resume what was chosen then is asked again, and nothing
        is told again. Returns whether it came to an end; else somebody asked to stop."""
        halted = False
        if self.team.leads:
            try:
                self._first(fresh=checkpoint is None)
            except Halted:
                halted = True
        # under ZeRO 3 too nothing is shared out yet, so that the others need only hear what was chosen
        if any(self.team.agree(halted)):
            return False
        if not self.team.leads:
            self.looks.recall(ask_again=False)
        return True

    def _first(self, *, fresh: bool) -> None:
        if not fresh and self.looks.recall(ask_again=True):
            self.history = measured(self.run.events.all())
            return
        base = self.looks.first()
        self.history.append(base)
        if not fresh:
            self.history += [m for m in measured(self.run.events.all()) if m.step]
            return
        if self.prepared.repeated:
            self._say("repeated")
        for key, values in self.looks.notices():
            self._say(key, **values)
        self._tell(base)

    def _missed(self) -> None:
        """The last evaluation, where an earlier stay was stopped in it, after the last step."""
        last = self.run.latest()
        if not self.team.leads or last is None or last.step < self.plan.steps:
            return
        if any(m.step == last.step for m in self.history) or self.recipe.runtime.deepspeed:
            return
        if self._measure(last.step):
            judge(self.run, last, rank(self.history[0], self.history[-1]), verdict(self.history).sentence())
        else:
            self.hold.finish("stopped")

    def after_step(self, loop: Loop, step: int, loss: float, rate: float, norm: float) -> None:
        """Log, evaluate, save, and hear whether to stop; in this order, so that a checkpoint's events are all told."""
        from workbench.training.loop import check_finite

        self.hold.beat(step)
        check_finite(loss, norm, step=step, recipe=self.recipe, run=self.run.path)
        last = step >= self.plan.steps
        if step % self.recipe.runtime.logging_steps == 0 or last:
            epoch = step / self.plan.steps_per_epoch
            self.hold.log(
                "train", step=step, loss=loss, learning_rate=rate, grad_norm=norm, epoch=epoch, **self._pace()
            )
        evaluated = last or step % self.looks.every == 0 or self._judges(step)
        judged = evaluated and self.measures and self._measure(step)
        done = judged and not last and bool(early(self.history, self.recipe.evaluation))
        stop, ended = self.team.agree(self.hold.stop_requested, done)
        if self._saves(step, evaluated) or stop or ended:
            reason = "end" if ended else "stop" if stop else "end" if last else "interval"
            self._save(loop, step, judged, reason)
        if stop or ended:
            loop.halt()
            if ended:
                self.hold.finish("ended", early(self.history, self.recipe.evaluation))
        if last and self.measures and not judged:  # the steps are done, and the last look is missing
            self.hold.finish("stopped")

    def _measure(self, step: int) -> bool:
        """Evaluate; returns whether it came to an end, else somebody asked to stop."""
        try:
            with self.engine.in_step():
                measurement = self.looks.evaluator.measure(self.loaded, step)
        except Halted:
            return False
        if self.team.leads:
            self._tell(measurement)
        self._share()
        return True

    def _share(self) -> None:
        """Compute with as many threads as the processor has free, and say so where their number changes."""
        changed = self.sharing.look() if self.sharing else None
        if changed:
            self._say("threads", **changed)

    def _tell(self, measurement: Measurement) -> None:
        """The events of an evaluation: numbers, answers, verdict."""
        if measurement.step:
            self.history.append(measurement)
        step = measurement.step
        more = {"trained": True} if measurement.trained else {}
        self.hold.log(
            "eval", step=step, seconds=measurement.seconds, counts=measurement.counts, **measurement.scores(), **more
        )
        shown = dict.fromkeys(SHOWN, 0)
        for sample in measurement.samples:
            shown[sample.kind] += 1
            if shown[sample.kind] <= SHOWN[sample.kind]:
                fields = {"question": sample.question, "answer": sample.answer, "right": sample.right}
                self.hold.log("sample", step=step, probe=sample.kind if sample.kind != "sample" else "", **fields)
        judgement = verdict(self.history)
        values = {"key": judgement.reason, "values": judgement.values}
        self.hold.log("verdict", step=step, verdict=judgement.word, reason=judgement.because(), **values)

    def _judges(self, step: int) -> bool:
        """Whether a checkpoint is saved at ``step``, and not every evaluation falls on a checkpoint by itself: then
        each checkpoint is judged, or the best could be one that nobody kept."""
        every = self.recipe.checkpoints.save_steps
        return every is not None and self.looks.every % every != 0 and step % every == 0

    def _saves(self, step: int, evaluated: bool) -> bool:
        every = self.recipe.checkpoints.save_steps
        if every is not None:
            return step % every == 0 or step >= self.plan.steps
        return evaluated or (self.recipe.evaluation.eval_steps is None and step % quarter(self.plan.steps) == 0)

    def _save(self, loop: Loop, step: int, judged: bool, reason: str) -> None:
        if not self.team.leads:
            self.team.meet()
            loop.save(checkpoint_part(self.run, step))
            self.team.meet()
            return
        score, why = None, ""
        if judged:
            score = rank(self.history[0], self.history[-1])
            why = verdict(self.history).sentence()
        with checkpoint_writer(self.run, step, reason=reason, score=score, why=why) as folder:
            self.team.meet()
            loop.save(folder.path)
            if self.recipe.adapter.method == "full":  # so that it can be talked with as it is
                self.loaded.tokenizer.save_pretrained(str(folder.path))
            self.team.meet()
        prune(self.run, self.recipe.checkpoints.save_total_limit)

    def _pace(self) -> dict[str, float]:
        return {"seconds": time.monotonic() - self.started}

    def _say(self, key: str, **values: Any) -> None:
        full = f"training.state.{key}"
        self.hold.log("status", state="running", message=text(full, **values), key=full, values=values)


if __name__ == "__main__":
    sys.exit(main())
