"""``workbench train``: train by a recipe. Knows the command line; nothing of models."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from workbench.cli.progress import Progress
from workbench.errors import BadInput, Interrupted
from workbench.runs import front
from workbench.texts import text


@click.command(help=text("cli.train.help"))
@click.argument("recipe", required=False)
@click.argument("extra", nargs=-1, metavar="")
@click.option("--out", "--work-dir", required=True, type=click.Path(path_type=Path), help=text("cli.train.out"))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=text("cli.set"))
@click.option("--resume", is_flag=True, help=text("cli.train.resume"))
@click.option("--from", "start", metavar="ADAPTER_OR_RUN", help=text("cli.train.start"))
@click.option("--merged", metavar="ADAPTER_OR_RUN", help=text("cli.train.merged"))
@click.option("--detach", is_flag=True, help=text("cli.train.detach"))
@click.option("--deepspeed", metavar="ZERO", help=text("cli.train.deepspeed"))
@click.option("--nproc", type=click.IntRange(min=1), help=text("cli.train.nproc"))
@click.option(
    "--report-to", multiple=True, type=click.Choice(["tensorboard", "trackio"]), help=text("cli.train.report_to")
)
@click.option("--queue", metavar="CLUSTER", help=text("cli.train.queue"))
@click.option("--queue-set", "queue_options", multiple=True, metavar="KEY=VALUE", help=text("cli.train.queue_set"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def train(
    recipe: str | None,
    extra: tuple[str, ...],
    out: Path,
    overrides: tuple[str, ...],
    resume: bool,
    start: str | None,
    merged: str | None,
    detach: bool,
    deepspeed: str | None,
    nproc: int | None,
    report_to: tuple[str, ...],
    queue: str | None,
    queue_options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train, and show how it goes."""
    _check_words(recipe, extra, resume=resume, start=start, merged=merged)
    if recipe is None and not (resume and (out / "recipe.yaml").exists()):
        raise BadInput("cli.train.no_recipe", out=out)
    settings = recipe or str(out / "recipe.yaml")
    zero = (deepspeed or "").removeprefix("deepspeed_").replace("_", "-") or None  # XTuner's spelling too
    named = {"adapter.start": start, "runtime.deepspeed": zero, "runtime.nproc": nproc}
    overrides = (*overrides, *(f"{key}={value}" for key, value in named.items() if value is not None))
    if report_to:
        overrides = (*overrides, f"runtime.report_to=[{', '.join(report_to)}]")
    if merged:
        overrides = (*overrides, f"model.name={_merged(settings, overrides, merged, out)}")
    if queue_options and queue is None:
        raise BadInput("training.queue.no_queue", given=queue_options[0])
    with (
        nullcontext() if queue else front.ahead() as waiting
    ):  # before anything else is loaded here: its libraries take the longest
        from workbench.training.start import train as begin

        options: dict[str, Any] = {"overrides": overrides, "resume": resume, "waiting": waiting}
        options |= {"queue": queue, "queue_options": queue_options}
        if detach or as_json:
            run = begin(settings, out, detach=detach, **options)
        else:
            with Progress() as progress:
                run = begin(settings, out, on_event=progress, **options)
    if as_json:
        from workbench.cli.runs import summary  # the same words as `workbench runs show --json`

        click.echo(summary(run))
    elif detach:
        click.echo(text("cli.train.queued" if queue else "cli.train.detached", run=out))
    else:
        _conclude(run, out)


def _check_words(
    recipe: str | None, extra: tuple[str, ...], *, resume: bool, start: str | None, merged: str | None
) -> None:
    """
    Raises:
        BadInput: a checkpoint to resume from, as XTuner takes it; or two ways to begin. UsageError: words too many.
    """
    named = extra[0] if extra else recipe or ""
    if resume and named and (extra or Path(named).is_dir()):
        raise BadInput("cli.train.resume_from", given=named)
    if extra:
        raise click.UsageError(text("usage.extra", given=" ".join(extra)))
    if merged and (start or resume):
        raise BadInput("cli.train.two_ways", given="--resume" if resume else "--from")


def _merged(settings: str, overrides: tuple[str, ...], start: str, out: Path) -> Path:
    """The folder of the recipe's base with what ``start`` has learnt; the run's own folder is looked at first, since
    merging takes a while."""
    from workbench.export.again import merged_base
    from workbench.runs import Run
    from workbench.training.recipe import load_recipe

    Run.check_free(out)
    folder = merged_base(load_recipe(settings, overrides).model.name, start, out)
    click.echo(text("cli.train.merged_into", folder=folder), err=True)
    return folder


def _conclude(run: Any, out: Path) -> None:
    state, best = run.state(), run.best()
    if state.status == "stopped":
        raise Interrupted("training.stopped_by_you", step=state.step, run=out)
    if state.message:
        click.echo(state.message)
    if best is not None:
        click.echo(text("cli.train.best", step=best.step, reason=best.reason))
    click.echo(text("cli.train.next", run=out))
