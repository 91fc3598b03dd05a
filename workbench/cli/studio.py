"""``workbench studio``, and the finished assistant's page. Knows where the apps are; imports no web library itself."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import click

import workbench.errors
from workbench.errors import BadInput
from workbench.texts import text


def app(name: str, library: str) -> ModuleType:
    """Return the module that starts an app: in the wheel under ``workbench._apps``, else in the repository's ``apps``.

    Raises:
        BadInput: the library that draws it is not installed.
    """
    if find_spec(library) is None:
        raise BadInput("web.needs", library=library)
    click.echo(text("web.page.coming"), err=True)  # the libraries of a page load for seconds
    package = Path(workbench.errors.__file__).parent
    if (package / "_apps").is_dir():
        return import_module(f"workbench._apps.{name}.app")
    root = str(package.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    return import_module(f"apps.{name}.app")


@click.command(help=text("studio.command.help"))
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=Path("studio"), show_default=True,
              help=text("studio.command.root"))  # fmt: skip
@click.option("--host", default=None, help=text("web.options.host"))
@click.option("--port", type=click.IntRange(0, 65535), default=None, help=text("web.options.port"))
@click.option("--lang", type=click.Choice(["zh", "en"]), default=None, help=text("web.options.lang"))
@click.option("--at-once", type=click.IntRange(1, 1000), default=None, help=text("studio.command.at_once"))
@click.option("--recipe", default="pocket-qlora", show_default=True, help=text("studio.command.recipe"))
def studio(root: Path, **options: Any) -> None:
    """Serve the studio until Ctrl-C."""
    app("studio", "gradio").serve(root, **options)
