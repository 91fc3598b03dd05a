"""``workbench line``: who trains, who waits, and the rules. Knows the line; nothing of trainings."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.errors import BadInput
from workbench.texts import listed, text

if TYPE_CHECKING:
    from rich.table import Table

    from workbench.runs.line import Line
    from workbench.runs.queueing import Ticket


@click.group(invoke_without_command=True, help=text("line.cli.help"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
@click.pass_context
def line(context: click.Context, as_json: bool) -> None:
    """Print the line."""
    if context.invoked_subcommand is not None:
        return
    standing = _standing()
    rules, tickets = standing.rules(), standing.tickets()
    facts: dict[str, Any] = {"folder": str(standing.folder), "at_once": rules.at_once, "each": rules.each}
    if as_json:
        click.echo(json.dumps({**facts, "tickets": [asdict(ticket) for ticket in tickets]}, ensure_ascii=False))
        return
    if tickets:
        from rich.console import Console

        Console(highlight=False).print(_table(tickets))
    else:
        click.echo(text("line.cli.empty", folder=standing.folder))
    click.echo(text("line.cli.rules", **facts))


@line.command(name="set", help=text("line.cli.set"))
@click.option("--at-once", type=click.IntRange(1, 1000), help=text("line.cli.at_once"))
@click.option("--each", type=click.IntRange(1, 1000), help=text("line.cli.each"))
def set_(at_once: int | None, each: int | None) -> None:
    """Change the rules."""
    standing = _standing()
    rules = standing.change(at_once, each)
    click.echo(text("line.cli.rules", at_once=rules.at_once, each=rules.each, folder=standing.folder))


@line.command(help=text("line.cli.make"))
@click.argument("folder", type=click.Path(path_type=Path))
def make(folder: Path) -> None:
    """Make a folder that several accounts share."""
    from workbench.runs.line import Line

    click.echo(text("line.cli.made", folder=Line(folder.expanduser().absolute()).folder))


def _standing() -> Line:
    from workbench.runs.line import Line

    standing = Line.standing()
    if standing is None:
        raise BadInput("line.none_here")
    return standing


def _table(tickets: tuple[Ticket, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("place", "owner", "run", "device", "time"):
        table.add_column(text(f"line.cli.columns.{column}"), overflow="fold")
    for ticket in tickets:
        place = str(ticket.place) if ticket.place else text("line.cli.trains")
        owner = text("line.cli.you", owner=ticket.owner) if ticket.mine else ticket.owner
        cells = (place, owner, ticket.run, listed(ticket.devices), _time(ticket))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _time(ticket: Ticket) -> str:
    if ticket.seconds is None:
        return text("line.cli.unknown")
    minutes = round(ticket.seconds / 60)
    key = "soon" if minutes < 1 else "minutes" if minutes < 60 else "hours"
    values: dict[str, Any] = {"minutes": minutes % 60 if key == "hours" else minutes, "hours": minutes // 60}
    duration = text(f"line.time.{key}", **values)
    return duration if ticket.place else text("line.cli.until", time=duration)
