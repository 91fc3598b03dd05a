"""``workbench runs compare`` and ``workbench runs note``. Knows the command line; draws tables of a gallery."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.texts import text

if TYPE_CHECKING:
    from rich.table import Table

    from workbench.runs.gallery import Exhibit, Gallery

_SCORES = ("identity", "task", "general", "leak")


@click.command(help=text("runs.cli.compare"))
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), help=text("runs.cli.out"))
@click.option("--notes", is_flag=True, help=text("runs.cli.remarks"))
@click.option("--overwrite", is_flag=True, help=text("runs.cli.overwrite"))
@click.option("--json", "as_json", is_flag=True, help=text("runs.cli.json"))
def compare(runs: tuple[str, ...], out: Path | None, notes: bool, overwrite: bool, as_json: bool) -> None:
    """Print runs beside each other, and write them as a page."""
    from workbench.cli.outputs import guard
    from workbench.render.gallery import gallery_page
    from workbench.runs import write_bytes
    from workbench.training.gallery import gallery

    if out is not None:
        guard(out, None, overwrite=overwrite)
    several = gallery(runs)
    if out is not None:
        write_bytes(out, gallery_page(several if notes else several.without_remarks()).encode())
    if as_json:
        click.echo(json.dumps(several.as_json(), ensure_ascii=False))
        return
    _print(several)
    for sentence in several.unread:
        click.echo(f"– {sentence}", err=True)
    if out is not None:
        click.echo(text("runs.cli.written", path=out, count=len(several.exhibits)))


@click.command(help=text("runs.cli.note"))
@click.argument("run")
@click.argument("note", metavar="[TEXT]", required=False)
@click.option("--star/--no-star", default=None, help=text("runs.cli.star"))
@click.option("--json", "as_json", is_flag=True, help=text("runs.cli.json"))
def note(run: str, note: str | None, star: bool | None, as_json: bool) -> None:
    """Note what one thinks of a run."""
    from dataclasses import asdict

    from workbench.render.markup import visible
    from workbench.runs import find
    from workbench.runs.remarks import read_remarks, remark

    chosen = find(run)
    unchanged = note is None and star is None
    remarks = read_remarks(chosen.path) if unchanged else remark(chosen.path, note, star)
    if as_json:
        click.echo(json.dumps({"name": chosen.name, **asdict(remarks)}, ensure_ascii=False))
    elif not remarks.note and not remarks.star:
        click.echo(text("runs.cli.no_note", run=chosen.name))
    else:
        click.echo(text("runs.cli.noted", star="★ " if remarks.star else "", note=visible(remarks.note)))


def _print(several: Gallery) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(_results(several))
    for number, exhibit in enumerate(several.exhibits, 1):
        if exhibit.remarks.note:
            console.print(f"{number}: {_plain(exhibit.remarks.note)}", markup=False)
    differing = several.differing()
    if differing:
        console.print()
        console.print(_settings(several, differing))
    elif len(several.exhibits) > 1:
        console.print(text("render.gallery.alike"))


def _results(several: Gallery) -> Table:
    """A row for each run."""
    from rich.table import Table
    from rich.text import Text

    shown = [name for name in _SCORES if any(name in exhibit.scores() for exhibit in several.exhibits)]
    columns = ["run", *(name for name in ("at", "held_out", *shown)), "verdict", "state"]
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for column in columns:
        label = text(f"render.gallery.columns.{column}")
        widest = max(map(len, label.split())) if column != "run" else None
        table.add_column(label, overflow="fold", min_width=widest)
    for number, exhibit in enumerate(several.exhibits, 1):
        table.add_row(*(Text(_plain(cell)) for cell in (str(number), *_cells(exhibit, shown))))
    return table


def _cells(exhibit: Exhibit, shown: list[str]) -> list[str]:
    from workbench.render.plots import percent
    from workbench.render.theatre import verdict_word, worded

    scores, step = exhibit.scores(), "–" if exhibit.step is None else str(exhibit.step)
    return [
        ("★ " if exhibit.remarks.star else "") + exhibit.name,
        f"{step}/{exhibit.recording.steps}",
        f"{scores['held_out']:.3f}" if "held_out" in scores else "–",
        *(percent(scores.get(name)) for name in shown),
        verdict_word(exhibit.verdict, None) or "–",
        worded(f"runs.state.{exhibit.state}", exhibit.state, None),
    ]


def _settings(several: Gallery, differing: dict[str, tuple[str, ...]]) -> Table:
    """A row for each setting in which they differ, a column for each run, by its number."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column(text("render.gallery.columns.setting"), overflow="fold")
    for number in range(1, len(several.exhibits) + 1):
        table.add_column(str(number), overflow="fold")
    for name, values in differing.items():
        table.add_row(*(Text(_plain(cell)) for cell in (name, *(value or "–" for value in values))))
    return table


def _plain(cell: str) -> str:
    from workbench.render.markup import visible

    return visible(cell).replace("\n", " ")
