"""``workbench data tools``. Knows how rows are asked for and counted; nothing of how they are made."""

from __future__ import annotations

import json
from pathlib import Path

import click

from workbench.texts import text


@click.command("tools", help=text("tools.rows.help"))
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--tools", "names", required=True, metavar="NAMES", help=text("tools.rows.tools"))
@click.option("--count", type=int, default=600, show_default=True, help=text("tools.rows.count"))
@click.option("--language", "languages", multiple=True, metavar="zh|en", help=text("tools.rows.language"))
@click.option("--seed", type=int, default=0, show_default=True, help=text("identity.cli.seed"))
@click.option("--overwrite", is_flag=True, help=text("identity.cli.overwrite"))
@click.option("--json", "as_json", is_flag=True, help=text("identity.cli.json"))
def tools(
    *, out: Path, names: str, count: int, languages: tuple[str, ...], seed: int, overwrite: bool, as_json: bool
) -> None:
    """Make rows, and write them."""
    from workbench.data.writing import write
    from workbench.tools.rows import LANGUAGES, counts, tool_rows

    rows = tool_rows(names, count, seed=seed, languages=languages or LANGUAGES)
    write(rows, out, overwrite=overwrite)
    kinds = counts(rows)
    if as_json:
        click.echo(json.dumps({"path": str(out), "conversations": len(rows), "by_kind": kinds}, ensure_ascii=False))
        return
    for kind, number in kinds.items():
        click.echo(f"{number:6}  {text(f'tools.rows.kinds.{kind}')}")
    click.echo(text("tools.rows.written", count=len(rows), path=out))
    click.echo(text("tools.rows.next", path=out))
