"""``workbench runs``: list, show, watch, stop; compare and note. Knows run folders; loads nothing of training."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.gallery import compare, note
from workbench.errors import BadInput, Failed
from workbench.texts import listed, text

if TYPE_CHECKING:
    from rich.table import Table

    from workbench.runs import Event, Run

# seconds of the original that a pause lasts at most in a replay; a run resumed the next day has long ones
LONGEST_GAP = 10.0
_json = click.option("--json", "as_json", is_flag=True, help=text("runs.cli.json"))


@click.group(help=text("runs.cli.help"))
def runs() -> None:
    """Hold the commands on runs."""


runs.add_command(compare)
runs.add_command(note)


def summary(run: Run) -> str:
    """Return what ``runs show --json`` writes."""
    from workbench.runs import summary as facts

    return json.dumps(facts(run), ensure_ascii=False)


@runs.command(name="list", help=text("runs.cli.list"))
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@_json
def list_(folder: Path | None, as_json: bool) -> None:
    """List the runs of a folder."""
    from workbench.runs import brief, list_runs

    if folder is not None and not folder.is_dir():
        raise BadInput("runs.no_folder", path=folder)
    records = [brief(run) for run in list_runs(folder)]
    if as_json:
        click.echo(json.dumps(records, ensure_ascii=False))
    elif not records:
        click.echo(text("runs.cli.none", path=folder or Path("runs").absolute()))
    else:
        _print(_table(records))


@runs.command(help=text("runs.cli.show"))
@click.argument("run")
@_json
def show(run: str, as_json: bool) -> None:
    """Print one run."""
    from workbench.runs import find
    from workbench.runs import summary as facts

    chosen = find(run)
    if as_json:
        click.echo(summary(chosen))
        return
    record = facts(chosen)
    _print(_card(record, _tie(chosen)))
    for line in (record["message"], record["remedy"]):
        if line:
            click.echo(line)


@runs.command(help=text("runs.cli.watch"))
@click.argument("run")
@click.option("--replay", is_flag=True, help=text("runs.cli.replay"))
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), default=1.0, help=text("runs.cli.speed"))
@_json
def watch(run: str, replay: bool, speed: float, as_json: bool) -> None:
    """Print a run, live or again."""
    from workbench.runs import find, words

    chosen = find(run)
    if not replay and not as_json and chosen.state().key == "runs.job.waits":
        click.echo(words(chosen, chosen.state())[0])
    events = chosen.events.replay(speed=speed, longest_gap=LONGEST_GAP) if replay else chosen.follow()
    try:
        _show(events, as_json=as_json)
    except KeyboardInterrupt:
        if chosen.state().alive:
            click.echo(text("runs.cli.left", **_commands(chosen)), err=True)
        return
    _conclude(chosen, as_json=as_json, failing=not replay)


@runs.command(help=text("runs.cli.stop"))
@click.argument("run")
@click.option("--timeout", type=click.FloatRange(min=0), help=text("runs.cli.timeout"))
@click.option("--kill", is_flag=True, help=text("runs.cli.kill"))
@_json
def stop(run: str, timeout: float | None, kill: bool, as_json: bool) -> None:
    """Save and end."""
    from workbench.runs import find
    from workbench.runs import stop as ask

    chosen = find(run)
    worked = chosen.state().alive
    state = ask(chosen, timeout, kill=kill)
    if state.alive and timeout is not None:
        raise Failed("runs.still_running", run=run, timeout=timeout, pid=state.pid)
    if as_json:
        click.echo(summary(chosen))
    elif not worked:
        click.echo(text("runs.cli.not_running", run=run, state=text(f"runs.state.{state.status}")))
    elif state.alive:
        click.echo(text("runs.cli.asked", run=run, **_commands(chosen)))
    else:
        click.echo(_now(chosen))


def _show(events: Iterator[Event], *, as_json: bool) -> None:
    from workbench.cli.progress import Progress
    from workbench.runs.events import to_record

    with ExitStack() as stack:
        progress = None if as_json else stack.enter_context(Progress())
        for event in events:
            if progress is None:
                click.echo(json.dumps(to_record(event), ensure_ascii=False))
            else:
                progress(event)


def _conclude(run: Run, *, as_json: bool, failing: bool) -> None:
    """Say how it ended, what its best checkpoint is, and how to go on; with ``failing`` a run that failed or died is a
    failure here too."""
    from workbench.runs import next_command, words

    state, best = run.state(), run.best()
    message, remedy = words(run, state)
    if failing and state.status in ("failed", "died"):
        raise Failed("runs.ended_badly", message=message, remedy=remedy)
    if not as_json:
        click.echo(_now(run))
        if best is not None:
            found = text("runs.cli.best", step=best.step, reason=best.reason)
            click.echo(f"{text('runs.cli.fields.best')}: {found}{_tie(run)}")
        click.echo(f"{text('runs.cli.fields.next')}: {next_command(run, state)}")


def _commands(run: Run) -> dict[str, str]:
    from workbench.runs.front import stop_command, watch_command

    return {"watch": watch_command(run), "stop": stop_command(run)}


def _now(run: Run) -> str:
    state = run.state()
    return text("runs.cli.now", run=run.name, state=text(f"runs.state.{state.status}"), step=state.step)


def _table(rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("name", "state", "step", "best", "updated"):
        table.add_column(text(f"runs.cli.columns.{column}"), overflow="fold")
    for row in rows:
        best = str(row["best"]["step"]) if row["best"] else "–"
        cells = (row["name"], text(f"runs.state.{row['state']}"), _steps(row), best, _when(row["updated"]))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _tie(run: Run) -> str:
    """That best and last differ by no more than chance, where they do."""
    from workbench.evaluation import measured, tie

    best, history = run.best(), {m.step: m for m in measured(run.events.all())}
    if best is None or best.step not in history or best.step == max(history):
        return ""
    return text("runs.cli.tie") if tie(history[best.step], history[max(history)]) else ""


def _card(record: dict[str, Any], tied: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    card = Table(box=None, show_header=False, pad_edge=False)
    card.add_column()
    card.add_column(overflow="fold")
    for name, value in _facts(record, tied).items():
        if value:
            card.add_row(Text(text(f"runs.cli.fields.{name}"), style="bold"), Text(value))
    return card


def _facts(record: dict[str, Any], tied: str) -> dict[str, str]:
    train, verdict, best = record["train"], record["verdict"], record["best"]
    return {
        "folder": record["path"],
        "state": text(f"runs.state.{record['state']}"),
        "step": _steps(record),
        "train": text("runs.cli.train", **train) if train and train.get("loss") is not None else "",
        "eval": _scores(record["eval"]),
        "verdict": _joined(_word(verdict.get("verdict", "")), verdict.get("reason")) if verdict else "",
        "best": text("runs.cli.best", **best) + tied if best else "",
        "checkpoints": listed(c["step"] for c in record["checkpoints"]) or text("runs.cli.none_yet"),
        "report": record["report"] or "",
        "next": record["next"],
    }


def _scores(event: dict[str, Any] | None) -> str:
    if event is None:
        return ""
    names = [name for name in ("loss", "identity", "task", "general", "leak") if event.get(name) is not None]
    counts = event.get("counts") or {}
    parts = [
        text(f"runs.cli.scores.{name}", value=event[name]) + _range(event[name], counts.get(name)) for name in names
    ]
    return "  ".join([*parts, text("runs.cli.at_step", step=event.get("step", "–"))])


def _range(share: float, count: int | None) -> str:
    """Where the share of all such questions lies, in 19 of 20 cases."""
    from workbench.evaluation import interval

    low, high = interval(share, count)
    return text("runs.cli.range", low=low, high=high) if count else ""


def _word(verdict: str) -> str:
    """The verdict's word in the person's language; a newer version's as it stands."""
    try:
        return text(f"cli.train.verdict.{verdict}")
    except KeyError:
        return verdict


def _joined(*parts: str | None) -> str:
    return ": ".join(part for part in parts if part)


def _steps(row: dict[str, Any]) -> str:
    return f"{row['step']}/{row['total_steps']}" if row["total_steps"] else str(row["step"])


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds else "–"


def _print(shown: Table) -> None:
    from rich.console import Console

    Console(highlight=False).print(shown)
