"""``workbench import``: what people bring from XTuner. Knows the command line; nothing of formats."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.errors import BadInput
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.imports import Brought


@click.command(name="import", help=text("imports.command.help"))
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help=text("imports.command.out"))
@click.option("--base", metavar="MODEL", help=text("imports.command.base"))
@click.option("--dtype", help=text("imports.command.dtype"))
@click.option("--dry-run", is_flag=True, help=text("imports.command.dry_run"))
@click.option("--overwrite", is_flag=True, help=text("imports.command.overwrite"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def bring(
    paths: tuple[Path, ...],
    out: Path | None,
    base: str | None,
    dtype: str | None,
    dry_run: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Bring along what XTuner left."""
    from workbench.imports import bring as begin

    if out is None and not dry_run:
        raise BadInput("imports.command.out_needed")
    result = begin(paths, None if dry_run else out, base=base, dtype=dtype, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(_told(result), ensure_ascii=False))
        return
    _show(result)


def _told(result: Brought) -> dict[str, object]:
    from workbench.imports.writing import rows

    recipe = result.recipe.model_dump(mode="json") if result.recipe else None
    return {
        "out": str(result.out) if result.out else None,
        "base": result.base,
        "parts": result.parts,
        "llava": bool(result.tower),
        "recipe": recipe,
        "rows": rows(result.rows),
    }


def _show(result: Brought) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from workbench.cli.terminal import printable

    console = Console(highlight=False)
    table = Table(show_lines=False, expand=False)
    for name in ("theirs", "ours", "note"):
        table.add_column(Text(text(f"imports.command.{name}")), overflow="fold")
    for row in result.rows:
        cells = (row.theirs, row.ours, row.said())
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)
    counts = Counter(row.kind for row in result.rows)
    numbers: dict[str, Any] = {kind: counts[kind] for kind in ("same", "translated", "left")}
    click.echo(text("imports.command.summary", **numbers))
    if result.out is None:
        return
    click.echo(text("imports.command.made", out=result.out))
    for part in ("adapter", "model"):
        if part in result.parts:
            click.echo(text(f"imports.command.next_{part}", out=result.out, base=result.base or "MODEL"))
    if result.tower:
        tower = result.out / "visual_encoder" if "visual_encoder" in result.parts else result.tower
        names: dict[str, Any] = {"base": result.base or "MODEL", "tower": tower}
        click.echo(text("imports.command.next_llava", out=result.out, **names))
    if result.recipe and "adapter" in result.parts:
        click.echo(text("imports.command.next_start", out=result.out))
    if result.recipe:
        click.echo(text("imports.command.next_recipe", out=result.out))
