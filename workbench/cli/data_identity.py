"""``workbench data identity`` and ``workbench data mix``.

Knows how the two are asked for and shown; nothing of how the sets are made.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.texts import text

if TYPE_CHECKING:
    from rich.table import Table

    from workbench.data.conversation import Conversation, Persona

_SHOWN = 12
_overwrite = click.option("--overwrite", is_flag=True, help=text("identity.cli.overwrite"))
_json = click.option("--json", "as_json", is_flag=True, help=text("identity.cli.json"))
_seed = click.option("--seed", type=int, default=0, show_default=True, help=text("identity.cli.seed"))


@click.command("identity", help=text("identity.cli.help"))
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--name", required=True, help=text("identity.cli.name"))
@click.option("--author", default="", help=text("identity.cli.author"))
@click.option("--purpose", default="", help=text("identity.cli.purpose"))
@click.option("--manner", default="plain", show_default=True, help=text("identity.cli.manner"))
@click.option("--language", "languages", multiple=True, metavar="zh|en", help=text("identity.cli.language"))
@click.option("--count", type=int, help=text("identity.cli.count"))
@click.option("--classic", is_flag=True, help=text("identity.cli.classic"))
@click.option("--preview", is_flag=True, help=text("identity.cli.preview"))
@_seed
@_overwrite
@_json
def identity(
    *,
    out: Path | None,
    name: str,
    author: str,
    purpose: str,
    manner: str,
    languages: tuple[str, ...],
    count: int | None,
    classic: bool,
    preview: bool,
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make an identity set, and write or show it."""
    from workbench.data.conversation import Persona
    from workbench.data.writing import write
    from workbench.errors import BadInput

    if out is None and not preview:
        raise BadInput("identity.out_missing", name=json.dumps(name, ensure_ascii=False))
    persona = Persona(name, author, purpose, manner, languages or ("zh", "en"))
    conversations = _made(persona, count, seed, classic=classic)
    if out is not None and not preview:
        write(conversations, out, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(_counts(conversations, None if preview else out), ensure_ascii=False))
    elif preview:
        _show(conversations[:_SHOWN])
        click.echo(text("identity.cli.shown", shown=min(_SHOWN, len(conversations)), count=len(conversations)))
    else:
        _print(_table(conversations))
        click.echo(text("identity.cli.written", count=len(conversations), path=out))
        click.echo(text("identity.cli.next", path=out))


@click.command("mix", help=text("identity.cli.mix_help"))
@click.argument("identity_file", metavar="IDENTITY", type=click.Path())
@click.argument("general_file", metavar="GENERAL", type=click.Path())
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--ratio", type=float, default=1.0, show_default=True, help=text("identity.cli.ratio"))
@_seed
@_overwrite
@_json
def mix(
    *, identity_file: str, general_file: str, out: Path, ratio: float, seed: int, overwrite: bool, as_json: bool
) -> None:
    """Mix two sets, and say the counts."""
    from workbench.data.mixing import mix as mixed
    from workbench.data.mixing import mixture_counts, shipped_general
    from workbench.data.reading import read
    from workbench.data.writing import write

    ours = read(identity_file)
    general = shipped_general() if general_file == "shipped" else read(general_file)
    counts = mixture_counts(len(ours), len(general), ratio=ratio)
    mixture = mixed(ours, general, ratio=ratio, seed=seed)
    write(mixture, out, overwrite=overwrite)
    if as_json:
        record = {"path": str(out), "conversations": counts.total, **asdict(counts)}
        click.echo(json.dumps(record, ensure_ascii=False))
    else:
        click.echo(counts.sentence())
        click.echo(text("identity.cli.written", count=len(mixture), path=out))


def _made(persona: Persona, count: int | None, seed: int, *, classic: bool) -> list[Conversation]:
    """The set that was asked for."""
    from workbench.data.identity import CLASSIC, classic_set, identity_set

    if classic:
        return classic_set(persona, CLASSIC if count is None else count)
    return identity_set(persona, count, seed=seed)


def _counts(conversations: Sequence[Conversation], out: Path | None) -> dict[str, object]:
    """What a program wants to know of the set."""
    return {
        "path": str(out) if out else None,
        "conversations": len(conversations),
        "groups": len({conversation.group for conversation in conversations}),
        "by_language": dict(Counter(conversation.lang for conversation in conversations)),
        "by_intent": dict(Counter(str(conversation.meta["intent"]) for conversation in conversations)),
    }


def _table(conversations: Sequence[Conversation]) -> Table:
    """Conversations by intent and language."""
    from rich.table import Table

    languages = sorted({conversation.lang for conversation in conversations})
    counted = Counter((str(conversation.meta["intent"]), conversation.lang) for conversation in conversations)
    intents = list(dict.fromkeys(sorted((intent for intent, _ in counted), key=_rank)))
    table = Table(text("identity.cli.intent"), show_footer=True)
    table.columns[0].footer = text("identity.cli.total")
    for lang in languages:
        total = sum(count for (_, language), count in counted.items() if language == lang)
        table.add_column(lang, justify="right", footer=str(total))
    for intent in intents:
        table.add_row(text(f"identity.intents.{intent}"), *(str(counted[intent, lang]) for lang in languages))
    return table


def _rank(intent: str) -> int:
    """Where the texts list this intent."""
    from workbench.texts import lookup

    return list(lookup("identity.intents")).index(intent)


def _print(what: object) -> None:
    from rich.console import Console

    Console().print(what)


def _show(conversations: Sequence[Conversation]) -> None:
    """The conversations as they are, never read as markup."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for conversation in conversations:
        console.rule(style="dim")
        for message in conversation.messages:
            role = text(f"identity.roles.{message.role}")
            console.print(Text.assemble((f"{role}  ", "bold"), message.content), soft_wrap=True)
