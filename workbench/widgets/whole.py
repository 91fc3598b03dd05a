"""The panels of all steps over one folder, one after the other. Knows the project and the panels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import ipywidgets as ipw

from workbench.errors import BadSetting, WorkbenchError, nearest
from workbench.steps import Project
from workbench.texts import text
from workbench.widgets.chat import ChatPanel
from workbench.widgets.controls import Controls
from workbench.widgets.data import DataPanel
from workbench.widgets.export import ExportPanel
from workbench.widgets.mask import MaskPanel
from workbench.widgets.panel import Panel, joined
from workbench.widgets.train import TrainPanel

# What stands once under all steps, or over them, and not again in each: the switch of the language, the way back to the
# beginning, the lines of Python. Undoing is each step's own.
_ONCE = ("language", "reset", "code")


class Workbench(Panel):
    """Show all steps: what one settles goes on to the next, and is found again in the folder.

    Args:
        folder: where everything is kept; a :class:`~workbench.steps.Project` is taken as it is.
        lang, presenter: as in :class:`Panel`.
    """

    name = "whole"
    hidden_on_stage = ("code",)

    def __init__(
        self, folder: str | Path | Project = "my-assistant", *, lang: str | None = None, presenter: bool = False
    ) -> None:
        self.project = folder if isinstance(folder, Project) else Project(folder, lang)
        self.panels: dict[str, Panel] = {}
        self._wishes: list[tuple[str, tuple[str, ...]]] = []
        super().__init__(_Whole(self.project), lang=lang, presenter=presenter)
        self.controls.hide(["undo"])  # each step has its own
        for step in (self.project.data, self.project.train):
            step.subscribe(lambda what: self._remember() if what in ("settings", "reset") else None)
        for step in self.project.steps.values():
            step.subscribe(self._heard)
        self.open("train" if self.project.train.run is not None else "data")

    def open(self, step: str) -> Panel:
        """Show the panel of a step: ``data``, ``template``, ``train``, ``export``, ``chat`` or a further one."""
        panel = self._panel(step)
        if panel.lang != self.lang:
            panel.speak(self.lang)
        if isinstance(panel, MaskPanel):
            panel.offer(self._own())
        panel.controls.filled(panel.fill)
        self.controls.filled(lambda: setattr(self._choice, "value", step))
        self._stage.children = [panel.root]
        self._mark()
        panel.wake()
        return panel

    def _panel(self, step: str) -> Panel:
        if step not in self.panels:
            self.panels[step] = self._make(step)
        return self.panels[step]

    def _make(self, step: str) -> Panel:
        options: dict[str, Any] = {"lang": self.lang, "presenter": self.presenter}
        kinds: dict[str, Callable[..., Panel]] = {
            "data": DataPanel,
            "template": MaskPanel,
            "train": TrainPanel,
            "export": ExportPanel,
            "chat": ChatPanel,
        }
        kind = kinds.get(step) or import_module(f"workbench.widgets.{step}").PANEL
        panel: Panel = kind(self.project if step == "data" else self.project.steps[step], **options)
        panel.root.remove_class("wb-widget").add_class("wb-inner")
        for wish, names in [*self._wishes, ("hide", _ONCE)]:
            _grant(panel.controls, wish, names)
        return panel

    # --- for teachers: of all panels, also of those that are opened later ---

    def lock(self, *names: str) -> None:
        """Lock controls of any step: they are seen but cannot be changed; without names all settings."""
        self._wish("lock", names)

    def unlock(self, *names: str) -> None:
        """Undo :meth:`lock`."""
        self._wish("unlock", names)

    def hide(self, *names: str) -> None:
        """Take controls of any step away."""
        self._wish("hide", names)

    def show(self, *names: str) -> None:
        """Undo :meth:`hide`; without names, for all."""
        self._wish("show", names)

    def _wish(self, wish: str, names: tuple[str, ...]) -> None:
        if not all(any(_has(controls, name) for controls in self._controls()) for name in names):
            for step in self.project.steps:
                self._panel(step)
        for name in names:
            if not any(_has(controls, name) for controls in self._controls()):
                known_names = set().union(*(controls.known for controls in self._controls()))
                raise BadSetting("widgets.unknown_control", given=name, nearest=nearest(name, known_names))
        self._wishes.append((wish, names))
        for controls in self._controls():
            _grant(controls, wish, names)
        for panel in self.panels.values():
            panel.controls.hide(_ONCE)
        self.controls.hide(["undo"])

    def _controls(self) -> list[Controls]:
        return [self.controls, *(panel.controls for panel in self.panels.values())]

    def _own(self) -> list[Any]:
        """A few conversations of the set, to look at their masks."""
        current = self.project.data.made
        groups = current.groups() if current else {}
        return [row for rows in groups.values() for row in rows[:2]]

    def _remember(self) -> None:
        with suppress(WorkbenchError):  # what cannot be kept is still here; saving the set will say why
            self.project.save()

    def build(self) -> list[Any]:
        """Return the way, and the step that is open."""
        self._choice = ipw.ToggleButtons(options=[("1", "data")], value="data")
        self._choice.add_class("wb-way")
        self._choice.observe(lambda change: self._chosen(change["new"]), names="value")
        self.controls.add("step", self._choice)
        self._stage = ipw.VBox([])
        return [self._choice, self._stage]

    def _chosen(self, step: str | None) -> None:
        if step and not self.controls.filling:
            self.attempt(lambda: self.open(step))

    def heard(self, what: str) -> None:
        """Show which steps are done, whatever a step tells; its settings are its own panel's matter."""
        if what == "reset":
            super().heard(what)
        self._mark()

    def _mark(self) -> None:
        """Write the names of the steps, and a mark before those that are done."""
        finished = self.project.finished()
        finished |= {"template"} if "template" in self.panels and "data" in finished else set()  # it was looked at
        options = [
            (f"{'✓' if step in finished else n} {text(f'widgets.way.{step}', self.lang)}", step)
            for n, step in enumerate(self.project.steps, 1)
        ]
        chosen = self._choice.value
        if tuple(options) != tuple(self._choice.options):
            self.controls.filled(lambda: setattr(self._choice, "options", options))
            self.controls.filled(lambda: setattr(self._choice, "value", chosen))

    def fill(self) -> None:
        """Write the names of the steps in the panel's language, and the open panel in it too."""
        self._mark()
        for panel in self.panels.values():
            if panel.lang != self.lang:
                panel.speak(self.lang)

    def picture(self) -> str:
        """Return all steps that were opened, one under the other."""
        parts = []
        for step, panel in self.panels.items():
            parts.append(f"<h4>{text(f'widgets.way.{step}', self.lang)}</h4>")
            parts.append(panel.picture())
        return joined(parts)


def _has(controls: Controls, name: str) -> bool:
    return name in controls.known or any(full_name.endswith(f".{name}") for full_name in controls.known)


def _grant(controls: Controls, wish: str, names: tuple[str, ...]) -> None:
    """What was wished of the whole, of one panel: the controls that it has."""
    full = [
        full_name
        for full_name in controls.known
        for name in names
        if full_name == name or full_name.endswith(f".{name}")
    ]
    if full or not names:
        getattr(controls, wish)(full if full or wish == "hide" else None)


class _Whole:
    """The project in the shape of a step, for head and foot."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Hear of a reset of the whole."""
        self._listener = listener

    def reset(self) -> None:
        """Set all steps back to the beginning."""
        self._project.reset()
        self._listener("reset")

    def code(self) -> str:
        """Return the lines that do all of it."""
        return self._project.code()
