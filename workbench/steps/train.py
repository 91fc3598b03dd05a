"""Step three, training: a recipe in, a run out. Starts the worker and reads the run folder; trains nothing itself."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, BadSetting
from workbench.runs import Best, Checkpoint, Event, Run, State, find, is_run
from workbench.steps.code import call, lines, written
from workbench.steps.forms import differences, flat, groups_of
from workbench.steps.forms import field as field_of
from workbench.steps.history import History
from workbench.steps.step import Step

if TYPE_CHECKING:
    from workbench.runs import Reader
    from workbench.training import Recipe
    from workbench.training.forecast import Outlook


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Hold what is trained, and where to.

    Args:
        recipe: a shipped recipe's name, a file, or settings.
        out: the run folder; where a run is there already, a new one goes beside it (``first-2``).
        values: ``group.name`` -> value, on top of the recipe.
    """

    recipe: str | Recipe = "pocket-qlora"
    out: str = "runs/first"
    values: Mapping[str, Any] = field(default_factory=dict)


class TrainStep(Step[TrainSettings]):
    """Represent a recipe and a run. A run that is already in ``out`` is found again; :meth:`poll` brings what is new of
    it.

    ``owner`` says for whom it stands in the line for the device, where one account trains for several people; None: as
    :func:`workbench.training.start.train` says.

    Args:
        recipe: a shipped recipe's name, a file, or settings.
        out: the run folder.
        settings: on top of the recipe: ``{"learning_rate": 2e-3, "persona": persona}``; short names or
            ``group.name``, whole groups, a persona.

    Raises:
        BadSetting: no such recipe or setting.
    """

    def __init__(
        self,
        recipe: str | Path | Recipe = "pocket-qlora",
        out: str | Path = "runs/first",
        *,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        named = str(recipe) if isinstance(recipe, Path) else recipe
        self.run: Run | None = None
        self.owner: str | None = None
        self.history = History()
        self._source: Reader | Replay | None = None
        self._told: str = ""
        self._starting = threading.Lock()
        super().__init__(self._checked(TrainSettings(named, str(out), flat(settings or {}))))
        latest_run = latest(self.out)
        if latest_run is not None:
            self.attach(latest_run)

    # --- settings ---

    @property
    def out(self) -> Path:
        """Return the run folder that is asked for."""
        return Path(self.settings.out).expanduser()

    @property
    def recipe(self) -> Recipe:
        """Return the settings of the next run."""
        return _resolved(self.settings)

    @property
    def chosen(self) -> Recipe:
        """Return the recipe as it is shipped or written, without what was changed in a form."""
        return _resolved(TrainSettings(self.settings.recipe))

    def value(self, key: str) -> Any:
        """Return the value of ``group.name`` (or ``name``) for the next run."""
        field = field_of(key)
        return getattr(getattr(self.recipe, field.group), field.name)

    def set(self, key: str, value: Any) -> None:
        """Change one setting of the recipe.

        Raises:
            BadSetting: no such setting, or not such a value; nothing is changed.
        """
        self.change(values={**self.settings.values, **flat({key: value})})

    def adopt(self, groups: Mapping[str, Any]) -> None:
        """Take over settings of whole groups, as :meth:`workbench.steps.DataStep.recipe_groups` gives them; undo and
        reset keep them."""
        flat_values = flat(groups)
        self._adopt(lambda settings: replace(settings, values={**settings.values, **flat_values}))

    def outlook(self) -> Outlook:
        """Return the memory that the next run needs at most, and what is free; takes seconds, and loads no weight.

        Raises:
            UnknownName: no such model. Failed: its configuration cannot be read.
        """
        from workbench.training.forecast import outlook

        return outlook(self.recipe)

    # --- commands ---

    def start(self) -> Run:
        """Start a training in a process of its own, and watch it; returns at once.

        Raises:
            BadInput: a setting, the data or the folder is not as it must be, or a training of this step still runs.
        """
        from workbench.runs import busy, front
        from workbench.training.start import launch

        with self._starting:  # not the guard: reading the data takes seconds, and somebody polls
            if self.run is not None and not self.replaying and self.run.state().alive:
                raise busy(self.run)
            with front.ahead() as waiting:
                run = launch(self.recipe, next_free(self.out), waiting=waiting, owner=self.owner)
            self._watch(run)
        self.tell("run")
        return run

    def stop(self) -> None:
        """Ask the training to save and end; returns at once. A replay ends."""
        from workbench.runs import stop

        if isinstance(self._source, Replay):
            self._source.stop()
        elif self.run is not None:
            stop(self.run)
        self.tell("state")

    def resume(self) -> Run:
        """Go on with the run from its last checkpoint, in a new process; returns at once.

        Raises:
            BadInput: there is no run, or it still runs.
        """
        from workbench.runs import start
        from workbench.training.turn import check_line

        if self.run is None or self.replaying:
            raise BadInput("steps.nothing_to_resume")
        check_line(self.owner)
        start(self.run)
        self.tell("run")
        return self.run

    def attach(self, run: Run | str | Path | None = None) -> Run:
        """Watch a run, from its beginning; without ``run`` the latest of this step's folder.

        Raises:
            UnknownName: there is none.
        """
        chosen = run if isinstance(run, Run) else find(run) if run is not None else latest(self.out) or find(self.out)
        self._watch(chosen)
        self.tell("run")
        return chosen

    def replay(self, run: Run | str | Path, speed: float = 10.0, *, longest_gap: float = 5.0) -> Run:
        """Play a recorded run: :meth:`poll` brings its events in their own rhythm, ``speed`` times as fast.

        Args:
            run: the recorded run; its folder needs no more than ``events.jsonl``.
            speed: how many times as fast.
            longest_gap: seconds of the original that a pause lasts at most.

        Raises:
            UnknownName: no such run. BadSetting: the speed is not above 0.
        """
        recorded = run if isinstance(run, Run) else find(run)
        source = Replay(recorded.events.all(), speed, longest_gap)
        with self._guard:
            self.run, self.history, self._source = recorded, History(), source
        self.tell("run")
        return recorded

    def poll(self) -> list[Event]:
        """Return what is new since the last call; taken into :attr:`history`. Quick, and safe in any thread."""
        with self._guard:
            events = self._source.new() if self._source else []
            self.history.add(events)
            state = self.state().status
            changed, self._told = state != self._told, state
        if events:
            self.tell("events")
        if changed:
            self.tell("state")
        return events

    # --- what there is to see ---

    @property
    def replaying(self) -> bool:
        """Tell whether a recorded run is shown."""
        return isinstance(self._source, Replay)

    def state(self) -> State:
        """Tell where the run stands; ``new`` where there is none."""
        if self.run is None:
            return State("new")
        if isinstance(self._source, Replay):
            status: Any = "ended" if self._source.over else "running"
            return State(status, self.history.step, self.history.total_steps)
        return self.run.state()

    @property
    def busy(self) -> bool:
        """Tell whether something still comes."""
        return self.state().alive

    def best(self) -> Best | None:
        """Return the best checkpoint so far, of what was already seen of the run."""
        best = self.run.best() if self.run is not None else None
        return best if best is not None and (not self.replaying or best.step <= self.history.step) else None

    def best_step(self) -> int | None:
        """Return the step of the best checkpoint so far."""
        from workbench.evaluation import best_of, measured

        best = self.best()
        if best is not None:
            return best.step
        if isinstance(self._source, Replay):  # a recording may come without its checkpoints
            seen = measured(self._source.given())
            return best_of(seen).step if len(seen) > 1 else None
        return None

    def checkpoints(self) -> list[Checkpoint]:
        """Return the finished checkpoints that are on the disk, by step."""
        if self.run is None:
            return []
        return [c for c in self.run.checkpoints() if not self.replaying or c.step <= self.history.step]

    def words(self, lang: str | None = None) -> tuple[str, str]:
        """Return what the run said last, and what to do next."""
        from workbench.runs import words

        return ("", "") if self.run is None or self.replaying else words(self.run, self.state(), lang)

    def code(self) -> str:
        """Return the lines that start the same training and wait for it."""
        s = self.settings
        base = s.recipe if isinstance(s.recipe, str) else "pocket-qlora"
        groups = groups_of(differences(self.recipe, _resolved(TrainSettings(base))))
        recipe = f"load_recipe({written(base)})"
        return lines(
            "import workbench as wb",
            "from workbench.training import load_recipe, with_overrides" if groups else "",
            "",
            f"recipe = with_overrides({recipe}, {call('', **groups)[1:]}" if groups else "",
            f"run = wb.train({'recipe' if groups else written(base)}, {written(str(next_free(self.out)))})",
            "print(run.best())",
        )

    # --- inside ---

    def _watch(self, run: Run) -> None:
        with self._guard:
            self.run, self.history, self._told = run, History(), ""
            self._source = run.events.reader()

    def _checked(self, settings: TrainSettings) -> TrainSettings:
        settings = replace(settings, values=flat(settings.values), out=str(settings.out))
        _resolved(settings)
        return settings

    def _forget(self) -> None:
        """This step no longer looks at a run, unless one still works in its folder: that can be stopped from here."""
        with self._guard:
            self.run, self.history, self._source, self._told = None, History(), None, ""
            working = next((run for run in _runs(self.out) if run.state().alive), None)
            if working is not None:
                self._watch(working)


class Replay:
    """Represent recorded events, each at its time.

    Args:
        events: all of them.
        speed: how many times as fast.
        longest_gap: seconds of the original that a pause lasts at most.
    """

    def __init__(self, events: list[Event], speed: float, longest_gap: float) -> None:
        if not speed > 0:
            raise BadSetting("steps.replay_speed", given=speed)
        self._events, self._next = events, 0
        self._due = list(_times(events, speed, longest_gap))
        self._begun = time.monotonic()

    @property
    def over(self) -> bool:
        """Tell whether all was given."""
        return self._next >= len(self._events)

    def new(self) -> list[Event]:
        """Return the events that are due since the last call."""
        now, first = time.monotonic() - self._begun, self._next
        while not self.over and self._due[self._next] <= now:
            self._next += 1
        return self._events[first : self._next]

    def given(self) -> list[Event]:
        """Return all events so far."""
        return self._events[: self._next]

    def stop(self) -> None:
        """Give no more."""
        self._events = self._events[: self._next]


def _times(events: list[Event], speed: float, longest_gap: float) -> Iterator[float]:
    seconds, before = 0.0, None
    for event in events:
        seconds += 0.0 if before is None else min(longest_gap, max(0.0, event.time - before)) / speed
        before = event.time
        yield seconds


def _resolved(settings: TrainSettings) -> Recipe:
    from workbench.training import load_recipe, with_overrides

    recipe = load_recipe(settings.recipe) if isinstance(settings.recipe, str) else settings.recipe
    return with_overrides(recipe, **groups_of(settings.values)) if settings.values else recipe


def _family(out: Path) -> list[tuple[int, Path]]:
    """``out`` and the folders beside it that are numbered after it."""
    named = re.compile(re.escape(out.name) + r"-(\d+)")
    siblings = [(int(m[1]), path) for path in _folders(out.parent) if (m := named.fullmatch(path.name))]
    return sorted([(1, out)] * out.exists() + siblings)


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def latest(out: Path) -> Run | None:
    """Return the latest run of ``out``, ``out-2``, ``out-3`` …"""
    return next(_runs(out), None)


def _runs(out: Path) -> Iterator[Run]:
    return (Run(path) for _, path in reversed(_family(out)) if is_run(path))


def next_free(out: Path) -> Path:
    """Return ``out`` where it is free or empty, else the first free one of ``out-2``, ``out-3`` …"""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return out
    number = max([1, *(n for n, _ in _family(out))])
    return out.with_name(f"{out.name}-{number + 1}")
