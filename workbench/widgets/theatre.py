"""The overfitting theatre: a recorded run, or a grid of them, to be dragged through. Knows recordings and guesses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as ipw

from workbench import shipped
from workbench.coursework import Guess, Workbook, answers
from workbench.environment import prepare
from workbench.errors import BadInput
from workbench.render import escape, root
from workbench.render.theatre import theatre_html
from workbench.runs import Run, is_run
from workbench.runs.recording import Recording
from workbench.texts import language, text
from workbench.widgets.asking import wait_for
from workbench.widgets.face import Face, panel_styles

GRID = "theatre/overfitting.json"
KNOBS = {"learning_rate": "optimizer", "ratio": "data"}
_ASKED = "5.step"


class Theatre(Face):
    """Show recorded runs step by step; nothing is computed.

    Args:
        *runs: runs or run folders; without any the grid that ships with the project.
        guesses: steps that a class guessed, or a folder of what a class handed in (a folder for each).
        lang: ``en`` or ``zh``.
        presenter: large type.

    Raises:
        BadInput: a folder holds no run, or nothing was recorded in it.
    """

    def __init__(
        self,
        *runs: Run | str | Path,
        guesses: Sequence[float] | str | Path = (),
        lang: str | None = None,
        presenter: bool = False,
    ) -> None:
        prepare()
        super().__init__(language(lang))
        self.recordings = [recording_of(run) for run in runs] or grid(self.lang)
        self.guesses = guesses_of(guesses) if isinstance(guesses, (str, Path)) else list(guesses)
        if presenter:
            self.root.add_class("wb-large")
        self._area = ipw.HTML()
        self._area.add_class("wb-area")
        self.root.children = [ipw.HTML(panel_styles()), self._area]
        wait_for([_ASKED], self)
        self.answered()

    @property
    def title(self) -> str:
        """Return what it is called."""
        return text("render.theatre.title", self.lang)

    def answered(self) -> None:
        """Show the reader's own guess too."""
        self._area.value = f"<h3>{escape(self.title)}</h3>{self.picture()}"
        self.keep()

    def picture(self) -> str:
        """Return it as HTML that needs no kernel."""
        guess = Workbook().guess(_ASKED)
        own = guess.guess if guess and isinstance(guess.guess, (int, float)) else None
        return theatre_html(self.recordings, guesses=self.guesses, own=own, lang=self.lang)

    def static_html(self) -> str:
        """Return what the saved notebook shows where no kernel lives."""
        return panel_styles() + root(f"<h3>{escape(self.title)}</h3>{self.picture()}", lang=self.lang)


def recording_of(run: Run | str | Path) -> Recording:
    """Return the recording of a run folder.

    Raises:
        BadInput: there is no run, or nothing was recorded in it.
    """
    from workbench.training.gallery import recording_of as recording_of_run
    from workbench.training.recipe import recipe_of

    if not isinstance(run, Run):
        if not is_run(Path(run)):
            raise BadInput("kit.no_run", path=run)
        run = Run(Path(run))
    recipe = recipe_of(run)
    settings = {name: float(getattr(getattr(recipe, group), name)) for name, group in KNOBS.items()}
    return replace(recording_of_run(run), settings=settings)


def grid(lang: str | None = None) -> list[Recording]:
    """Return the recordings that ship with the project, with the answers to questions in ``lang``.

    Raises:
        BadInput: this installation has none.
    """
    try:
        file = shipped.path(GRID)
    except FileNotFoundError:
        raise BadInput("kit.no_grid") from None
    return read_grid(json.loads(file.read_text(encoding="utf-8"))["runs"], language(lang))


def read_grid(records: Iterable[Any], lang: str) -> list[Recording]:
    """Return recordings from their records, which hold the answers of each language."""
    return [Recording.from_json({**record, "answered": record["answered"][lang]}) for record in records]


def guesses_of(folder: str | Path) -> list[float]:
    """Return the steps that a class guessed: of each folder in ``folder`` the guess of lesson 5."""
    steps: list[float] = []
    for student in sorted(path for path in Path(folder).iterdir() if path.is_dir()):
        entries, _ = answers(student / "my-work" if (student / "my-work").is_dir() else student)
        mine = [entry for entry in entries if isinstance(entry, Guess) and f"{entry.lesson}.{entry.id}" == _ASKED]
        steps += [float(entry.guess) for entry in mine if isinstance(entry.guess, (int, float))]
    return steps
