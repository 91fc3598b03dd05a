"""``workbench recipes``: the settings of a run. Knows recipes; nothing of training."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path

import click

from workbench.errors import OutputExists
from workbench.texts import text


@click.group(help=text("cli.recipes.help"))
def recipes() -> None:
    """List, show or copy recipes."""


@recipes.command(name="list", help=text("cli.recipes.list"))
@click.option("-p", "--pattern", default="*", help=text("cli.recipes.pattern"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def list_(pattern: str, as_json: bool) -> None:
    """List the shipped recipes whose name matches."""
    from workbench.training.recipe import load_recipe, shipped

    glob = pattern if set("*?[") & set(pattern) else f"*{pattern}*"
    rows = [(name, load_recipe(name)) for name in shipped() if fnmatch.fnmatch(name, glob)]
    if as_json:
        click.echo(json.dumps([{"name": n, "model": r.model.name, "method": r.adapter.method} for n, r in rows]))
        return
    for name, recipe in rows:
        bits = "4 bit" if recipe.model.quantization == "nf4" else "16 bit"
        click.echo(f"{name:32} {recipe.model.name}  {recipe.adapter.method}  {bits}")


@recipes.command(help=text("cli.recipes.show"))
@click.argument("name")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=text("cli.set"))
def show(name: str, overrides: tuple[str, ...]) -> None:
    """Print a recipe with every setting explained."""
    from workbench.training.recipe import load_recipe, recipe_yaml

    click.echo(recipe_yaml(load_recipe(name, overrides)), nl=False)


@recipes.command(help=text("cli.recipes.copy"))
@click.argument("name")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=text("cli.set"))
def copy(name: str, out: Path, overrides: tuple[str, ...]) -> None:
    """Copy a recipe into a file of your own."""
    from workbench.training.recipe import load_recipe, recipe_yaml

    content = recipe_yaml(load_recipe(name, overrides))
    if out.exists():
        raise OutputExists("cli.recipes.exists", path=out)
    out.write_text(content, encoding="utf-8")
    click.echo(text("cli.recipes.copied", path=out))
