"""``workbench data``: check and convert. Knows how they are asked for and shown; nothing of how a set is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.data.formats import FORMATS
from workbench.texts import listed, text

if TYPE_CHECKING:
    from workbench.data.checking import Finding
    from workbench.data.conversation import Conversation

# commands with a module of their own
_SIBLINGS = {
    "identity": "workbench.cli.data_identity:identity",
    "tools": "workbench.cli.data_tools:tools",
    "pictures": "workbench.cli.data_pictures:pictures",
    "mix": "workbench.cli.data_identity:mix",
    "from": "workbench.cli.data_documents:from_",
}
_format = click.option("--format", "form", metavar="NAME", help=text("data.cli.options.format", formats=tuple(FORMATS)))
_validation = click.option("--validation", metavar="FILE", help=text("data.cli.options.validation"))
_model = click.option("--model", metavar="MODEL", help=text("data.cli.options.model"))
_template = click.option("--template", metavar="NAME", help=text("data.cli.options.template"))
_max_length = click.option(
    "--max-length", type=click.IntRange(min=1), metavar="N", help=text("data.cli.options.max_length")
)
_images = click.option("--image-folder", metavar="FOLDER", help=text("data.cli.options.image_folder"))
_limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help=text("data.cli.options.limit"))


class _DataGroup(click.Group):
    """Loads the siblings' commands when they are asked for, so that a check need not."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of the work."""
        siblings = [name for name, place in _SIBLINGS.items() if util.find_spec(place.partition(":")[0])]
        return [*siblings[:2], *super().list_commands(ctx), *siblings[2:]]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one of ours, or a sibling's."""
        if cmd_name in _SIBLINGS:
            module, _, name = _SIBLINGS[cmd_name].partition(":")
            command = getattr(import_module(module), name)
            return command if isinstance(command, click.Command) else None
        return super().get_command(ctx, cmd_name)


@click.group(cls=_DataGroup, help=text("data.cli.help"))
def data() -> None:
    """Hold the commands on conversations."""


@data.command(help=text("data.cli.check.help"))
@click.argument("file")
@_format
@_images
@_validation
@_model
@_template
@_max_length
@_limit
@click.option("--name", help=text("data.cli.options.name"))
@click.option("--author", default="", help=text("data.cli.options.author"))
@click.option("--strict", is_flag=True, help=text("data.cli.options.strict"))
@click.option("--lang", type=click.Choice(["en", "zh"]), help=text("data.cli.options.lang"))
@click.option("--json", "as_json", is_flag=True, help=text("data.cli.options.json"))
@click.pass_context
def check(
    ctx: click.Context,
    *,
    file: str,
    form: str | None,
    image_folder: str | None,
    validation: str | None,
    model: str | None,
    template: str | None,
    max_length: int | None,
    limit: int | None,
    name: str | None,
    author: str,
    strict: bool,
    lang: str | None,
    as_json: bool,
) -> None:
    """Read, check, show."""
    from workbench.cli.data_template import findings, measure
    from workbench.data.checking import check as look
    from workbench.data.conversation import Persona
    from workbench.data.reading import load, read

    _need_model(model, template=template, max_length=max_length)
    reading = load(file, format=form, limit=limit, image_folder=image_folder)
    tokenizer = _tokenizer(model)
    measured = measure(reading.conversations, tokenizer, template, max_length)
    results = look(
        reading.conversations,
        persona=Persona(name, author) if name else None,
        validation=read(validation, format=form, image_folder=image_folder) if validation else None,
        lengths=measured.lengths if measured else None,
        max_length=max_length,
        control=_control(tokenizer),
        lang=lang,
    )
    results = findings(results, reading.conversations, measured, lang)
    if as_json:
        click.echo(json.dumps(_as_json(len(reading.conversations), reading.format, results), ensure_ascii=False))
    else:
        count = len(reading.conversations)
        click.echo(text("data.cli.check.read", lang, file=file, count=count, format=reading.format))
        _show(results, lang)
    ctx.exit(1 if strict and results else 0)


def _as_json(count: int, form: str, results: Sequence[Finding]) -> dict[str, object]:
    findings = [
        {"code": f.code, "rows": list(f.rows), "message": f.message, "why": f.why, "remedy": f.remedy} for f in results
    ]
    return {"conversations": count, "format": form, "findings": findings}


def _tokenizer(model: str | None) -> Any:
    from workbench.models import load_tokenizer

    return load_tokenizer(model) if model else None


def _control(tokenizer: Any) -> list[str]:
    """The tokenizer's control tokens, as far as nobody would write them by chance; none without a tokenizer."""
    from workbench.templates.codec import codec

    tokens = codec(tokenizer).control if tokenizer is not None else {}
    return [token for token in tokens if len(token) > 2 and token[0] in "<[" and token[-1] in ">]"]


