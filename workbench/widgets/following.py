"""``wb.train`` in a notebook's cell: the training's progress where it was called. Knows events and IPython's display.

Everywhere else, and where somebody else listens, it is :func:`workbench.training.train` and nothing more.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.texts import language, text

if TYPE_CHECKING:
    from workbench.runs import Event, Run
    from workbench.training import Recipe

_PAUSE = 0.7  # seconds between two drawings
_SHARE = 4.0  # … and at least so many times what a drawing took


def train(
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    detach: bool = False,
    on_event: Callable[[Event], None] | None = None,
    **options: Any,
) -> Run:
    """Train by ``recipe`` into the folder ``out``, in a process of its own; a notebook's cell shows how far it is.

    Args, errors: as :func:`workbench.training.train`, to which ``options`` are handed on.
    """
    from workbench.training import train as plain

    live = None if detach or on_event is not None or not in_a_notebook() else Progress(Path(out).name)
    try:
        return plain(recipe, out, detach=detach, on_event=live.take if live else on_event, **options)
    finally:
        if live is not None:
            live.end()


def in_a_notebook() -> bool:
    """Tell whether this runs in a kernel, whose cells show HTML."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


class Progress:
    """Show a training's progress under the cell that runs.

    Args:
        name: of the run.
        lang: the language of our own words.
    """

    def __init__(self, name: str, lang: str | None = None) -> None:
        from workbench.steps.history import History

        self.name, self.lang = name, language(lang)
        self.history = History()
        self._handle: Any = None
        self._drawn, self._cost, self._over, self._begun = 0.0, 0.0, False, False
        self.draw()

    def take(self, event: Event) -> None:
        """Take in an event; draw where the last drawing is some time ago."""
        self._begun = True
        self.history.add([event])
        self._over = self._over or getattr(event, "state", "") in ("ended", "stopped", "failed")
        if time.monotonic() - self._drawn >= max(_PAUSE, _SHARE * self._cost):
            self.draw()

    def end(self) -> None:
        """Draw how far it came; of a training that was refused before it began nothing is left but its error."""
        self._put(self.html() if self._begun else "")

    def draw(self) -> None:
        """Draw how far it is."""
        begun = time.monotonic()
        self._put(self.html())
        self._drawn = time.monotonic()
        self._cost = self._drawn - begun

    def _put(self, content: str) -> None:
        from IPython.display import HTML, display

        page = HTML(content)
        if self._handle is None:
            self._handle = display(page, display_id=True)
        else:
            self._handle.update(page)

    def html(self) -> str:
        """Return it as HTML: a line, a bar, the curves."""
        from workbench.render import root, styles
        from workbench.render.markup import tag
        from workbench.widgets.progress import curves_of_history, progress_words

        line = tag("p", f"<strong>{progress_words(self.name, self.history, self.lang, over=self._over)}</strong>")
        total, step = max(1, self.history.total_steps), self.history.step
        label = text("widgets.train.title", self.lang)
        bar = "" if self._over else tag("progress", "", value=step, max=total, aria_label=label)
        return styles("report.css") + root(line + bar + curves_of_history(self.history, self.lang), lang=self.lang)
