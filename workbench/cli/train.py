"""``workbench train``: train by a recipe. Knows the command line; nothing of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from workbench.errors import BadInput, Interrupted
from workbench.runs import front
from workbench.runs.events import Event
from workbench.texts import text

# how a verdict's word is set off in a terminal; the word itself says what it means
STYLES = {
    "learning": "bold #0072B2",
    "good": "bold #009E73",
    "overfitting": "bold #D55E00",
    "collapsed": "bold reverse #D55E00",
    "unjudged": "bold",
}


@click.command(help=text("cli.train.help"))
@click.argument("recipe", required=False)
@click.option("--out", "--work-dir", required=True, type=click.Path(path_type=Path), help=text("cli.train.out"))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=text("cli.set"))
@click.option("--resume", is_flag=True, help=text("cli.train.resume"))
@click.option("--from", "start", metavar="ADAPTER_OR_RUN", help=text("cli.train.start"))
@click.option("--detach", is_flag=True, help=text("cli.train.detach"))
@click.option("--deepspeed", metavar="ZERO", help=text("cli.train.deepspeed"))
@click.option("--nproc", type=click.IntRange(min=1), help=text("cli.train.nproc"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def train(
    recipe: str | None,
    out: Path,
    overrides: tuple[str, ...],
    resume: bool,
    start: str | None,
    detach: bool,
    deepspeed: str | None,
    nproc: int | None,
    as_json: bool,
) -> None:
    """Train, and show how it goes."""
    if recipe is None and not (resume and (out / "recipe.yaml").exists()):
        raise BadInput("cli.train.no_recipe", out=out)
    settings = recipe or str(out / "recipe.yaml")
    zero = (deepspeed or "").removeprefix("deepspeed_").replace("_", "-") or None  # XTuner's spelling too
    named = {"adapter.start": start, "runtime.deepspeed": zero, "runtime.nproc": nproc}
    overrides = (*overrides, *(f"{key}={value}" for key, value in named.items() if value is not None))
    with front.ahead() as waiting:  # before anything else is loaded here: its libraries take the longest
        from workbench.training.start import train as begin

        how: dict[str, Any] = {"overrides": overrides, "resume": resume, "waiting": waiting}
        if detach or as_json:
            run = begin(settings, out, detach=detach, **how)
        else:
            with Progress() as progress:
                run = begin(settings, out, on_event=progress, **how)
    if as_json:
        from workbench.cli.runs import summary  # the same words as `workbench runs show --json`

        click.echo(summary(run))
    elif detach:
        click.echo(text("cli.train.detached", run=out))
    else:
        _conclude(run, out)


def _conclude(run: Any, out: Path) -> None:
    state, best = run.state(), run.best()
    if state.status == "stopped":
        raise Interrupted("training.stopped_by_you", step=state.step, run=out)
    if state.message:
        click.echo(state.message)
    if best is not None:
        click.echo(text("cli.train.best", step=best.step, reason=best.reason))
    click.echo(text("cli.train.next", run=out))


class Progress:
    """A bar in the terminal, with the losses and the probes' scores as they change; a plain line an evaluation where
    there is no terminal."""

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
        if event.message and event.state in ("running", "resumed"):
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
