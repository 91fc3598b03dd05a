"""``workbench data from``: documents to passages, and to questions with answers. Knows the command line; nothing of how
a document is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.errors import BadInput
from workbench.texts import listed, text

if TYPE_CHECKING:
    from workbench.data.conversation import Message
    from workbench.data.documents.asking import Ask, Asked


@click.command(name="from", help=text("data.documents.cli.help"))
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, metavar="FILE", type=click.Path(path_type=Path), help=text("data.documents.cli.out")
)
@click.option("--size", type=click.IntRange(min=80, max=100_000), help=text("data.documents.cli.size"))
@click.option("--questions", metavar="FILE", type=click.Path(path_type=Path), help=text("data.documents.cli.questions"))
@click.option("--endpoint", metavar="URL", help=text("data.documents.cli.endpoint"))
@click.option("--endpoint-model", metavar="NAME", help=text("data.documents.cli.endpoint_model"))
@click.option("--each", type=click.IntRange(min=1, max=50), default=2, help=text("data.documents.cli.each"))
@click.option("--most", type=click.IntRange(min=1), help=text("data.documents.cli.most"))
@click.option("--lang", type=click.Choice(["en", "zh"]), help=text("data.documents.cli.lang"))
@click.option("--cite", is_flag=True, help=text("data.documents.cli.cite"))
@click.option("--overwrite", is_flag=True, help=text("data.cli.options.overwrite"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def from_(
    *,
    files: tuple[Path, ...],
    out: Path,
    size: int | None,
    questions: Path | None,
    endpoint: str | None,
    endpoint_model: str | None,
    each: int,
    most: int | None,
    lang: str | None,
    cite: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Read, cut, perhaps ask, write."""
    from workbench.cli.outputs import guard
    from workbench.data.documents import passages, sections
    from workbench.data.documents.passages import SIZE
    from workbench.data.writing import write

    if (questions is None) != (endpoint is None):
        raise BadInput("data.documents.both")
    for target in filter(None, (out, questions)):
        for file in files:
            guard(target, str(file), overwrite=overwrite)
    if questions is not None and questions.absolute() == out.absolute():
        raise BadInput("data.onto_itself", path=out)
    model = _endpoint(endpoint, endpoint_model) if endpoint else None
    made = passages((one for file in files for one in sections(file)), size=size or SIZE)
    if not made.conversations:
        key = "nothing" if made.empty else "nothing_but_headings"
        raise BadInput(f"data.documents.{key}", file=tuple(files), empty=made.empty)
    write(made.conversations, out, overwrite=overwrite)
    facts: dict[str, Any] = {"path": str(out), "passages": len(made.conversations), "sections": made.sections,
                            "groups": len({one.group for one in made.conversations}), "empty_pages": made.empty,
                            "running_lines": made.running, "too_short": made.short}  # fmt: skip
    if not as_json:
        _tell(facts)
    if model is not None and questions is not None:
        from workbench.data.documents.asking import questions as begin

        results = begin(made.conversations[:most], model, each=each, cite=cite, lang=lang)
        _write_questions(results, questions, facts, overwrite=overwrite, as_json=as_json)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))


def _endpoint(url: str, model: str | None) -> Ask:
    """What asks the server, one passage at a time."""
    from workbench.chat.assistant import Sampling
    from workbench.chat.endpoint import Endpoint

    server = Endpoint(url, model)

    def reply(messages: Sequence[Message]) -> str:
        return "".join(server.stream(list(messages), sampling=Sampling(temperature=0.0, max_new_tokens=1024)))

    return reply


def _write_questions(results: Asked, file: Path, facts: dict[str, Any], *, overwrite: bool, as_json: bool) -> None:
    from workbench.data.writing import write

    if not results.conversations:
        raise BadInput("data.documents.no_questions", count=results.passages, reasons=_reasons(results.dropped))
    write(results.conversations, file, overwrite=overwrite)
    facts["questions"] = {"path": str(file), "pairs": len(results.conversations), "asked": results.passages,
                         "dropped": results.dropped}  # fmt: skip
    if as_json:
        return
    values: dict[str, Any] = {"path": file, "count": len(results.conversations), "asked": results.passages}
    click.echo(text("data.documents.cli.asked", **values))
    if results.dropped:
        click.echo(text("data.documents.cli.dropped", reasons=_reasons(results.dropped)))
    if results.ended is not None:
        click.echo(text("data.documents.cli.ended", reason=results.ended.say()), err=True)


def _reasons(dropped: dict[str, int]) -> str:
    return listed(f"{text(f'data.documents.dropped.{why}')}: {count}" for why, count in sorted(dropped.items()))


def _tell(facts: dict[str, Any]) -> None:
    click.echo(text("data.documents.cli.made", **facts))
    for key in ("empty_pages", "running_lines", "too_short"):
        if facts[key]:
            click.echo(text(f"data.documents.cli.{key}", count=facts[key]))
