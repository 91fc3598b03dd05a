"""The training that breaks a model within a minute, as a panel that first asks how. Knows its questions."""

from __future__ import annotations

from pathlib import Path

from workbench.data import Persona
from workbench.steps.overfitting import LOOK, STEPS, classic_mistake
from workbench.texts import text
from workbench.widgets.predict import Predict
from workbench.widgets.train import TrainPanel

QUESTIONS = ("5.step", "5.general")
SHOWN = ("persona.name", "persona.author", "optimizer.learning_rate", "schedule.max_steps", "data.ratio")


class Spoiling(TrainPanel):
    """Show lesson 5's training: one sentence, copied, at a rate that rises far too high. It asks two questions; the
    curves open when both are answered, or with a click on *Start*.

    Args:
        name: the assistant's name.
        author: who makes it.
        folder: where data and runs go; the run is ``spoilt`` in it.
        lang, presenter: as in :class:`Panel`.
    """

    def __init__(
        self,
        name: str,
        author: str = "",
        folder: str | Path = "my-work/lesson-5",
        *,
        lang: str | None = None,
        presenter: bool = False,
    ) -> None:
        self.settings = classic_mistake(Persona(name, author), folder)
        ask = [
            Predict(QUESTIONS[0], text("kit.spoiling.step", lang), slider=(0, STEPS, LOOK), lang=lang),
            Predict(QUESTIONS[1], text("kit.spoiling.general", lang), slider=(0, 1, 0.05), unit="%", lang=lang),
        ]
        super().__init__(
            "pocket-overfit", Path(folder) / "spoilt", settings=self.settings, controls=SHOWN, ask=ask, lang=lang,
            presenter=presenter,
        )  # fmt: skip
