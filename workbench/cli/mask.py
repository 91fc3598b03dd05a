"""``workbench mask``: one conversation, token by token. Knows files and the terminal; not what is trained and why."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.errors import BadInput
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.data.conversation import Conversation
    from workbench.templates.view import MaskView


@click.command(help=text("render.command.help"))
@click.argument("file", required=False)
@click.option("--row", type=click.IntRange(min=1), default=1, show_default=True, help=text("render.command.row"))
@click.option("--format", "format_", default=None, help=text("render.command.format"))
@click.option("--image-folder", metavar="FOLDER", default=None, help=text("data.cli.options.image_folder"))
@click.option("--question", default=None, help=text("render.command.question"))
@click.option("--answer", default=None, help=text("render.command.answer"))
@click.option("--system", default="", help=text("render.command.system"))
@click.option("--model", default="pocket", show_default=True, help=text("render.command.model"))
@click.option("--template", default=None, help=text("render.command.template"))
@click.option("--compare-template", default=None, help=text("render.command.compare_template"))
@click.option(
    "--loss-on",
    type=click.Choice(["assistant", "last", "all"]),
    default="assistant",
    show_default=True,
    help=text("render.command.loss_on"),
)
@click.option("--max-length", type=click.IntRange(min=1), default=None, help=text("render.command.max_length"))
@click.option("--default-system", default="keep", show_default=True, help=text("templates.encode.default_system"))
@click.option(
    "--thinking",
    type=click.Choice(["keep", "empty", "mask"]),
    default="keep",
    show_default=True,
    help=text("templates.encode.thinking"),
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help=text("render.command.html"))
@click.option("--overwrite", is_flag=True, help=text("render.command.overwrite"))
@click.option("--large", is_flag=True, help=text("render.command.large"))
@click.option("--json", "as_json", is_flag=True, help=text("render.command.json"))
@click.option("--lang", type=click.Choice(["en", "zh"]), default=None, help=text("render.command.lang"))
def mask(
    file: str | None,
    row: int,
    format_: str | None,
    image_folder: str | None,
    question: str | None,
    answer: str | None,
    system: str,
    html: Path | None,
    overwrite: bool,
    large: bool,
    as_json: bool,
    lang: str | None,
    compare_template: str | None,
    **options: Any,
) -> None:
    """Show which tokens are trained and why."""
    from workbench.cli.outputs import guard

    if html:
        guard(html, file, overwrite=overwrite)
    if question is not None or answer is not None:
        conversation = _asked(file, question, answer, system)
    else:
        conversation = _from_file(file, row, format_, image_folder)
        _warn(conversation, lang)
    views = _views(conversation, compare_template, **options)
    if html:
        _write(html, views, lang, large)
    if as_json:
        documents = [as_document(view) for view in views]
        click.echo(json.dumps(documents[0] if len(views) == 1 else documents, ensure_ascii=False))
    elif not html:
        _print(views, lang)


def _warn(conversation: Conversation, lang: str | None) -> None:
    """Say on standard error what columns of the row change its meaning and are not read."""
    from workbench.data.doubts import of_columns

    for finding in of_columns([conversation], lang):
        sentence = text("training.state.doubt", lang, message=finding.message, remedy=finding.remedy)
        click.echo(sentence, err=True)


def _asked(file: str | None, question: str | None, answer: str | None, system: str) -> Conversation:
    from workbench.data.conversation import ask

    if file or not question or not answer:
        raise BadInput("render.command.question_and_answer")
    return ask(question, answer, system=system)


def _from_file(file: str | None, row: int, format_: str | None, image_folder: str | None) -> Conversation:
    from workbench.data import read

    if file is None:
        raise BadInput("render.command.nothing_to_show")
    if file == "-":
        return _from_stdin(row, format_)
    # of a folder all is read: only then is it known how its rows are counted
    limit = None if Path(file).is_dir() else row
    return _row(read(file, format=format_, limit=limit, image_folder=image_folder), row, file)


def _from_stdin(row: int, format_: str | None) -> Conversation:
    """The reader takes files; what comes through a pipe is put into one."""
    from workbench.data import read
    from workbench.data.limits import check_bytes, limits

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "stdin.jsonl"
        content = sys.stdin.buffer.read(limits().decoded + 1)  # a device goes on without end
        check_bytes(len(content), "-")
        copy.write_bytes(content)
        return _row(read(copy, format=format_, limit=row), row, "-")


def _row(conversations: list[Conversation], row: int, file: str) -> Conversation:
    """The conversation of a row, counted as ``data check`` counts: of JSON lines, the line of the file."""
    from workbench.data.findings import Rows

    rows = Rows(conversations, None)
    index = rows.index_of(row)
    if index is not None:
        return conversations[index]
    last = max(rows.numbers(range(len(conversations))))
    if row > last:
        raise BadInput("render.command.no_row", file=file, row=row, rows=last)
    raise BadInput("render.command.empty_row", file=file, row=row)


def _views(conversation: Conversation, compare_template: str | None, *, model: str, template: str | None,
           loss_on: Any, max_length: int | None, default_system: str, thinking: Any) -> list[MaskView]:  # fmt: skip
    from workbench.models import load_tokenizer
    from workbench.templates import bound, dressed
    from workbench.templates.view import mask_view

    def view(name: str | None) -> MaskView:
        tokenizer = dressed(loaded, name, system=default_system, thinking=thinking)
        chosen = bound(tokenizer, name, system=default_system)
        options: Any = {"loss_on": loss_on, "max_length": max_length, "thinking": thinking}
        return mask_view(conversation, tokenizer, template=chosen, **options)

    loaded = load_tokenizer(model)
    return [view(name) for name in ([template] if compare_template is None else [template, compare_template])]


def _write(html: Path, views: list[MaskView], lang: str | None, large: bool) -> None:
    from workbench.render import mask_page
    from workbench.templates.view import compare_views

    shown = views[0] if len(views) == 1 else compare_views(*views)
    title = text("render.mask.title" if len(views) == 1 else "render.compare.title", lang)
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(mask_page(shown, title=title, lang=lang, large=large), encoding="utf-8")
    click.echo(text("render.command.written", lang, file=html), err=True)


def _print(views: list[MaskView], lang: str | None) -> None:
    from rich.console import Console

    from workbench.render import mask_text

    console = Console(highlight=False, soft_wrap=False)
    for number, view in enumerate(views):
        if number:
            console.rule()
        console.print(mask_text(view, lang=lang))


def as_document(view: MaskView) -> dict[str, Any]:
    """Return the view for a program: every token, the counts, and what serving sends."""
    tokens = [
        {"index": t.index, "id": t.id, "text": t.text, "group": t.group, "role": t.role, "field": t.field,
         "turn": t.turn, "label": t.label, "trained": t.trained, "rule": t.rule}
        for t in view.tokens
    ]  # fmt: skip
    return {
        "template": view.template,
        "loss_on": view.loss_on,
        "text": view.text,
        "tokens": tokens,
        "groups": [{"text": group.text, "start": group.start, "end": group.end} for group in view.groups],
        "counts": {"tokens": len(view.tokens), "trained": view.trained, "share": view.share, "cut": view.cut},
        "served": {
            "text": view.prompt_text,
            "ids": list(view.prompt_ids),
            "is_prefix": view.prompt_is_prefix,
            "differs_at": view.differs_at,
        },
        "stop_ids": list(view.stop_ids),
        "stop_trained": view.stop_trained,
        "thinking": view.thinking,
        "default_system": view.default.text if view.default else "",
        "answers": {"all": view.answers, "apart": dict(view.apart)},
    }
