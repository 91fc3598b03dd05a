"""From a learner's folder to a run card. Knows runs and the answers of the lessons; writes nothing."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, WorkbenchError
from workbench.evaluation import measured
from workbench.handin.answering import answers, student
from workbench.handin.values import SCORES, Card, Look, RunFacts
from workbench.runs import Event, Run, is_run, sha256
from workbench.runs.events import TrainEvent
from workbench.runs.files import number
from workbench.version import __version__

# folders below the one that is handed in, in which runs are looked for
_DEPTH = 4
_POINTS, _GAPS = 200, 500
_WEIGHTS = "adapter_model.safetensors"


def collect(folder: Path, name: str, sentence: str = "") -> Card:
    """Return the card of what lies in a learner's folder.

    Args:
        folder: the folder of their work, ``my-work``.
        name: theirs.
        sentence: what they learnt, in their own words.

    Raises:
        BadInput: there is no such folder, or neither an answer nor a run in it.
    """
    if not folder.is_dir():
        raise BadInput("handin.no_folder", folder=folder)
    entries, unread = answers(folder)
    runs = [_facts_or_name(run, folder) for run in runs_under(folder)]
    unread += [run for run in runs if isinstance(run, str)]
    if not entries and not runs:
        raise BadInput("handin.nothing", folder=folder)
    return Card(
        name=name,
        student=student(folder),
        sentence=sentence,
        written=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        version=__version__,
        answers=tuple(entries),
        runs=tuple(run for run in runs if isinstance(run, RunFacts)),
        unread=tuple(unread),
    ).sealed()


def _facts_or_name(run: Run, folder: Path) -> RunFacts | str:
    """A run that cannot be read is named on the card, never left out silently."""
    try:
        return facts(run, folder)
    except (WorkbenchError, OSError):
        return run.path.relative_to(folder.absolute()).as_posix()


def runs_under(folder: Path) -> list[Run]:
    """Return the runs in ``folder`` and in the folders below it, by path."""
    return [Run(path) for path in _run_folders(folder.absolute(), _DEPTH)]


def _run_folders(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / "events.jsonl").is_file() and is_run(folder):
        yield folder
        return
    if depth:
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
                yield from _run_folders(path, depth - 1)


def facts(run: Run, root: Path) -> RunFacts:
    """Return what a card says of ``run``, as its own files say it.

    Raises:
        WorkbenchError, OSError: a file cannot be read.
    """
    state, best, manifest, events = run.state(), run.best(), run.manifest(), run.events.all()
    weights = best.path / _WEIGHTS if best else None
    return RunFacts(
        name=run.path.relative_to(root.absolute()).as_posix() if run.path.is_relative_to(root.absolute()) else run.name,
        persona=_persona(run),
        status=state.status,
        created=str(manifest.get("created") or ""),
        # a killed worker's log knows more steps than its last sign of life
        step=max([state.step, *(event.step or 0 for event in events)]),
        total_steps=state.total_steps,
        base=str(manifest.get("base_fingerprint") or ""),
        data=str(manifest.get("data_sha256") or ""),
        recipe=recipe_hash(run),
        adapter=sha256(weights) if weights is not None and weights.is_file() else "",
        seed=seed if isinstance(seed := manifest.get("seed"), int) else 0,
        best_step=best.step if best else None,
        **from_events(events),
    )


def from_events(events: Sequence[Event]) -> dict[str, Any]:
    """Return those fields of :class:`RunFacts` that a log alone says."""
    trained = [event for event in events if isinstance(event, TrainEvent)]
    # numbers of the kind that a card's reader makes of them: a 2 that came back as 2.0 would be another card
    losses = [(event.step, float(event.loss)) for event in trained if event.step is not None and event.loss is not None]
    looks = [
        Look(m.step, number(m.loss), {s: v for s in SCORES if (v := number(getattr(m, s))) is not None}, dict(m.counts))
        for m in measured(events)
    ]
    return {
        "seconds": number(trained[-1].seconds) if trained else None,
        "rhythm": rhythm(event.time for event in events),
        "losses": tuple(_thinned(losses)),
        "looks": tuple(looks),
    }


def rhythm(times: Iterable[float]) -> tuple[int, ...]:
    """Return the milliseconds between events: what stays of a training, wherever it is copied to and to whatever hour
    its clock is moved."""
    gaps = (round((after - before) * 1000) for before, after in itertools.pairwise(times))
    return tuple(itertools.islice(gaps, _GAPS))


def recipe_hash(run: Run) -> str:
    """Return a hash of the run's settings, without where its files lie."""
    from workbench.training.recipe import recipe_of

    settings = recipe_of(run).model_dump(mode="json")
    for group, field in (("data", "train"), ("data", "validation"), ("data", "general"), ("adapter", "start")):
        settings[group][field] = Path(str(settings[group][field] or "")).name
    return hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()


def _persona(run: Run) -> str:
    from workbench.training.recipe import recipe_of

    return str(recipe_of(run).persona.name or "")


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    step = -(-len(points) // _POINTS)
    return points[::step] if step > 1 else points
