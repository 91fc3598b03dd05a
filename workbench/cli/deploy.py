"""``workbench deploy``: the assistant as a folder for a host. Knows the command line; bundles are the export room's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from workbench.texts import text

TARGETS = ("openxlab", "modelscope", "huggingface", "docker")
# what people call a host's place for apps -> the host
PLACES = {"spaces": "huggingface", "space": "huggingface", "hf": "huggingface", "studio": "modelscope"}


class Host(click.Choice[str]):
    """Read a host, by its name or by that of its place for apps."""

    def __init__(self) -> None:
        super().__init__(TARGETS)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read ``spaces`` as huggingface."""
        return super().convert(PLACES.get(str(value).lower(), value), param, ctx)


@click.command(help=text("deploy.command.help"))
@click.argument("target", type=Host())
@click.argument("source", metavar="RUN|MODEL")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--ui", "interface", type=click.Choice(["gradio", "streamlit"]), default="gradio", show_default=True,
              help=text("deploy.command.ui"))  # fmt: skip
@click.option("--keep-adapter", is_flag=True, help=text("deploy.command.keep_adapter"))
@click.option("--quantization", type=click.Choice(["none", "nf4"]), default="none", help=text("deploy.command.nf4"))
@click.option("--weights-url", default="", metavar="URL", help=text("deploy.command.weights_url"))
@click.option("--lang", type=click.Choice(["zh", "en"]), default=None, help=text("deploy.command.lang"))
@click.option("--tools", default="", help=text("deploy.command.tools"))
@click.option("--overwrite", is_flag=True, help=text("deploy.command.overwrite"))
@click.option("--check", is_flag=True, help=text("deploy.command.check"))
@click.option("--reuse", is_flag=True, help=text("deploy.command.reuse"))
@click.option("--question", default=None, help=text("deploy.command.question"))
@click.option("--push", "remote", default="", metavar="URL", help=text("deploy.command.push"))
@click.option("--replace", is_flag=True, help=text("deploy.command.replace"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def deploy(
    source: str, out: Path, overwrite: bool, check: bool, reuse: bool, question: str | None, remote: str, replace: bool,
    as_json: bool, **order: Any,
) -> None:  # fmt: skip
    """Bundle, check, push."""
    from workbench.export.bundle import Order, bundle
    from workbench.export.bundle_git import hidden, push
    from workbench.export.preflight import preflight

    def tell(stage: str) -> None:
        click.echo(text(f"deploy.stage.{stage}"), err=True)

    bundle(Order(source=source, **order), out, overwrite=overwrite, tell=tell)
    record: dict[str, Any] = {"out": str(out), "target": order["target"]}
    if warning := _warning(out):
        record["warning"] = warning
        click.echo(warning, err=True)
    if check or reuse:
        checked = preflight(out, question or text("deploy.question"), reuse=reuse, tell=tell)
        record |= {"answer": checked.answer, "install_seconds": round(checked.install, 1)}
        record |= {"start_seconds": round(checked.start, 1)}
    if remote:
        tell("push")
        record["branch"] = push(out, remote, replace=replace)
    if as_json:
        click.echo(json.dumps(record, ensure_ascii=False))
        return
    _say(record, hidden(remote))


def _warning(out: Path) -> str:
    """What to be told before others see it: the checkpoint was judged collapsed."""
    from workbench.models.notes import part, read_note

    run = part(read_note(out), "run")
    return text("deploy.collapsed", reason=run.get("reason") or "–") if run.get("verdict") == "collapsed" else ""


def _say(record: dict[str, Any], remote: str) -> None:
    from workbench.cli.terminal import printable

    click.echo(text("deploy.made", out=record["out"]))
    if "answer" in record:
        seconds = {"install": record["install_seconds"], "start": record["start_seconds"]}
        click.echo(text("deploy.checked", answer=printable(record["answer"]), **seconds))
    if remote:
        click.echo(text("deploy.pushed", url=remote, branch=record["branch"]))
    else:
        click.echo(text(f"deploy.next.{record['target']}", out=record["out"]))
