"""The run folder: one training and everything of it, where all front ends meet.

Knows the files; must not know how training is done.

runs/NAME/
  recipe.yaml      the resolved settings, as text
  manifest.json    versions, seed, hash of the data, fingerprint of the base, hash of the template
  events.jsonl     the event log; events.discarded.jsonl: what resumed runs took back
  state.json       the worker's process and status
  starting.json    there only between the start of a process and the worker's first word
  lock             held by the worker while it lives
  stop             its presence asks the worker to save and end
  worker.log       what the worker printed, and tracebacks
  checkpoints/step-000100/, best.json, report.html, report.json
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, OutputExists, UnknownName
from workbench.runs import checkpoints as _checkpoints
from workbench.runs.checkpoints import Best, Checkpoint
from workbench.runs.events import Event
from workbench.runs.files import read_json, saving, write_bytes, write_json
from workbench.runs.finding import is_run, nearest_runs
from workbench.runs.log import EventLog
from workbench.runs.state import State, derive


class Run:
    """Represent an existing run folder; reading it never changes it.

    Args:
        path: the folder.

    Raises:
        UnknownName: there is no run in that folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        if not is_run(self.path):
            raise UnknownName("runs.unknown", given=str(path), nearest=nearest_runs(Path(path)))
        self.events = EventLog(self.path / "events.jsonl")

    @classmethod
    def create(
        cls, path: str | Path, recipe_text: str, manifest: Mapping[str, Any] | None = None, *, resume: bool = False
    ) -> Run:
        """Make a run folder, or with ``resume`` open the one that is there.

        Args:
            path: the folder; its parents are made.
            recipe_text: the resolved settings, YAML; ignored where a run is continued.
            manifest: see :func:`workbench.runs.manifest`; likewise.
            resume: continue the run that is in the folder, if there is one.

        Raises:
            OutputExists: the folder is not empty (and ``resume`` is not given).
            BadInput: the path, or a part of it, is a file.
            Failed: no space or no permission.
        """
        folder = Path(path).absolute()
        if resume and is_run(folder):
            return cls(folder)
        with saving(folder):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise BadInput("runs.not_a_folder", path=str(folder)) from error
            cls.check_free(folder)
            try:  # of two that make the same folder at once, one wins
                with (folder / "recipe.yaml").open("x", encoding="utf-8"):
                    pass
            except FileExistsError as error:
                raise OutputExists("runs.exists", path=str(folder)) from error
        write_json(folder / "manifest.json", dict(manifest or {}))
        write_bytes(folder / "recipe.yaml", recipe_text.encode())
        return cls(folder)

    @staticmethod
    def check_free(path: str | Path) -> None:
        """Refuse a path that is taken already.

        Raises:
            OutputExists: a folder is there, and not empty. BadInput: a file is there.
        """
        folder = Path(path).absolute()
        if folder.exists() and not folder.is_dir():
            raise BadInput("runs.not_a_folder", path=str(folder))
        if folder.is_dir() and any(folder.iterdir()):
            raise OutputExists("runs.exists", path=str(folder))

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def name(self) -> str:
        """Return the folder's name."""
        return self.path.name

    def state(self) -> State:
        """Tell where it stands now."""
        return derive(self.path)

    def recipe_text(self) -> str:
        """Return the resolved settings, YAML."""
        with saving(self.path / "recipe.yaml"):
            return (self.path / "recipe.yaml").read_text(encoding="utf-8")

    def manifest(self) -> dict[str, Any]:
        """Return versions, seed, hashes; empty where there is none."""
        return read_json(self.path / "manifest.json") or {}

    def checkpoints(self) -> list[Checkpoint]:
        """Return the finished checkpoints, by step."""
        return _checkpoints.checkpoints(self)

    def latest(self) -> Checkpoint | None:
        """Return the last finished checkpoint: from there a resume goes on."""
        return next(reversed(self.checkpoints()), None)

    def best(self) -> Best | None:
        """Return the best checkpoint, or None."""
        return _checkpoints.read_best(self)

    def follow(self, *, poll: float = 0.2) -> Iterator[Event]:
        """Return all events so far and each new one, until no process works on the run."""
        return self.events.follow(poll=poll, stop=lambda: not self.state().alive)

    def worker_log(self, lines: int = 20) -> str:
        """Return the last ``lines`` lines that the worker printed."""
        try:
            text = (self.path / "worker.log").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])
