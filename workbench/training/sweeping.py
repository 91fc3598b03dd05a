"""One recipe, some values of a setting, several seeds each: what differs, and whether by more than chance. Knows runs
and their measures; nothing of how a training works."""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, BadSetting, nearest
from workbench.evaluation import Measurement, measured
from workbench.runs import Run, is_run
from workbench.training.recipe import load_recipe, setting_names, with_set
from workbench.training.settings import Recipe

# the measures of a table, in its order
SCORES = ("loss", "identity", "task", "general", "leak")
# more trainings than anybody waits for
MOST = 200


@dataclass(frozen=True, slots=True)
class Cell:
    """Hold one training.

    Args:
        values: setting -> its value here.
        seed: ``runtime.seed``.
        run: its folder.
        kept: the measures at the best checkpoint, else at the last evaluation.
    """

    values: Mapping[str, Any]
    seed: int
    run: Path
    kept: Measurement


@dataclass(frozen=True, slots=True)
class Line:
    """Hold the trainings of the same values.

    Args:
        values: setting -> value.
        seeds: how many trainings.
        mean, spread: of each measure that all of them have; the spread is from the least to the greatest.
    """

    values: Mapping[str, Any]
    seeds: int
    mean: Mapping[str, float]
    spread: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Hold all trainings of a sweep."""

    cells: tuple[Cell, ...]

    def lines(self) -> list[Line]:
        """Return a line for each combination of values, in the order in which they were given."""
        groups: dict[str, list[Cell]] = {}
        for cell in self.cells:
            groups.setdefault(repr(dict(cell.values)), []).append(cell)
        return [_line(cells) for cells in groups.values()]

    def differ(self, score: str) -> bool:
        """Tell whether any two lines differ in ``score`` by more than the seeds of either of them do."""
        held = [line for line in self.lines() if score in line.mean]
        return any(
            abs(a.mean[score] - b.mean[score]) > max(a.spread[score], b.spread[score])
            for a, b in itertools.combinations(held, 2)
        )


def sweep(
    recipe: Recipe | str | Path,
    varied: Mapping[str, Sequence[Any]],
    out: str | Path,
    *,
    seeds: int = 3,
    overrides: Iterable[str] = (),
    on_run: Callable[[Run], None] | None = None,
) -> Sweep:
    """Train ``recipe`` once for each combination of values and each seed, one after the other.

    A training that is finished in ``out`` is taken as it is, so that a sweep that was interrupted goes on.

    Args:
        recipe: settings, a file, or the name of a shipped recipe.
        varied: setting (``group.name``) -> its values.
        out: the folder of the runs.
        seeds: trainings of each combination; with one of them nothing can be told from chance.
        overrides: ``key=value``, for all of them.
        on_run: called with each finished run.

    Raises:
        BadInput: no values, too many trainings, or a wrong setting. Failed: a training could not be finished.
    """
    from workbench.training.start import train

    cells = []
    for values, seed, settings in _planned(recipe, varied, seeds, list(overrides)):
        place = Path(out) / _name(values, seed)
        run = Run(place) if is_run(place) and Run(place).state().status == "ended" else None
        run = run or train(settings, place, resume=is_run(place))
        if on_run is not None:
            on_run(run)
        cells.append(Cell(values, seed, run.path, kept(run)))
    return Sweep(tuple(cells))


def kept(run: Run) -> Measurement:
    """Return the measures at the best checkpoint of ``run``, else at its last evaluation."""
    history = measured(run.events.all())
    best = run.best()
    results = [item for item in history if best is not None and item.step == best.step] or history[-1:]
    if not results:
        raise BadInput("training.sweep.not_measured", run=run.path)
    return results[0]


def _planned(
    recipe: Recipe | str | Path, varied: Mapping[str, Sequence[Any]], seeds: int, overrides: list[str]
) -> list[tuple[dict[str, Any], int, Recipe]]:
    """All trainings, their settings checked before the first begins."""
    known = setting_names()
    for key, values in varied.items():
        if key not in known or key == "runtime.seed":
            raise BadSetting("training.sweep.setting", given=key, nearest=nearest(key, known))
        if not values:
            raise BadInput("training.sweep.no_values", given=key)
    combinations = list(itertools.product(*varied.values()))
    if not varied or seeds < 1 or len(combinations) * seeds > MOST:
        raise BadInput("training.sweep.count", given=len(combinations) * max(0, seeds) if varied else 0, most=MOST)
    base = with_set(recipe, overrides) if isinstance(recipe, Recipe) else load_recipe(recipe, overrides)
    first = base.runtime.seed
    planned: list[tuple[dict[str, Any], int, Recipe]] = []
    for combination in combinations:
        chosen = dict(zip(varied, combination, strict=True))
        sets = [f"{key}={'null' if value is None else value}" for key, value in chosen.items()]
        planned += [
            (chosen, seed, with_set(base, [*sets, f"runtime.seed={seed}"])) for seed in range(first, first + seeds)
        ]
    return planned


def _name(values: Mapping[str, Any], seed: int) -> str:
    """A folder's name: ``r-4-seed-0``."""
    parts = [f"{key.rpartition('.')[2]}-{value}" for key, value in values.items()]
    return re.sub(r"[^\w.+-]+", "_", "-".join([*parts, f"seed-{seed}"]))


def _line(cells: Sequence[Cell]) -> Line:
    scores: dict[str, list[float]] = {}
    for score in SCORES:
        results = [getattr(cell.kept, score) for cell in cells]
        if all(value is not None for value in results):
            scores[score] = [float(value) for value in results]
    mean = {score: statistics.fmean(values) for score, values in scores.items()}
    spread = {score: max(values) - min(values) for score, values in scores.items()}
    return Line(cells[0].values, len(cells), mean, spread)
