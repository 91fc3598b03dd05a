"""The five steps over one folder. Knows which step hands what to which; nothing of interfaces."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from workbench.errors import WorkbenchError
from workbench.runs import is_run, read_json, saving, write_json
from workbench.steps.chat import ChatStep
from workbench.steps.data import DataStep, recipe_settings
from workbench.steps.export import ExportStep
from workbench.steps.step import Further, Step
from workbench.steps.template import TemplateStep
from workbench.steps.train import TrainStep

_FILE = "project.json"
_FIRST = ("data", "template", "train", "export", "chat")


@cache
def _further() -> tuple[Further, ...]:
    """Find the steps that lie in this room as a file with a ``STEP``, beside the five that hand on to one another."""
    package = __name__.rpartition(".")[0]
    modules = (import_module(f"{package}.{entry.name}") for entry in iter_modules([str(Path(__file__).parent)]))
    return tuple(step for module in modules if isinstance(step := getattr(module, "STEP", None), Further))


class Project:
    """Represent a folder in which an assistant is made, from its persona to its merged model.

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
        stored = read_json(self.folder / _FILE) or {}
        out = self.folder if is_run(self.folder) else self.folder / "runs" / "first"
        self.train = TrainStep(recipe, out)
        self.data = DataStep(lang=lang, **recipe_settings(self.train.recipe))
        _restore(self.data, stored.get("data"))
        self.template = TemplateStep(lang=lang)
        self._recipe = recipe
        self._handed: dict[str, Any] = {}
        self._kept: set[str] = set()
        self._hand_data("settings")
        _restore_training(self.train, stored.get("train"))
        self.export = ExportStep(self.train.run)
        self.chat = ChatStep(self.train.run, lang=lang)
        self.data.subscribe(self._hand_data)
        self._chosen = self.train.chosen
        self.train.subscribe(self._hand_recipe)
        self.train.subscribe(self._hand_run)
        self._further = {step.name: step.make(self) for step in _further()}

    @property
    def steps(self) -> dict[str, Any]:
        """Return all steps by name, in order."""
        names = list(_FIRST)
        for step in _further():
            names.insert(names.index(step.after) + 1, step.name)
        return {name: getattr(self, name) if name in _FIRST else self._further[name] for name in names}

    @property
    def outdated(self) -> bool:
        """Tell whether the conversations have changed since the last training began, which so has not learnt them."""
        run, added = self.train.run, self.data.settings.added
        if run is None or self.train.busy or self.train.replaying:
            return False
        from workbench.training.recipe import recipe_of

        try:
            before, after = recipe_of(run), self.train.recipe
            if added and Path(added).stat().st_mtime_ns > (run.path / "recipe.yaml").stat().st_mtime_ns:
                return True
        except (WorkbenchError, OSError):  # nothing to compare with
            return False
        parts = [key.split(".") for key in self._handed]
        return any(getattr(getattr(before, g), n) != getattr(getattr(after, g), n) for g, n in parts)

    def finished(self) -> set[str]:
        """Return the steps with a result: conversations that were made, a training with a checkpoint that has ended, a
        merged model, an answer."""
        trained = bool(self.train.checkpoints()) and not self.train.busy
        reached = {
            "data": self.data.made is not None or self.train.run is not None,
            "train": trained,
            "export": trained and bool(self.export.settings.run) and "merged" in self.export.made(),
            "chat": any(self.chat.answers.values()),
        }
        return {step for step, result in reached.items() if result}

    def save(self) -> None:
        """Keep the settings of data and training in ``project.json``.

        Raises:
            Failed: no space or no permission.
        """
        data = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self.data.settings).items()}
        s = self.train.settings
        # what was handed over is kept by the data, but where the training's form says otherwise
        changed = {k: v for k, v in s.values.items() if k not in self._handed or self._handed[k] != v}
        train: dict[str, Any] = {"settings": changed}
        if isinstance(s.recipe, str) and s.recipe != self._recipe:
            train["recipe"] = s.recipe
        with saving(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.folder / _FILE, {"data": data, "train": train})

    def reset(self) -> None:
        """Set all steps back to their first settings; runs and files on the disk stay."""
        for step in self.steps.values():
            step.reset()
        self.export.follow(self.train.run)

    def code(self) -> str:
        """Return the lines that do all of it."""
        return "\n".join(step.code() for name, step in self.steps.items() if name != "template")

    def _hand_data(self, what: str) -> None:
        """The persona and the mixture go to the training, and the first conversation to the mask."""
        if what not in ("settings", "reset"):
            return
        from workbench.steps.forms import flat

        handed = flat(self.data.recipe_groups(self._mended()))
        # only what is new: of two forms that name the same setting, the one that was changed last holds
        new = {k: v for k, v in handed.items() if k not in self._handed or self._handed[k] != v}
        self.train.adopt({k: v for k, v in new.items() if k not in self._kept})
        self._handed = handed

    def _hand_recipe(self, what: str) -> None:
        """What another recipe says of the conversations goes to the data; what the training's form says stays."""
        if what in ("settings", "reset") and (chosen := self.train.chosen) != self._chosen:
            before, self._chosen = self._chosen, chosen
            values = self.train.settings.values
            self._kept = {k for k, v in self._handed.items() if k in values and values[k] != v}
            self.data.follow(before, chosen)
            self._kept = set()

    def _mended(self) -> Path | None:
        """Where mended or added conversations lie; written when that is done, since training reads a file. Never the
        file that they come from: it can be undone."""
        from workbench.data import write

        if not self.data.settings.rewritten:
            return None
        names = (self.folder / "data" / f"{name}.jsonl" for name in ("mended", "mended-2", "mended-3"))
        file = next(name for name in names if not self.data.reads(name))
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


def _restore(step: Step[Any], stored: Any) -> None:
    """The settings that were kept, as far as this version can read them."""
    with suppress(WorkbenchError, TypeError):
        step.restore(**stored)


def _restore_training(step: TrainStep, stored: Any) -> None:
    """The recipe and the settings on top of it."""
    entries = stored if isinstance(stored, dict) else {}
    values = entries.get("settings")
    _restore(step, {"recipe": entries.get("recipe", step.settings.recipe)})
    _restore(step, {"values": {**step.settings.values, **values}} if isinstance(values, dict) else {})