def _show(findings: Sequence[Finding], lang: str | None) -> None:
    """A table of the findings; what stands in a file is never read as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not findings:
        console.print(Text(text("data.cli.check.nothing", lang), style="bold"))
        return
    table = Table(show_lines=True)
    table.add_column(text("data.cli.check.code", lang), overflow="fold")
    table.add_column(text("data.cli.check.rows", lang), overflow="fold", max_width=24)
    table.add_column(text("data.cli.check.what", lang), overflow="fold")
    for finding in findings:
        rows = listed(finding.rows[:12], lang)
        if len(finding.rows) > 12:
            rows += " " + text("data.cli.check.more", lang, count=len(finding.rows))
        what = Text.assemble((finding.message, "bold"), "\n", finding.why)
        table.add_row(Text(finding.code, style="#D55E00"), Text(rows), what)
    console.print(table)
    click.echo(text("data.cli.check.remedy", lang) + ":")
    for finding in findings:
        click.echo(f"  {finding.code}: {finding.remedy}")


@data.command(help=text("data.cli.convert.help"))
@click.argument("file")
@click.argument("out", type=click.Path(path_type=Path))
@_format
@_images
@_limit
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help=text("data.cli.options.set"))
@click.option("--rename", "renames", multiple=True, metavar="OLD=NEW", help=text("data.cli.options.rename"))
@click.option("--drop", "drops", multiple=True, metavar="CODE", help=text("data.cli.options.drop"))
@click.option("--drop-column", "columns", multiple=True, metavar="NAME", help=text("data.cli.options.drop_column"))
@click.option("--drop-empty", is_flag=True, help=text("data.cli.options.drop_empty"))
@click.option("--dedupe", is_flag=True, help=text("data.cli.options.dedupe"))
@_validation
@_model
@_template
@_max_length
@click.option("--name", help=text("data.cli.options.name"))
@click.option("--overwrite", is_flag=True, help=text("data.cli.options.overwrite"))
@click.option("--json", "as_json", is_flag=True, help=text("data.cli.options.json"))
def convert(
    *,
    file: str,
    out: Path,
    form: str | None,
    image_folder: str | None,
    limit: int | None,
    sets: tuple[str, ...],
    renames: tuple[str, ...],
    drops: tuple[str, ...],
    columns: tuple[str, ...],
    drop_empty: bool,
    dedupe: bool,
    validation: str | None,
    model: str | None,
    template: str | None,
    max_length: int | None,
    name: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Read, mend, write."""
    from workbench.cli.outputs import guard
    from workbench.data import mending
    from workbench.data.reading import load, read
    from workbench.data.writing import write
    from workbench.errors import BadInput

    codes = [
        *drops,
        *(["empty_turn", "missing_answer"] if drop_empty else []),
        *(["near_duplicates"] if dedupe else []),
    ]
    _need(codes, model=model, validation=validation)
    _need_model(model, template=template, max_length=max_length)
    filled = dict(_pair(pair, "--set", "--set name=Sprout") for pair in sets)
    renamed = [_pair(pair, "--rename", "--rename ChatGPT=Sprout") for pair in renames]
    guard(out, file, overwrite=overwrite)
    reading = load(file, format=form, limit=limit, image_folder=image_folder)
    mended = mending.fill(reading.conversations, filled) if filled else reading.conversations
    for old, new in renamed:
        mended = mending.rename(mended, old, new)
    mended = mending.drop_columns(mended, columns) if columns else mended
    if codes:
        held_out = read(validation, format=form, image_folder=image_folder) if validation else None
        mended = _without(mended, codes, name, held_out, model, template, max_length)
    if not mended:
        raise BadInput("data.all_dropped", file=file)
    write(mended, out, overwrite=overwrite)
    dropped = len(reading.conversations) - len(mended)
    if as_json:
        report = {"path": str(out), "conversations": len(mended), "format": reading.format, "dropped": dropped}
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        summary = text("data.cli.convert.done", out=out, count=len(mended), format=reading.format, dropped=dropped)
        click.echo(summary)
        _say_what_is_left(mended)


def _need(codes: Sequence[str], *, model: str | None, validation: str | None) -> None:
    """Refuse codes that are unknown, or that cannot be found with what was given."""
    from workbench.data.findings import CODES
    from workbench.errors import BadInput, UnknownName, nearest

    for code in codes:
        if code not in CODES:
            raise UnknownName("data.unknown_code", given=code, nearest=nearest(code, CODES), known=tuple(CODES))
        if code in ("would_be_truncated", "no_trained_token") and not model:
            raise BadInput("data.needs_model", code=code)
        if code == "leakage_between_train_and_validation" and not validation:
            raise BadInput("data.needs_validation", code=code)


def _need_model(model: str | None, *, template: str | None, max_length: int | None) -> None:
    """Refuse options that count tokens where there is nothing to count them with."""
    from workbench.errors import BadInput

    options = [
        option for option, value in (("--max-length", max_length), ("--template", template)) if value is not None
    ]
    if options and not model:
        raise BadInput("data.option_needs_model", option=options[0])


def _pair(pair: str, option: str, example: str) -> tuple[str, str]:
    from workbench.errors import BadInput

    key, equals, value = pair.partition("=")
    if not equals or not key.strip():
        raise BadInput("data.bad_pair", option=option, given=pair, example=example)
    return key.strip(), value


def _without(
    conversations: list[Conversation],
    codes: Sequence[str],
    name: str | None,
    validation: Sequence[Conversation] | None,
    model: str | None,
    template: str | None,
    max_length: int | None,
) -> list[Conversation]:
    """The conversations without the rows of these findings."""
    from workbench.cli.data_template import measure
    from workbench.data.checking import check as look
    from workbench.data.conversation import Persona
    from workbench.data.mending import drop

    tokenizer = _tokenizer(model)
    measured = measure(conversations, tokenizer, template, max_length)
    findings = look(
        conversations,
        persona=Persona(name) if name else None,
        validation=validation,
        lengths=measured.lengths if measured else None,
        max_length=max_length,
        control=_control(tokenizer),
        only=codes,
    )
    return drop(conversations, findings, codes)


def _say_what_is_left(conversations: Sequence[Conversation]) -> None:
    from workbench.data.markers import placeholders

    unfilled = dict.fromkeys(n for c in conversations for m in c.messages for n in placeholders(m.content))
    if unfilled:
        names = tuple(f"{{{{{name}}}}}" for name in unfilled)
        click.echo(
            text("data.cli.convert.left", names=names, sets=" ".join(f"--set {n}=…" for n in unfilled)), err=True
        )
