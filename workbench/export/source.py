"""Which checkpoint is exported: of a run the best, or the one that was named. Knows folders; opens no weight."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, UnknownName
from workbench.export.lora import CONFIG, WEIGHTS

# Beside the weights of a training's own checkpoint, and of no published model.
_OURS = ("checkpoint.json", "trainer_state.json")


@dataclass(frozen=True, slots=True)
class Source:
    """Hold what is converted.

    Args:
        checkpoint: the folder that holds the adapter's weights.
        run: the run folder that it belongs to, or None.
        step: optimizer steps done, or None where not known.
        chosen: ``best``, ``latest`` (no checkpoint was judged), or ``given`` (the checkpoint itself was named).
        score: the best checkpoint's score, where it has one.
        reason: why it is the best.
    """

    checkpoint: Path
    run: Path | None = None
    step: int | None = None
    chosen: str = "given"
    score: float | None = None
    reason: str = ""


def find_source(run_or_checkpoint: str | Path) -> Source:
    """Return the checkpoint meant: of a run the best one, else the latest; else the folder itself.

    Raises:
        UnknownName: no such folder. BadInput: it is neither a run nor a checkpoint, or a run without a finished
            checkpoint.
    """
    from workbench.runs import Run, is_run

    folder = Path(run_or_checkpoint).expanduser()
    if not folder.is_dir():
        raise UnknownName("export.no_folder", given=run_or_checkpoint)
    if is_run(folder):
        return _of_run(Run(folder))
    if not is_whole(folder) and not any((folder / name).is_file() for name in (CONFIG, WEIGHTS, "adapter_model.bin")):
        raise BadInput("export.not_a_checkpoint", given=run_or_checkpoint)
    resolved = folder.resolve()
    run = resolved.parent.parent
    if resolved.parent.name != "checkpoints" or not is_run(run):
        return Source(folder)
    digits = resolved.name.rpartition("-")[2]
    best = Run(run).best()
    if best and best.path.resolve() == resolved:
        return Source(folder, run, best.step, "given", best.score, best.reason)
    return Source(folder, run, int(digits) if digits.isdigit() else None)


def _of_run(run: Any) -> Source:
    best, latest = run.best(), run.latest()
    if best:
        return Source(best.path, run.path, best.step, "best", best.score, best.reason)
    if latest:
        return Source(latest.path, run.path, latest.step, "latest")
    raise BadInput("export.no_checkpoint", run=run.path)


def is_whole(folder: Path) -> bool:
    """Tell whether ``folder`` is a checkpoint that holds every weight."""
    ours = any((folder / name).is_file() for name in _OURS)
    return ours and (folder / "config.json").is_file() and not (folder / CONFIG).is_file()
