"""``workbench quickstart``: the whole way in one command. Knows the terminal; the way itself is in
workbench.quickstart."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from workbench.environment import no_collection, prepare
from workbench.errors import Interrupted
from workbench.texts import language, text

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.quickstart import Outcome, Quickstart


@click.command(help=text("quickstart.help"))
@click.option("--name", default=None, help=text("quickstart.options.name"))
@click.option("--author", default=None, help=text("quickstart.options.author"))
@click.option("--lang", type=click.Choice(["zh", "en"]), default=None, help=text("quickstart.options.lang"))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("my-assistant"), help=text("quickstart.options.out")
)
@click.option("--general", default=None, help=text("quickstart.options.general"))
@click.option("--seed", type=int, default=0, show_default=True, help=text("quickstart.options.seed"))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=text("cli.set"))
@click.option("--resume", is_flag=True, help=text("quickstart.options.resume"))
@click.option("--json", "as_json", is_flag=True, help=text("cli.json"))
def quickstart(
    name: str | None,
    author: str | None,
    lang: str | None,
    out: Path,
    general: str | None,
    seed: int,
    overrides: tuple[str, ...],
    resume: bool,
    as_json: bool,
) -> None:
    """Walk the whole way and show each part of it."""
    from workbench.data.conversation import Persona

    prepare()
    spoken = _speak(lang)
    from rich.console import Console

    from workbench.quickstart import Quickstart
    from workbench.runs import is_run

    console = Console(stderr=as_json, highlight=False)
    if resume:
        chosen = click.get_current_context().get_parameter_source("seed") is ParameterSource.COMMANDLINE
        settings = {"persona.name": name, "persona.author": author, "runtime.seed": seed if chosen else None}
        changes = [
            f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in settings.items() if value is not None
        ]
        way = Quickstart.again(out, spoken, general, (*changes, *overrides))
    else:
        persona = Persona(name=name if name is not None else text("quickstart.name"), author=author or "")
        way = Quickstart(persona, out, spoken, general, overrides=(f"seed={seed}", *overrides))
    try:
        outcome = _walk(way, console, resume)
    except (KeyboardInterrupt, Interrupted):
        if not is_run(out):  # nothing to go on with
            raise click.Abort from None
        way.stop()
        raise Interrupted("quickstart.interrupted", run=out) from None
    if as_json:
        click.echo(json.dumps(outcome.record(), ensure_ascii=False))
    outcome.check()
    console.print(text("quickstart.done", name=way.persona.name, run=out), markup=False)


def _speak(lang: str | None) -> str:
    """Settle the language for all that this process says."""
    import os

    spoken = language(lang)
    os.environ["WORKBENCH_LANG"] = spoken
    return spoken


def _walk(way: Quickstart, console: Console, resume: bool) -> Outcome:
    from workbench.cli.progress import Progress

    console.print(text("quickstart.part.data", name=way.persona.name), style="bold", markup=False)
    run, conversations = way.begin(resume=resume)
    if way.rehearsed:
        questions, count = way.asked
        details: dict[str, Any] = {"shipped": way.general, "path": way.rehearsed, "asked": questions, "count": count}
        key = "quickstart.rehearsed" if way.settings.model.name == "pocket" else "quickstart.rehearsed_own"
        console.print(text(key, **details), markup=False)
    kinds = [sum(c.kind.startswith("identity") for c in conversations), len(conversations)]
    console.print(text("quickstart.counts", identity=kinds[0], general=kinds[1] - kinds[0]), markup=False)
    console.print(text("quickstart.part.mask"), style="bold", markup=False)
    mask = _mask(way, conversations)
    from workbench.render import mask_text

    console.print(mask_text(mask))
    # only now: two threads that import the same library for the first time get in each other's way
    loading = threading.Thread(target=_load_libraries, daemon=True)
    loading.start()
    console.print(text("quickstart.part.train"), style="bold", markup=False)
    with Progress(console) as progress:
        way.follow(run, progress)
    console.print(text("quickstart.part.finish"), style="bold", markup=False)
    loading.join()
    outcome = way.finish(run)
    _answers(outcome, console)
    outcome.write(_page(way, outcome, mask))
    return outcome


def _load_libraries() -> None:
    """What is needed after the training is loaded while the worker is starting."""
    with no_collection():
        import peft  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401


def _mask(way: Quickstart, conversations: Any) -> Any:
    from workbench.models import load_tokenizer
    from workbench.templates import mask_view
    from workbench.training.data import dress, template_of

    identity = [c for c in conversations if c.kind.startswith("identity") and c.lang == way.lang]
    identity = [c for c in identity if way.persona.name in c.answer] or identity  # some greet the user, and say no name
    shortest = min(identity or conversations, key=lambda c: sum(len(m.content) for m in c.messages))
    settings = way.settings
    with no_collection():  # it loads most of the libraries
        tokenizer = dress(settings, load_tokenizer(settings.model.name))
    options: Any = {"loss_on": settings.data.loss_on, "thinking": settings.data.thinking}
    return mask_view(shortest, tokenizer, template=template_of(settings, tokenizer), **options)


def _answers(outcome: Outcome, console: Console) -> None:
    from workbench.render import answers_table, scores_table

    console.print(answers_table(_rows(outcome)))
    console.print(scores_table(_score_rows(outcome)))


def _rows(outcome: Outcome) -> Any:
    from workbench.render import AnswerRow, Answers

    labels = ("base", "merged")
    rows = [AnswerRow(c.question, tuple(c.answers[label] for label in labels)) for c in outcome.answers]
    return Answers(labels, tuple(rows))


def _score_rows(outcome: Outcome) -> tuple[Any, ...]:
    from workbench.evaluation import interval
    from workbench.render import Scores

    def row(label: str, measurement: Any) -> Scores:
        shares = {name: getattr(measurement, name) for name in ("identity", "task", "general", "leak")}
        between = {
            n: interval(shares[n], count) for n, count in measurement.counts.items() if shares.get(n) is not None
        }
        step = None if label == "base" else measurement.step
        return Scores(label, step=step, counts=measurement.counts, ranges=between, **shares)

    return row("base", outcome.base), row("best", outcome.best), row("last", outcome.last)


def _page(way: Quickstart, outcome: Outcome, mask: Any) -> str:
    from workbench.cli.report import report_page

    return report_page(way, outcome, mask, answers=_rows(outcome), scores=_score_rows(outcome))
