"""``workbench encode``: conversations to token ids and labels. Knows where they go; nothing of how they are made."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from workbench.errors import BadInput
from workbench.texts import text


@click.command(help=text("templates.encode.help"))
@click.argument("file")
@click.option("--model", required=True, help=text("templates.encode.model"))
@click.option("--template", default=None, help=text("templates.encode.template"))
@click.option(
    "--loss-on",
    type=click.Choice(["assistant", "last", "all"]),
    default="assistant",
    show_default=True,
    help=text("templates.encode.loss_on"),
)
@click.option("--max-length", type=int, default=None, help=text("templates.encode.max_length"))
@click.option("--default-system", default="keep", show_default=True, help=text("templates.encode.default_system"))
@click.option(
    "--thinking",
    type=click.Choice(["keep", "empty", "mask"]),
    default="keep",
    show_default=True,
    help=text("templates.encode.thinking"),
)
@click.option("--compat", type=click.Choice(["xtuner"]), default=None, help=text("templates.encode.compat"))
@click.option("--format", "form", default=None, help=text("templates.encode.format"))
@click.option("--image-folder", metavar="FOLDER", default=None, help=text("data.cli.options.image_folder"))
@click.option("--limit", type=click.IntRange(min=1), default=None, help=text("templates.encode.limit"))
@click.option("--out", type=click.Path(), default=None, help=text("templates.encode.out"))
@click.option("--overwrite", is_flag=True, help=text("templates.encode.overwrite"))
@click.option("--json", "as_json", is_flag=True, help=text("templates.encode.json"))
def encode(
    file: str,
    model: str,
    template: str | None,
    loss_on: str,
    max_length: int | None,
    default_system: str,
    thinking: str,
    compat: str | None,
    form: str | None,
    image_folder: str | None,
    limit: int | None,
    out: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Encode a file."""
    from workbench.cli.outputs import guard
    from workbench.data import read
    from workbench.models import load_tokenizer
    from workbench.templates import bound, dressed
    from workbench.templates.encoding import check_settings
    from workbench.templates.encoding import encode as encoded_by
    from workbench.templates.named import spec

    check_settings(loss_on, max_length, compat)
    if template:
        spec(template)  # a misspelt name is said before anything is read
    if out:
        guard(Path(out), file, overwrite=overwrite)
    if compat and (default_system, thinking) != ("keep", "keep"):
        raise BadInput("templates.compat_settings")
    conversations = read(file, format=form, limit=limit, compat=compat, image_folder=image_folder)
    options: Any = {"system": default_system, "thinking": thinking}
    tokenizer = load_tokenizer(model)
    if not compat:
        tokenizer = dressed(tokenizer, template, **options)
    encoding = encoded_by(
        conversations,
        tokenizer,
        template=template if compat else bound(tokenizer, template, system=default_system),
        thinking=options["thinking"],
        loss_on=loss_on,  # type: ignore[arg-type]  # click has checked it
        max_length=max_length,
        compat=compat,
    )
    if not encoding.examples:
        raise BadInput("templates.none_left", file=file, summary=encoding.summary())
    if as_json or out:
        with _target(out) as target:
            target.writelines(_lines((e.input_ids, e.labels) for e in encoding.examples))
    click.echo(encoding.summary(), err=True)
    if out:
        click.echo(text("templates.encode.written", path=out), err=True)


def _lines(pairs: Iterable[tuple[tuple[int, ...], tuple[int, ...]]]) -> Iterator[str]:
    for ids, labels in pairs:
        yield json.dumps({"input_ids": ids, "labels": labels}) + "\n"


@contextmanager
def _target(out: str | None) -> Iterator[IO[str]]:
    """Stdout, or a file that appears only when it is whole."""
    if out is None:
        yield sys.stdout
        return
    target = Path(out)
    unfinished = target.with_name(target.name + ".part")
    try:
        with unfinished.open("w", encoding="utf-8") as opened:
            yield opened
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
