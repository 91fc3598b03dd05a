"""Step four, convert and merge: from a checkpoint to an adapter and a merged model. Knows runs and the export room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, Interrupted
from workbench.models.notes import MARK, read_note
from workbench.runs import Checkpoint, Run, is_run
from workbench.steps.code import call, lines, written
from workbench.steps.step import Step, Stopper
from workbench.texts import lookup

if TYPE_CHECKING:
    from workbench.export import Honesty, Source

# stage, done, of how much (0: not known)
Progress = Callable[[str, int, int], None]
STAGES = ("convert", "merge", "honesty")


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Hold what is converted, and where to.

    Args:
        run: the run folder, or a checkpoint's.
        checkpoint: the step of the checkpoint; None takes the best.
        adapter: the folder to make; empty for ``adapter`` in the run folder.
        merged: likewise, ``merged``.
        max_shard_size: the largest weight file.
        dtype: of the merged weights; None takes the base's own 16 bit.
        questions: for the honesty check; empty for the usual eight.
    """

    run: str = ""
    checkpoint: int | None = None
    adapter: str = ""
    merged: str = ""
    max_shard_size: str = "2GB"
    dtype: str | None = None
    questions: tuple[str, ...] = ()


class ExportStep(Step[ExportSettings]):
    """Take a checkpoint in, give an adapter and a merged model out.

    The commands take as long as they take; a front end calls them in a thread, and :meth:`cancel` from another.

    Args:
        run: the run, its folder, or a checkpoint's folder.
        **settings: fields of :class:`ExportSettings`.
    """

    def __init__(self, run: Run | str | Path | None = None, **settings: Any) -> None:
        path = run.path if isinstance(run, Run) else run or ""
        super().__init__(ExportSettings(str(path), **settings))
        self.honest: Honesty | None = None
        self.cancelled = Stopper()

    @property
    def run(self) -> Run | None:
        """Return the run, where there is one."""
        folder = Path(self.settings.run).expanduser() if self.settings.run else None
        return Run(folder) if folder is not None and is_run(folder) else None

    @property
    def adapter(self) -> Path:
        """Return the adapter's folder, there or to be made."""
        return self._place(self.settings.adapter, "adapter")

    @property
    def merged(self) -> Path:
        """Return the merged model's folder, there or to be made."""
        return self._place(self.settings.merged, "merged")

    def checkpoints(self) -> list[Checkpoint]:
        """Return the checkpoints to choose from."""
        return self.run.checkpoints() if self.run else []

    def scores(self) -> dict[int, float]:
        """Return the score of each evaluation of the run, 0 to 1, by its step."""
        from workbench.evaluation import scores

        return scores(self.run.events.all()) if self.run else {}

    def source(self) -> Source:
        """Return the checkpoint that is meant.

        Raises:
            BadInput: none was chosen, or it is not there.
        """
        from workbench.export import find_source

        s = self.settings
        if not s.run:
            raise BadInput("steps.no_run")
        if s.checkpoint is None or self.run is None:
            return find_source(s.run)
        chosen = next((c for c in self.checkpoints() if c.step == s.checkpoint), None)
        if chosen is None:
            steps = tuple(c.step for c in self.checkpoints()) or "–"
            raise BadInput("steps.no_such_checkpoint", step=s.checkpoint, run=s.run, known=steps)
        return find_source(chosen.path)

    def made(self) -> dict[str, dict[str, Any]]:
        """Return what lies on the disk already: ``adapter`` and ``merged`` with what each says of itself."""
        places = {"adapter": self.adapter, "merged": self.merged}
        return {name: read_note(path) for name, path in places.items() if (path / MARK).is_file()}

    def base(self) -> str:
        """Return the base's name, as the adapter notes it.

        Raises:
            BadInput: there is no adapter yet.
        """
        name = read_note(self.adapter).get("base", {}).get("name")
        if not name:
            raise BadInput("steps.no_adapter", path=self.adapter)
        return str(name)

    def convert(self) -> Path:
        """Make the adapter's folder; one that was made before is replaced.

        Raises:
            BadInput: no finished checkpoint, or one that cannot be used. Failed: no space.
        """
        from workbench.export import convert

        folder = convert(self.source().checkpoint, self.adapter, overwrite=True)
        self.honest = None
        self.tell("adapter")
        return folder

    def merge(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """Make the merged model's folder; one that was made before is replaced.

        Args:
            progress: told the bytes written and the bytes in all.

        Raises:
            BadInput: there is no adapter yet, or it does not fit. Failed: no space. Interrupted: cancelled.
        """
        from workbench.export import merge

        def watched(written: int, total: int) -> None:
            if self.cancelled():
                raise Interrupted("steps.cancelled")
            if progress:
                progress(written, total)

        s = self.settings
        options: dict[str, Any] = {"max_shard_size": s.max_shard_size, "dtype": s.dtype, "overwrite": True}
        self.notices: list[str] = []
        folder = merge(self.base(), self.adapter, self.merged, progress=watched, notice=self.notices.append, **options)
        self.honest = None
        self.tell("merged")
        return folder

    def honesty(self) -> Honesty:
        """Ask adapter and merged model the same questions, in 16 and in 4 bit, and compare.

        Raises:
            BadInput: there is no adapter or no merged model yet.
        """
        from workbench.export import honesty

        if not (self.merged / MARK).is_file():
            raise BadInput("steps.no_merged", path=self.merged)
        self.honest = honesty(self.base(), self.adapter, self.merged, self.questions())
        self.tell("honesty")
        return self.honest

    def questions(self) -> list[str]:
        """Return what the honesty check asks: in both languages."""
        return list(self.settings.questions or lookup("export.questions"))

    def everything(self, progress: Progress | None = None) -> Honesty:
        """Convert, merge and check, one after the other, with the settings of the beginning; raises as these do."""
        say = progress or (lambda *_: None)
        self.cancelled.begin()
        work = ExportStep(**asdict(self.settings))
        work.cancelled, self.honest = self.cancelled, None
        say("convert", 0, 0)
        work.convert()
        self.tell("adapter")
        say("merge", 0, 0)
        work.merge(lambda written, total: say("merge", written, total))
        self.tell("merged")
        if self.cancelled():
            raise Interrupted("steps.cancelled")
        say("honesty", 0, 0)
        report = work.honesty()
        self.honest = report if work.settings == self.settings else None
        self.tell("honesty")
        return report

    def follow(self, run: Run | None) -> None:
        """Take the best checkpoint of this run, or of none; undo and reset keep it."""
        path = str(run.path) if run else ""
        if self.settings.run != path:
            self._adopt(lambda settings: replace(settings, run=path, checkpoint=None))

    def adopt(self, source: ExportStep) -> None:
        """Take over what another step has made, where both mean the same run; else nothing."""
        with self._guard:
            if self.settings.run != source.settings.run:
                return
            self.change(**asdict(source.settings))
            self.honest = source.honest
        self.tell("merged")

    def cancel(self) -> None:
        """Leave off what is being made; nothing half-made stays."""
        self.cancelled.ask()

    def code(self) -> str:
        """Return the lines that make the same."""
        s, base = self.settings, read_note(self.adapter).get("base", {}).get("name") or "pocket"
        chosen = next((c.path for c in self.checkpoints() if c.step == s.checkpoint), s.run)
        more = {k: v for k, v in (("max_shard_size", s.max_shard_size), ("dtype", s.dtype)) if v not in ("2GB", None)}
        return lines(
            "import workbench as wb",
            "from workbench.export import honesty",
            "",
            f"adapter = {call('wb.convert', chosen, self.adapter, overwrite=True)}",
            f"merged = wb.merge({written(base)}, adapter, {written(self.merged)}, overwrite=True"
            + "".join(f", {key}={written(value)}" for key, value in more.items())
            + ")",
            f"check = honesty({written(base)}, adapter, merged, {written(self.questions())})",
            "print(check.merged_matches_adapter)",
        )

    def _place(self, folder: str, name: str) -> Path:
        if folder:
            return Path(folder).expanduser()
        run = self.run
        return (run.path if run else Path(self.settings.run or ".")) / name

    def _after_change(self) -> None:
        self.honest = None

    def _forget(self) -> None:
        self.cancelled.clear()
