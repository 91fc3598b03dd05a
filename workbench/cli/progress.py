"""A training's events in a terminal. Knows rich and the events; nothing of runs."""

from __future__ import annotations

from typing import Any

from workbench.runs.events import Event
from workbench.texts import text

# how a verdict's word is set off in a terminal; the word itself says what it means
STYLES = {
    "learning": "bold #0072B2",
    "good": "bold #009E73",
    "overfitting": "bold #D55E00",
    "collapsed": "bold reverse #D55E00",
    "blind": "bold reverse #D55E00",
    "unjudged": "bold",
}


class Progress:
    """Show a bar in the terminal, with the losses and the probes' scores as they change.

    Where there is no terminal: a plain line an evaluation.
    """

    def __init__(self, console: Any = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.console = console or Console(highlight=False)
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task(text("cli.train.loading"), total=None, loss="")
        self.scores: dict[str, Any] = {}

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        show = getattr(self, f"_{event.kind}", None)
        if show is not None:
            show(event)

    def _status(self, event: Any) -> None:
        if event.key == "training.state.training":
            self.bar.update(self.task, description=text("cli.train.training"), total=event.values["steps"])
        if event.message and event.state in ("running", "resumed", "waiting"):
            self.console.print(event.message, markup=False)

    def _train(self, event: Any) -> None:
        loss = "" if event.loss is None else text("cli.train.loss", loss=event.loss)
        self.bar.update(self.task, completed=event.step or 0, loss=loss)

    def _eval(self, event: Any) -> None:
        self.scores = {n: getattr(event, n) for n in ("loss", "identity", "task", "general", "leak")}

    def _verdict(self, event: Any) -> None:
        parts = [text("cli.train.step", step=event.step)]
        for name, value in self.scores.items():
            if value is not None:
                parts.append(text(f"cli.train.score.{name}", value=value))
        line = "  ".join(parts)
        self.console.print(f"{line}  ", end="", markup=False)
        self.console.print(
            text(f"cli.train.verdict.{event.verdict}"), style=STYLES.get(event.verdict, ""), markup=False
        )
