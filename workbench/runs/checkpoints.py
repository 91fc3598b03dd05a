"""The checkpoints of a run: written whole or not at all, pruned without losing the best.

Knows folders; must not know what is in them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workbench.errors import WorkbenchError
from workbench.runs.files import number, read_json, refused, replace, saving, sync_folder, sync_tree, write_json
from workbench.runs.log import EventLog

_NAME = re.compile(r"step-(\d{6,})")
_NOTE = "checkpoint.json"


class RunFolder(Protocol):
    """Hold what a checkpoint needs to know of its run: the folder, and the log."""

    path: Path
    events: EventLog


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Hold a finished checkpoint.

    Args:
        step: optimizer steps done.
        path: its folder.
        reason: why it was saved.
        score: how good it is, higher is better; None where it was not judged.
        why: why it has that score, in words.
    """

    step: int
    path: Path
    reason: str = ""
    score: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Best:
    """Hold the best checkpoint so far.

    Args:
        step: optimizer steps done.
        path: its folder.
        score: the stated score, higher is better.
        reason: why it is the best, in words.
    """

    step: int
    path: Path
    score: float | None
    reason: str


class CheckpointFolder:
    """Represent the folder that a checkpoint is written to before it gets its name.

    Args:
        path: write here.
        score: set it (and ``why``) before the end of the ``with`` block where it is known only after writing.
        why: why it has that score.
    """

    def __init__(self, path: Path, reason: str, score: float | None, why: str) -> None:
        self.path = path
        self.reason = reason
        self.score = score
        self.why = why


def checkpoints(run: RunFolder) -> list[Checkpoint]:
    """Return the finished checkpoints, by step; half-written ones do not have the name of one."""
    folder = run.path / "checkpoints"
    paths = folder.iterdir() if folder.is_dir() else ()
    named = [(match, path) for path in paths if (match := _NAME.fullmatch(path.name)) and path.is_dir()]
    return sorted((_read(path, int(match[1])) for match, path in named), key=lambda checkpoint: checkpoint.step)


def _read(path: Path, step: int) -> Checkpoint:
    note = read_json(path / _NOTE) or {}
    return Checkpoint(
        step=step,
        path=path,
        reason=str(note.get("reason") or ""),
        score=number(note.get("score")),
        why=str(note.get("why") or ""),
    )


@contextmanager
def checkpoint_writer(
    run: RunFolder, step: int, *, reason: str = "", score: float | None = None, why: str = ""
) -> Iterator[CheckpointFolder]:
    """Write the checkpoint of ``step``: all of it appears at once, under its name, after the ``with`` block.

    Then its event is logged, and it becomes the best if its score is above the best's (an equal one changes nothing).
    What belongs to the step should be logged before: a resume goes on after the checkpoint. On an error nothing of it
    stays.

    Args:
        run: the run; the caller holds its lock.
        step: optimizer steps done. A checkpoint of that step is replaced.
        reason: why it is saved.
        score: how good it is, higher is better; None: it never becomes the best by itself.
        why: why it has that score, in words.

    Raises:
        Failed: no space, no permission; every earlier checkpoint is as it was.
    """
    target = run.path / "checkpoints" / f"step-{step:06d}"
    temporary = target.with_name(f"tmp-{target.name}")
    folder = CheckpointFolder(temporary, reason, score, why)
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        target.parent.mkdir(exist_ok=True)  # the run's own folder is not made anew: somebody deleted it
        temporary.mkdir()
        yield folder
        note = {"step": step, "reason": folder.reason, "score": folder.score, "why": folder.why}
        write_json(temporary / _NOTE, note, durable=False)
        sync_tree(temporary)
        _put(temporary, target)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        refusal = None if isinstance(error, WorkbenchError) else refused(error, temporary)
        if refusal is None:
            raise
        raise refusal from error
    checkpoint = _read(target, step)
    log_checkpoint(run, checkpoint)
    consider(run, checkpoint)


def _put(temporary: Path, target: Path) -> None:
    old = target.with_name(f"tmp-old-{target.name}")
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        replace(target, old)
    replace(temporary, target)
    sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def log_checkpoint(run: RunFolder, checkpoint: Checkpoint) -> None:
    """Log the event of a finished checkpoint."""
    run.events.append(
        "checkpoint", step=checkpoint.step, path=f"checkpoints/{checkpoint.path.name}", reason=checkpoint.reason
    )


