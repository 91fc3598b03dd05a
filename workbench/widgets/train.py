"""The panel of the training: recipe form, memory forecast, start, stop, resume, curves, answers, checkpoints.

Knows the step and what is drawn of it; trains nothing, and only reads the run folder.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw

from workbench.errors import Failed
from workbench.render import escape
from workbench.render.lessons import closed_html
from workbench.runs import Run, list_runs
from workbench.steps import Field, TrainStep
from workbench.texts import text
from workbench.training.recipe import shipped
from workbench.widgets.asking import wait_for
from workbench.widgets.controls import folded, grid, key, put_options, row
from workbench.widgets.form import MAIN, Form
from workbench.widgets.live import Job
from workbench.widgets.memory import Memory
from workbench.widgets.panel import Panel, area, joined
from workbench.widgets.progress import (
    beginning_html,
    checkpoint_words,
    curves_html_of,
    numbers_html,
    samples_html_of,
    status_html,
)

if TYPE_CHECKING:
    from workbench.training import Recipe
    from workbench.widgets.predict import Predict

_GLANCE = 0.2  # seconds between two looks of code that waits
_LEAST_PAUSE = 0.8  # seconds between two drawings
_SHARE = 6.0  # … and at least so many times what a drawing took, so that the kernel stays free
_KEPT = 15.0  # seconds between two pictures for the saved notebook, while it trains


_latest: weakref.WeakValueDictionary[str, TrainPanel] = weakref.WeakValueDictionary()  # by run folder


class TrainPanel(Panel):
    """Show a training: set it, start it, watch it, stop it, go on with it, choose a checkpoint.

    The training is a process of its own. After a restart of the kernel the same line finds the run again.

    Args:
        recipe: a shipped recipe's name, a file, or settings. A :class:`~workbench.steps.TrainStep` is taken as it is.
        out: the run folder; where a finished run is there, the next one goes beside it (``first-2``).
        settings: on top of the recipe: ``{"learning_rate": 2e-3, "persona": persona}``.
        controls: the settings that are always in sight, as ``group.name``.
        ask: what is asked before the curves are shown; a click on *Start* takes the sliders as they stand.
        lang, presenter: as in :class:`Panel`.
    """

    name = "train"
    hidden_on_stage = ("code", "undo", "all_settings", "others")

    def __init__(
        self,
        recipe: str | Path | Recipe | TrainStep = "pocket-qlora",
        out: str | Path = "runs/first",
        *,
        settings: Mapping[str, Any] | None = None,
        controls: tuple[str, ...] = MAIN,
        ask: Sequence[Predict] = (),
        lang: str | None = None,
        presenter: bool = False,
    ) -> None:
        step = recipe if isinstance(recipe, TrainStep) else TrainStep(recipe, out, settings=settings)
        if not isinstance(recipe, TrainStep) and not (step.recipe.persona.name or step.recipe.data.train):
            step = TrainStep(recipe, out, settings={"persona.name": text("quickstart.name", lang), **(settings or {})})
        self._main, self._ask = controls, tuple(ask)
        wait_for([question.name for question in ask], self)
        self._status, self._dirty, self._drawn, self._cost, self._kept, self._spoken = "", True, 0.0, 0.0, 0.0, ""
        self._beginning = False
        super().__init__(step, lang=lang, presenter=presenter)
        before = _latest.get(path := str(step.out.resolve()))
        if before is not None:  # its cell was run again, and it has most often left the page
            before.ticker.rest()
        _latest[path] = self

    # --- commands ---

    @property
    def run(self) -> Run | None:
        """Return the run that is shown."""
        run: Run | None = self.step.run
        return run

    @property
    def checkpoint(self) -> Path | None:
        """Return the folder of the checkpoint that is chosen; the best one at first."""
        paths = {c.step: c.path for c in self.step.checkpoints()}
        return paths.get(self._checkpoint.value)

    def start(self) -> None:
        """Start the training; returns at once."""
        self.run_job(self.step.start)

    def _press_start(self) -> None:
        """A person wants to see it go: what was not guessed by now is not known."""
        for question in self._ask:
            question.take()
        self.start()

    @property
    def closed(self) -> bool:
        """Tell whether the curves still wait for a guess."""
        return any(question.given is None for question in self._ask)

    def answered(self) -> None:
        """Open the curves, where all was guessed."""
        self._dirty, self._drawn = True, 0.0
        self.wake()
        self.look()

    def stop(self) -> None:
        """Ask the training to save and end; returns at once."""
        self.attempt(self.step.stop)
        self.wake()

    def resume(self) -> None:
        """Go on with the run from its last checkpoint; returns at once."""
        self.run_job(self.step.resume)

    def attach(self, run: Run | str | Path | None = None) -> None:
        """Show another run, or the latest one of this panel's folder."""
        self.attempt(lambda: self.step.attach(run))

    def replay(self, run: Run | str | Path, speed: float = 10.0) -> None:
        """Play a recorded run, ``speed`` times as fast; no GPU is needed, nor the model."""
        self.attempt(lambda: self.step.replay(run, speed))

    def wait(self, timeout: float | None = None) -> Run | None:
        """Wait for the end of the training (or ``timeout`` seconds) and show how it goes; for code that needs the
        result. Interrupting it leaves the waiting, never the training. A click waits until the cell ends, also one on
        *stop*: :meth:`ended` lets them through.

        Raises:
            WorkbenchError: it could not be started, or it failed.
        """
        begun, job = time.monotonic(), self.job
        while self.tick() and not _past(begun, timeout):
            time.sleep(_GLANCE)
        return self._outcome(job)

    async def ended(self, timeout: float | None = None) -> Run | None:
        """Wait as :meth:`wait` does, for a cell, ``run = await panel.ended()``: clicks work meanwhile, also one on
        *stop* (with ipykernel 7.4 or newer; older ones let no click through to a cell that waits).

        Raises:
            WorkbenchError: it could not be started, or it failed.
        """
        begun, job = time.monotonic(), self.job
        while self.tick() and not _past(begun, timeout):
            await asyncio.sleep(_GLANCE)
        return self._outcome(job)

    def _outcome(self, job: Job | None) -> Run | None:
        if job is not None and job.error is not None:
            raise job.error
        if self.run is not None and not self.step.replaying:
            from workbench.training.start import finished

            finished(self.run)
        return self.run

    # --- building ---

    def build(self) -> list[Any]:
        """Build questions, buttons, progress, curves, answers, checkpoints; the settings under what they do."""
        self._form = Form(self.controls, self._set, self._main)
        self._memory = Memory(self.controls, self.step, self.wake)
        self._words, self._curves, self._samples, self._numbers, self._why = (self.controls.html() for _ in range(5))
        self._words.add_class("wb-live")
        self._bar = ipw.IntProgress(min=0, max=1)
        self._bar.layout.width = "100%"
        numbers = folded(self._numbers, self.controls, key("train.numbers"))
        title = self.controls.html()
        self.controls.say(title, "value", lambda lang: f"<h4>{escape(text('widgets.train.settings', lang))}</h4>")
        for question in self._ask:
            question.root.remove_class("wb-widget")
        return [
            *(question.root for question in self._ask),
            row(*self._buttons(), class_="wb-buttons"),
            self._words,
            self._bar,
            self._curves,
            self._picker(),
            self._samples,
            self.controls.add("numbers", numbers),
            title,
            grid(self._recipe_field()),
            self._form.main(),
            self._form.rest(),
            self._memory.box,
            self._others(),
        ]

    def _recipe_field(self) -> Any:
        self._recipe = ipw.Dropdown(options=[])
        return self.controls.field("recipe", self._recipe, key("train.recipe"), lambda v: self.change(recipe=v))

    def _buttons(self) -> list[Any]:
        c = self.controls
        return [
            c.button("start", "play", key("train.start"), self._press_start, main=True),
            c.button("stop", "stop", key("train.stop"), self.stop),
            c.button("resume", "step-forward", key("train.resume"), self.resume),
        ]

    def _picker(self) -> Any:
        self._checkpoint = ipw.Dropdown(options=[])
        box = self.controls.field(
            "checkpoint",
            self._checkpoint,
            key("train.checkpoint"),
            lambda _: self._choose(),
            help_=key("train.score_means"),
        )
        self.controls.settings.discard("checkpoint")
        self._picker_box = ipw.VBox([box, self._why])
        return self._picker_box

    def _others(self) -> Any:
        c = self.controls
        self._other = ipw.Combobox(ensure_option=False)
        self._speed = ipw.BoundedFloatText(value=10, min=0.1, max=1000, step=1)
        attach = c.button("attach", "link", key("train.attach"), lambda: self.attach(self._other.value or None))
        play = c.button(
            "replay",
            "film",
            key("train.replay"),
            lambda: self.replay(self._other.value or self.run or "", self._speed.value),
        )
        fields = grid(
            c.field("other_run", self._other, key("train.other_run"), lambda _: None),
            c.field("speed", self._speed, key("train.speed"), lambda _: None),
        )
        c.settings -= {"other_run", "speed"}
        inside = ipw.VBox([fields, row(attach, play, class_="wb-buttons")])
        return c.add("others", folded(inside, c, key("train.others")))

    def _set(self, field: Field, value: Any) -> None:
        typed = isinstance(value, str) and field.kind != "choice"
        self.attempt(lambda: self.step.set(field.key, field.read(value) if typed else value))

    # --- filling ---

    def heard(self, what: str) -> None:
        """Begin a new picture with another run."""
        if what in ("run", "reset"):
            self._dirty, self._status = True, ""
            self.wake()
        super().heard(what)

    def fill(self) -> None:
        """Fill settings into the form, the run under it."""
        recipe = self.step.recipe.model_dump()
        self._form.fill({f"{g}.{n}": value for g, values in recipe.items() for n, value in values.items()})
        chosen = self.step.settings.recipe
        names = [*shipped(), *([chosen] if chosen not in shipped() else [])]
        options = [
            (name if isinstance(name, str) else text("widgets.train.own_recipe", self.lang), name) for name in names
        ]
        self.controls.filled(lambda: put_options(self._recipe, options, chosen))
        self._other.options = tuple(self.others())
        if self._spoken != self.lang:
            self._spoken, self._dirty, self._status, self._drawn = self.lang, True, "", 0.0
        self.look()
        self._enable(self.step.state())

    def look(self) -> bool:
        """Read what is new of the run, and show it, not more often than the kernel can bear."""
        state = self._read()
        pause = max(_LEAST_PAUSE, _SHARE * self._cost)
        over = not state.alive
        if self._dirty and (over or time.monotonic() - self._drawn >= pause):
            self._draw()
        counting = self._memory.look()
        return bool(state.alive or self._dirty or counting)

    def _read(self) -> Any:
        """What is new; on a change of the state the buttons, and at an end its words."""
        events = self.step.poll()
        state = self.step.state()
        self._dirty = self._dirty or bool(events)
        beginning = self.busy and not state.alive
        if events or state.status != self._status or beginning != self._beginning:
            self._beginning = beginning
            area(self._words, beginning_html(self.lang) if beginning else status_html(self.step, state, self.lang))
            self._bar.max = max(1, state.total_steps or self.step.history.total_steps)
            self._bar.value = min(self._bar.max, max(state.step, self.step.history.step))
        if state.status != self._status:
            before, self._status = self._status, state.status
            self._turned(before, state)
        return state

    def _turned(self, before: str, state: Any) -> None:
        self._dirty = True
        self._enable(state)
        if state.status in ("failed", "died"):
            say, do = self.step.words(self.lang)
            self.fail(Failed("runs.ended_badly", message=say, remedy=do))
        if before and not state.alive:
            self._draw()
            self.keep()

    def _enable(self, state: Any) -> None:
        going = self.busy or state.alive
        has_run = self.run is not None and not self.step.replaying
        resumable = has_run and not going and state.status in ("stopped", "failed", "died")
        self.controls.enable(start=not going, stop=state.alive and state.status != "stopping", resume=resumable)

    def _draw(self) -> None:
        begun = time.monotonic()
        self._dirty, self._drawn = False, begun
        for part, html in zip((self._curves, self._samples, self._numbers), self._parts(), strict=True):
            area(part, html)
        self._fill_picker()
        if begun - self._kept > _KEPT:
            self._kept = begun
            self.keep()
        self._cost = time.monotonic() - begun

    def _parts(self) -> tuple[str, str, str]:
        """Curves, answers and numbers; as long as a guess is missing, what they wait for."""
        if self.closed:
            asks = [question.ask for question in self._ask if question.given is None]
            return closed_html(asks, self.lang), "", ""
        curves = curves_html_of(self.step, self.lang)
        if not curves:
            curves = f'<p class="wb-waits">{escape(text("widgets.train.waits", self.lang))}</p>'
        return curves, samples_html_of(self.step.history, self.lang), numbers_html(self.step, self.lang)

    def _fill_picker(self) -> None:
        checkpoints, best = self.step.checkpoints(), self.step.best_step()
        self._picker_box.layout.display = None if checkpoints else "none"
        scores = self.step.history.scores
        options = [(checkpoint_words(c.step, best, scores, self.lang), c.step) for c in checkpoints]
        values = [value for _, value in self._checkpoint.options]
        chosen = self._checkpoint.value
        # until somebody chooses, the best is chosen
        follow = chosen not in [checkpoint.step for checkpoint in checkpoints] or chosen == getattr(
            self, "_followed", None
        )
        if follow:
            chosen = self._followed = best
        self.controls.filled(lambda: put_options(self._checkpoint, options, chosen))
        if values != [value for _, value in options] or follow:
            self._choose()

    def _choose(self) -> None:
        """Say of the chosen checkpoint why it has its score."""
        checkpoint = next((c for c in self.step.checkpoints() if c.step == self._checkpoint.value), None)
        verdict = self.step.history.verdicts.get(checkpoint.step) if checkpoint else None
        from workbench.render import verdict_text

        sentence = verdict_text(verdict, self.lang) if verdict else checkpoint.why if checkpoint else ""
        area(self._why, f"<p>{escape(sentence)}</p>" if sentence else "")

    def picture(self) -> str:
        """Return the run so far."""
        state = self.step.state()
        parts = [status_html(self.step, state, self.lang)]
        if self.run is not None or self.closed:
            parts += self._parts()[:2]
        return joined([*(question.picture() for question in self._ask), *parts])

    def others(self) -> list[str]:
        """Return the runs beside this panel's."""
        return [str(run.path) for run in list_runs(self.step.out.parent)]


def _past(begun: float, timeout: float | None) -> bool:
    return timeout is not None and time.monotonic() - begun >= timeout
