"""``workbench convert`` and ``workbench merge``. Knows the command line; nothing of weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.texts import lookup, text

if TYPE_CHECKING:
    from workbench.export import Honesty, Source


@click.command(help=text("export.command.convert"))
@click.argument("run_or_checkpoint", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help=text("export.command.overwrite"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def convert(run_or_checkpoint: Path, out: Path, overwrite: bool, as_json: bool) -> None:
    """Convert a checkpoint to an adapter."""
    from workbench.export import convert as begin
    from workbench.export import read_note

    sources: list[Source] = []

    def chosen(source: Source) -> None:
        sources.append(source)
        if not as_json:
            details: dict[str, Any] = {"step": source.step, "reason": source.reason, "checkpoint": source.checkpoint}
            click.echo(text(f"export.chosen.{source.chosen}", **details))

    begin(run_or_checkpoint, out, overwrite=overwrite, chosen=chosen)
    note = read_note(out)
    base, is_model = note.get("base", {}).get("name", "MODEL"), note.get("kind") == "merged"
    if as_json:
        source = sources[0]
        details = {"out": str(out), "base": base, "checkpoint": str(source.checkpoint), "step": source.step}
        details["kind"] = note.get("kind")
        click.echo(json.dumps(details, ensure_ascii=False))
    else:
        click.echo(
            text("export.command.whole", out=out) if is_model else text("export.command.converted", out=out, base=base)
        )


@click.command(help=text("export.command.merge"))
@click.argument("model")
@click.argument("adapter", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--max-shard-size", default="2GB", show_default=True, help=text("export.command.max_shard_size"))
@click.option("--dtype", help=text("export.command.dtype"))
@click.option(
    "--base-quantization",
    type=click.Choice(["none", "nf4"]),
    default="none",
    show_default=True,
    help=text("export.command.base_quantization"),
)
@click.option(
    "--names",
    type=click.Choice(["llama", "original"]),
    default="llama",
    show_default=True,
    help=text("export.command.names"),
)
@click.option("--overwrite", is_flag=True, help=text("export.command.overwrite"))
@click.option("--any-base", is_flag=True, help=text("export.command.any_base"))
@click.option("--check", is_flag=True, help=text("export.command.check"))
@click.option("--question", "questions", multiple=True, help=text("export.command.question"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def merge(
    model: str,
    adapter: Path,
    out: Path,
    max_shard_size: str,
    dtype: str | None,
    base_quantization: str,
    names: str,
    overwrite: bool,
    any_base: bool,
    check: bool,
    questions: tuple[str, ...],
    as_json: bool,
) -> None:
    """Merge a base and its adapter to one model."""
    from workbench.cli.terminal import quiet
    from workbench.export import honesty
    from workbench.export import merge as begin

    settings: dict[str, Any] = {"max_shard_size": max_shard_size, "dtype": dtype, "overwrite": overwrite}
    settings |= {"any_base": any_base, "base_quantization": base_quantization, "names": names}
    with _bar(hidden=as_json) as progress:
        begin(
            model, adapter, out, progress=progress, notice=lambda sentence: click.echo(sentence, err=True), **settings
        )
    report = None
    if check or questions:
        quiet()
        report = honesty(model, adapter, out, list(questions) or list(lookup("export.questions")))
    if as_json:
        click.echo(json.dumps({"out": str(out), **(_as_json(report) if report else {})}, ensure_ascii=False))
        return
    if report:
        _show(report)
    click.echo(text("export.command.merged", out=out))


@contextmanager
def _bar(*, hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal; silent where there is none."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    off = hidden or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=off) as bar:
        task = bar.add_task(text("export.command.writing"), total=None)
        yield lambda written, total: bar.update(task, completed=written, total=total)


def _as_json(report: Honesty) -> dict[str, Any]:
    return {
        "merged_matches_adapter": report.merged_matches_adapter,
        "merged_as_trained": report.merged_as_trained,
        "questions": list(report.questions),
        "adapter": list(report.reference),
        "compared": {
            comparison.way: {
                "answers": list(comparison.answers),
                "same": comparison.same,
                "agree": comparison.agree,
                "max_difference": comparison.max_difference,
                "mean_difference": comparison.mean_difference,
            }
            for comparison in report.compared
        },
    }


def _show(report: Honesty) -> None:
    """The table, then each answer that differs."""
    from rich.console import Console
    from rich.table import Table

    from workbench.cli.terminal import printable

    table = Table(title=text("export.honesty.title", n=len(report.questions)))
    for key, justify in (("way", "left"), ("same", "right"), ("max", "right"), ("mean", "right")):
        table.add_column(text(f"export.honesty.{key}"), justify=justify)  # type: ignore[arg-type]
    table.add_row(text(f"export.honesty.reference.{report.base_quantization}"), "100%", "", "")
    for comparison in report.compared:
        numbers = (f"{comparison.same:.0%}", f"{comparison.max_difference:.3g}", f"{comparison.mean_difference:.2g}")
        table.add_row(text(f"export.honesty.{comparison.way}"), *numbers)
    Console(highlight=False).print(table)
    triples = zip(report.questions, report.reference, report.of("merged").answers, strict=True)
    parted = [(q, a, m) for q, a, m in triples if a != m]
    verdict = "differs" if not report.merged_matches_adapter else "ties" if parted else "matches"
    click.echo(text(f"export.honesty.{verdict}", n=len(parted), all=len(report.questions)))
    for question, by_adapter, by_merged in parted:
        answers = {"question": question, "adapter": by_adapter, "merged": by_merged}
        click.echo(text("export.honesty.pair", **{key: printable(answer) for key, answer in answers.items()}))
