"""The five steps over one folder. Knows which step hands what to which; nothing of interfaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from workbench.errors import WorkbenchError
from workbench.runs import is_run, read_json, saving, write_json
from workbench.steps.chat import ChatStep
from workbench.steps.data import DataStep
from workbench.steps.export import ExportStep
from workbench.steps.template import TemplateStep
from workbench.steps.train import TrainStep

T = TypeVar("T")
_FILE = "project.json"


class Project:
    """A folder in which an assistant is made, from its persona to its merged model.

    What one step settles goes on to the next: the persona and the mixture to the training, the run to the export and
    to the chat. Settings are kept in ``project.json``, and found again; runs are under ``runs/``. A folder that
    ``workbench quickstart`` made is itself a run, and is taken as such.

    Args:
        folder: the folder; made when something is first written to it.
        lang: the language of what is generated to be seen.
        recipe: the recipe that training begins with.
    """

    def __init__(self, folder: str | Path, lang: str | None = None, *, recipe: str = "pocket-qlora") -> None:
        self.folder = Path(folder).expanduser()
        self.lang = lang
        known = read_json(self.folder / _FILE) or {}
        out = self.folder if is_run(self.folder) else self.folder / "runs" / "first"
        self.data = _restored(lambda given: DataStep(lang=lang, **given), known.get("data"))
        self.template = TemplateStep(lang=lang)
        self.train = _restored(lambda given: TrainStep(recipe, out, **given), known.get("train"))
        self.export = ExportStep(self.train.run)
        self.chat = ChatStep(self.train.run, lang=lang)
        self._handed: dict[str, Any] = {}
        self._hand_data("settings")
        self.data.subscribe(self._hand_data)
        self.train.subscribe(self._hand_run)

    @property
    def steps(self) -> dict[str, Any]:
        """The five by name, in order."""
        return {name: getattr(self, name) for name in ("data", "template", "train", "export", "chat")}

    def save(self) -> None:
        """Keep the settings of data and training in ``project.json``.

        Raises:
            Failed: no space or no permission.
        """
        data = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self.data.settings).items()}
        train = {"settings": {k: v for k, v in self.train.settings.values.items() if k not in self._handed}}
        with saving(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.folder / _FILE, {"data": data, "train": train})

    def reset(self) -> None:
        """All five steps back to their first settings; runs and files on the disk stay."""
        for step in self.steps.values():
            step.reset()
        self._hand_data("settings")

    def code(self) -> str:
        """The lines that do all of it."""
        return "\n".join(step.code() for name, step in self.steps.items() if name != "template")

    def _hand_data(self, what: str) -> None:
        """The persona and the mixture go to the training, and the first conversation to the mask."""
        if what not in ("settings", "reset"):
            return
        from workbench.steps.forms import flat

        groups = self.data.recipe_groups(self._mended())
        self._handed = flat(groups)
        self.train.adopt(groups)

    def _mended(self) -> Path | None:
        """Where mended conversations lie; written when they are mended, since training reads a file. Never the file
        that they come from: the mending can be undone."""
        from workbench.data import write

        if not self.data.settings.mended:
            return None
        names = (self.folder / "data" / f"{name}.jsonl" for name in ("mended", "mended-2", "mended-3"))
        file = next(one for one in names if not self.data.reads(one))
        file.parent.mkdir(parents=True, exist_ok=True)
        write(self.data.make().own, file, overwrite=True)
        return file

    def _hand_run(self, what: str) -> None:
        """The run goes to the export and the chat."""
        run = self.train.run
        if what == "run" and run is not None and not self.train.replaying:
            self.export.follow(run)
            if self.chat.run is None or self.chat.run.path != run.path:
                self.chat.use(run)


def _restored(make: Callable[[dict[str, Any]], T], known: Any) -> T:
    """The step with the settings that were kept; without them where this version cannot read them."""
    try:
        return make(known if isinstance(known, dict) else {})
    except (WorkbenchError, TypeError):
        return make({})
