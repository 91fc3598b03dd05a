"""``workbench card``: what a learner hands in. Knows the command line; nothing of what stands on a card."""

from __future__ import annotations

import json
from pathlib import Path

import click

from workbench.texts import text


@click.command(help=text("handin.cli.card"))
@click.argument("folder", type=click.Path(path_type=Path), default=Path("my-work"), required=False)
@click.option("--name", required=True, help=text("handin.cli.name"))
@click.option("--sentence", default="", help=text("handin.cli.sentence"))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help=text("handin.cli.out"))
@click.option("--overwrite", is_flag=True, help=text("handin.cli.overwrite"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def card(folder: Path, name: str, sentence: str, out: Path | None, overwrite: bool, as_json: bool) -> None:
    """Write a run card."""
    from workbench.handin.collecting import collect
    from workbench.handin.packing import file_name, write
    from workbench.handin.values import to_record

    made = collect(folder.expanduser(), name.strip() or "–", sentence)
    files = write(made, folder.expanduser(), out or Path(file_name(name)), overwrite=overwrite)
    if as_json:
        click.echo(json.dumps({"files": [str(file) for file in files], "card": to_record(made)}, ensure_ascii=False))
        return
    guesses = sum(answer.kind == "guess" for answer in made.answers)
    quiz = [answer for answer in made.answers if answer.kind == "quiz"]
    right = sum(bool(answer.right) for answer in quiz)
    click.echo(text("handin.cli.written", runs=len(made.runs), guesses=guesses, right=right, quiz=len(quiz)))
    for unread in made.unread:
        click.echo(text("handin.cli.unread", file=unread), err=True)
    click.echo(text("handin.cli.hand_in", file=files[-1], page=files[1]))
