"""Run folders, and replays that somebody shared, as one gallery. Knows runs and recipes; draws nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from workbench.errors import BadData, BadInput, WorkbenchError
from workbench.runs import Run, find, is_run, list_runs
from workbench.runs.files import read_bounded
from workbench.runs.finding import ROOT, run_folders
from workbench.runs.gallery import MOST_RUNS, Exhibit, Gallery, exhibits_from
from workbench.runs.recording import Recording, recorded
from workbench.runs.remarks import LONGEST, read_remarks

# bytes of a shared file
_LARGEST = 50_000_000
_ENDINGS = (".json", ".html", ".htm")
_EMBEDDED = re.compile(rb'<script type="application/json" class="wb-gallery-data">(.*?)</script>', re.DOTALL)


def gallery(runs: Iterable[Run | str | Path] = ()) -> Gallery:
    """Return the gallery of ``runs``; without any, of all runs under ``runs`` in this folder.

    Args:
        runs: runs, their folders or names, folders of runs, and files that ``runs compare`` wrote, as a page or as
            JSON. A run in which nothing is recorded yet, or whose files are broken, is named in
            ``unread``; of what is named twice, one is taken.

    Raises:
        UnknownName: there is no such run; names the nearest. BadData: a file holds no gallery; names file and field.
        BadInput: no run is left to be shown, or there are too many.
    """
    exhibits: list[Exhibit] = []
    unread: list[str] = []
    for part in _parts(list(runs) or [ROOT]):
        if isinstance(part, Exhibit):
            exhibits.append(part)
            continue
        try:
            exhibits.append(exhibit_of(part))
        except WorkbenchError as error:
            unread.append(error.say())
    if not exhibits:
        raise BadInput("runs.no_gallery", reason=" ".join(unread) or "–")
    if len(exhibits) > MOST_RUNS:
        raise BadInput("runs.too_many_runs", count=len(exhibits), limit=MOST_RUNS)
    return Gallery(_named_apart(exhibits), tuple(unread))


def runs_of(runs: Iterable[Run | str | Path] = ()) -> list[Run]:
    """Return those of :func:`gallery` that lie here, each once; not what somebody shared."""
    return [part for part in _parts(list(runs) or [ROOT]) if isinstance(part, Run)]


def exhibit_of(run: Run) -> Exhibit:
    """Return a run as one of a gallery.

    Raises:
        BadInput: nothing is recorded in it. BadSetting: its recipe cannot be read.
    """
    recording = recording_of(run)
    return Exhibit(recording, _settings(run), run.state().status, read_remarks(run.path))


def recording_of(run: Run) -> Recording:
    """Return the curves, answers and verdicts of a run.

    Raises:
        BadInput: nothing is recorded in it.
    """
    best = run.best()
    recording = recorded(run.name, run.events.all(), best=best.step if best else None)
    if not any(recording.series.values()):
        raise BadInput("kit.nothing_recorded", path=run.path)
    return recording


def _parts(runs: Iterable[Run | str | Path]) -> Iterator[Run | Exhibit]:
    """Each run once, in the order in which it is named first."""
    seen: set[Path] = set()
    for named in runs:
        for part in _opened(named):
            if isinstance(part, Run):
                if part.path.resolve() in seen:
                    continue
                seen.add(part.path.resolve())
            yield part


def _opened(named: Run | str | Path) -> Iterable[Run | Exhibit]:
    if isinstance(named, Run):
        return [named]
    path = Path(named).expanduser()
    if path.suffix.lower() in _ENDINGS and path.is_file():
        return shared(path)
    if path.is_dir() and not is_run(path) and run_folders(path):
        return list_runs(path)
    if path == ROOT and not path.exists():
        return []
    return [find(path)]


def shared(path: Path) -> tuple[Exhibit, ...]:
    """Return the runs of a file that was shared: JSON, or a page with JSON in it, none of which is run.

    Raises:
        BadData: it holds no gallery; names file and field.
    """
    try:
        content = read_bounded(path, _LARGEST)
        if path.suffix.lower() != ".json":
            embedded = _EMBEDDED.search(content)
            content = embedded[1] if embedded else b"null"
        return exhibits_from(json.loads(content))
    except (OSError, ValueError, RecursionError) as error:
        raise BadData("runs.not_shared", path=path, reason=str(error)[:200]) from None


def _settings(run: Run) -> dict[str, str]:
    from workbench.training.recipe import recipe_of

    groups = recipe_of(run).model_dump(mode="json")
    return {f"{group}.{name}": _written(value) for group, values in groups.items() for name, value in values.items()}


def _written(value: Any) -> str:
    """A setting as YAML writes it; of a path its last part, for where files lie is nobody else's business."""
    if isinstance(value, str):
        for kind in (PurePosixPath, PureWindowsPath):
            if kind(value).is_absolute():
                return kind(value).name
        return value[:LONGEST]
    return json.dumps(value, ensure_ascii=False)[:LONGEST]


def _named_apart(exhibits: list[Exhibit]) -> tuple[Exhibit, ...]:
    """Runs of the same name get a number."""
    used: set[str] = set()
    apart = []
    for exhibit in exhibits:
        name, count = exhibit.name, 1
        while name in used:
            count += 1
            name = f"{exhibit.name} ({count})"
        used.add(name)
        apart.append(replace(exhibit, recording=replace(exhibit.recording, name=name)))
    return tuple(apart)
