"""``workbench class``: a folder of run cards as a table, and whether a room is ready. Knows the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.errors import Failed
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.handin.checking import Doubt
    from workbench.handin.hidden import Asked
    from workbench.handin.packing import HandIn
    from workbench.handin.room import Finding
    from workbench.runs.events import Event

_COLUMNS = ("name", "lesson", "guesses", "quiz", "runs", "best", "identity", "general", "hidden", "doubts")
# what a doubt names by a word of the code, and where its words for people stand
_WORDED = {"what": "numbers", "score": "page.columns"}
# cells of a name that are not broken
_NAMED = 20


class FolderFirst(click.Group):
    """Take a folder for a command: ``workbench class FOLDER`` is ``workbench class show FOLDER``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``show`` before what is no command of this group."""
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(name="class", cls=FolderFirst, help=text("handin.cli.class"))
def class_() -> None:
    """Hold the commands of a teacher."""


@class_.command(help=text("handin.cli.show"))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--probes", type=click.Path(path_type=Path), help=text("handin.cli.probes"))
@click.option("--model", default="pocket", show_default=True, help=text("handin.cli.model"))
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help=text("handin.cli.html"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def show(folder: Path, probes: Path | None, model: str, html: Path | None, as_json: bool) -> None:
    """Print who is where, and what is to be looked at."""
    from workbench.handin.checking import doubts
    from workbench.handin.hidden import ask, read_probes, unkept
    from workbench.handin.packing import read_folder
    from workbench.render.markup import visible

    questions = read_probes(probes) if probes else []
    handed, troubles = read_folder(folder.expanduser())
    results = ask(handed, questions, model) if questions else {}
    noted = [*doubts(handed), *(unkept(handed, results) if results else [])]
    rows = [_row(item, results.get(item.file), [d for d in noted if d.file == item.file]) for item in handed]
    notes = [*_sentences(noted, handed), *(str(error) for error in troubles)]
    if html is not None:
        _write_page(html, rows, notes)
    if as_json:
        click.echo(
            json.dumps({"cards": rows, "unread": [str(e) for e in troubles], "notes": notes}, ensure_ascii=False)
        )
        return
    _print(rows)
    for note in notes:
        click.echo(f"– {visible(note)}")


def _row(item: HandIn, asked: Asked | None, noted: Sequence[Doubt]) -> dict[str, Any]:
    """A card's facts, for JSON and table alike."""
    card = item.card
    quiz = [answer for answer in card.answers if answer.kind == "quiz"]
    measured = [run for run in card.runs if run.best is not None]
    last = measured[-1] if measured else None
    scores = last.best.scores if last is not None and last.best is not None else {}
    return {
        "file": item.file,
        "name": card.name,
        "lesson": max((answer.lesson for answer in card.answers), default=None),
        "guesses": sum(answer.kind == "guess" for answer in card.answers),
        "quiz": [sum(bool(answer.right) for answer in quiz), len(quiz)],
        "runs": len(card.runs),
        "best": last.best_step if last is not None else None,
        "identity": scores.get("identity"),
        "general": scores.get("general"),
        "hidden": _hidden(asked),
        "doubts": [{"key": doubt.key, "grave": doubt.grave, **doubt.values} for doubt in noted],
    }


def _hidden(asked: Asked | None) -> dict[str, Any] | None:
    if asked is None:
        return None
    if asked.trouble is not None:
        return {"trouble": asked.trouble.say()}
    return {"run": asked.run, "right": asked.right, "count": asked.count}


def _sentences(noted: Iterable[Doubt], handed: Sequence[HandIn]) -> list[str]:
    """What is to be looked at. An equal result, of which a class that trains one recipe is full, is one sentence for
    all who share it, after the others."""
    single: list[str] = []
    groups: dict[str, list[Doubt]] = {}
    for doubt in noted:
        if doubt.group:
            groups.setdefault(doubt.group, []).append(doubt)
        else:
            single.append(_sentence(doubt, handed))
    names = {item.file: item.card.name for item in handed}
    return [*single, *(_equal(group, names) for group in groups.values())]