def consider(run: RunFolder, checkpoint: Checkpoint) -> bool:
    """Make ``checkpoint`` the best if it was judged and beats the best; whether it did."""
    if checkpoint.score is None:
        return False
    best = _noted_best(run)
    if best is None:  # the first that was judged, or the note of an earlier one was damaged
        first = _scored(run) or checkpoint
        set_best(run, first, score=first.score, reason=first.why)
        return first.step == checkpoint.step
    if best.score is not None and best.score >= checkpoint.score:
        return False
    set_best(run, checkpoint, score=checkpoint.score, reason=checkpoint.why)
    return True


def judge(run: RunFolder, checkpoint: Checkpoint, score: float, why: str) -> bool:
    """Give ``checkpoint`` the score that it was saved without; whether it is the best now.

    Args:
        score: how good it is, higher is better.
        why: why it has that score, in words.
    """
    note = {"step": checkpoint.step, "reason": checkpoint.reason, "score": score, "why": why}
    write_json(checkpoint.path / _NOTE, note)
    return consider(run, _read(checkpoint.path, checkpoint.step))


def set_best(run: RunFolder, checkpoint: Checkpoint, *, score: float | None, reason: str) -> Best:
    """Name the best checkpoint; from now on it is never pruned."""
    path = f"checkpoints/{checkpoint.path.name}"
    write_json(run.path / "best.json", {"step": checkpoint.step, "path": path, "score": score, "reason": reason})
    return Best(checkpoint.step, run.path / path, score, reason)


def read_best(run: RunFolder) -> Best | None:
    """Return the best checkpoint, or None where none was judged yet.

    Where ``best.json`` is damaged, or names a folder that is gone, the scores in the checkpoints themselves say it.
    """
    noted = _noted_best(run)
    if noted is None and (best := _scored(run)):
        return Best(best.step, best.path, best.score, best.why)
    return noted


def _noted_best(run: RunFolder) -> Best | None:
    """What ``best.json`` says."""
    record = read_json(run.path / "best.json") or {}
    step = record.get("step")
    if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < 10**12:
        return None
    path = run.path / "checkpoints" / f"step-{step:06d}"
    if not path.is_dir():
        return None
    return Best(step, path, number(record.get("score")), str(record.get("reason") or ""))


def _scored(run: RunFolder) -> Checkpoint | None:
    """The first checkpoint of the highest score."""
    judged = [checkpoint for checkpoint in checkpoints(run) if checkpoint.score is not None]
    return max(judged, key=lambda checkpoint: (checkpoint.score or 0.0, -checkpoint.step), default=None)


def prune(run: RunFolder, keep_last: int | None) -> list[int]:
    """Delete all but the last ``keep_last`` checkpoints and the best; returns the steps of those deleted.

    Args:
        run: the run; the caller holds its lock.
        keep_last: at least 1, for the last one is never deleted; None keeps all.
    """
    if keep_last is None:
        return []
    best = read_best(run)
    gone = []
    for checkpoint in checkpoints(run)[: -max(1, keep_last)]:
        if best is None or checkpoint.step != best.step:
            _delete(checkpoint.path)
            gone.append(checkpoint.step)
    return gone


def _delete(path: Path) -> None:
    # It loses its name first: killed in between, no half-deleted folder passes for a checkpoint.
    doomed = path.with_name(f"tmp-gone-{path.name}")
    with saving(path):
        shutil.rmtree(doomed, ignore_errors=True)
        replace(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def clean(run: RunFolder) -> None:
    """Remove what a kill left half-written or half-deleted; put back a checkpoint that was just being replaced."""
    folder = run.path / "checkpoints"
    if not folder.is_dir():
        return
    for path in folder.glob("tmp-*"):
        target = path.with_name(path.name.removeprefix("tmp-old-"))
        if path.name.startswith("tmp-old-") and not target.exists():
            replace(path, target)
        else:
            shutil.rmtree(path, ignore_errors=True)
    for name in ("state.json", "best.json", "events.jsonl"):  # what only the worker writes
        for path in run.path.glob(f".{name}.*.tmp"):
            with suppress(OSError):
                path.unlink()


def heal(run: RunFolder) -> None:
    """Say again what a kill between a checkpoint and its event, or its place as the best, left unsaid."""
    logged = {event.step for event in run.events.all() if event.kind == "checkpoint"}
    for checkpoint in checkpoints(run):
        if checkpoint.step not in logged:
            log_checkpoint(run, checkpoint)
        consider(run, checkpoint)