def _equal(group: Sequence[Doubt], names: Mapping[str, str]) -> str:
    people = sorted({names[doubt.file] for doubt in group})
    runs = sorted({str(doubt.values["run"]) for doubt in group})
    return text("handin.cli.equal", run=runs, count=len(people), names=tuple(people))


def _sentence(doubt: Doubt, handed: Iterable[HandIn]) -> str:
    from workbench.render.theatre import worded

    name = next(item.card.name for item in handed if item.file == doubt.file)
    spoken = {
        key: worded(f"handin.{_WORDED[key]}.{word}", word, None) for key, word in doubt.values.items() if key in _WORDED
    }
    return f"{name} ({doubt.file}): {text(f'handin.doubts.{doubt.key}', **doubt.values | spoken)}"


def _cells(row: dict[str, Any]) -> list[str]:
    hidden = row["hidden"] or {}
    asked = "–"
    if "trouble" in hidden:
        asked = "?"
    elif hidden:
        asked = f"{sum(hidden['right'].values())}/{sum(hidden['count'].values())}"
    grave = sum(doubt["grave"] for doubt in row["doubts"])
    marks = "!" * min(3, grave) or ("·" if row["doubts"] else "")
    shares = ["–" if row[key] is None else f"{row[key]:.0%}" for key in ("identity", "general")]
    numbers = ["–" if row[key] is None else str(row[key]) for key in ("lesson", "guesses")]
    quiz = f"{row['quiz'][0]}/{row['quiz'][1]}"
    best = "–" if row["best"] is None else str(row["best"])
    return [row["name"], *numbers, quiz, str(row["runs"]), best, *shares, asked, marks]


def _print(rows: Sequence[dict[str, Any]]) -> None:
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from workbench.runs.common import printable

    table = Table(box=None, pad_edge=False)
    longest = max((cell_len(row["name"]) for row in rows), default=0)
    for column in _COLUMNS:
        label = text(f"handin.cli.columns.{column}")
        least = min(longest, _NAMED) if column == "name" else max(map(cell_len, label.split()))
        table.add_column(label, overflow="fold", min_width=least)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in _cells(row)))
    Console(highlight=False).print(table)


def _write_page(path: Path, rows: Sequence[dict[str, Any]], notes: Sequence[str]) -> None:
    from workbench.handin.page import class_html
    from workbench.runs import write_bytes

    head = [text(f"handin.cli.columns.{column}") for column in _COLUMNS]
    write_bytes(path, class_html(head, [_cells(row) for row in rows], notes).encode())


@class_.command(help=text("handin.cli.check"))
@click.option("--people", type=click.IntRange(1, 1000), default=30, show_default=True, help=text("handin.cli.people"))
@click.option("--recipe", default="pocket-qlora", show_default=True, help=text("handin.cli.recipe"))
@click.option(
    "--minutes", type=click.FloatRange(min=1), default=60.0, show_default=True, help=text("handin.cli.minutes")
)
@click.option("--port", "ports", type=click.IntRange(1, 65535), multiple=True, help=text("handin.cli.port"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def check(people: int, recipe: str, minutes: float, ports: tuple[int, ...], as_json: bool) -> None:
    """Say whether the room is ready for a class."""
    from dataclasses import asdict

    from workbench.handin.room import STEPS
    from workbench.handin.room import check as look
    from workbench.training import load_recipe, with_overrides

    settings = load_recipe(recipe)
    if not settings.persona.name:
        settings = with_overrides(settings, persona={"name": "Sprout"})
    click.echo(text("handin.cli.measuring", steps=STEPS), err=True)
    findings = []
    for finding in look(settings, people, ports or (8888, 7860), Path.cwd(), minutes, _waits):
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, default=str))
    if any(finding.ok is False for finding in findings):
        raise Failed("handin.not_ready")


def _waits(event: Event) -> None:
    """Say that the short training waits for the device."""
    from workbench.runs.events import StatusEvent

    if isinstance(event, StatusEvent) and event.state == "waiting":
        click.echo(event.message, err=True)


def _line(finding: Finding) -> str:
    mark = {True: "✓", False: "✗", None: "·"}[finding.ok]
    key = f"handin.room.{finding.name}" + ("" if finding.ok else "_missing")
    return f"{mark} {text(key, **finding.values)}"
