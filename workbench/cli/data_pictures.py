"""``workbench data pictures``. Knows how drawn sets are asked for and written; nothing of how they are drawn."""

from __future__ import annotations

import json
from pathlib import Path

import click

from workbench.texts import text


@click.command("pictures", help=text("pictures.cli.help"))
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--count", type=click.IntRange(1, 1_000_000), default=1000, show_default=True,
              help=text("pictures.cli.count"))  # fmt: skip
@click.option("--held-out", "held_out", type=click.IntRange(0, 100_000), default=120, show_default=True,
              help=text("pictures.cli.held_out"))  # fmt: skip
@click.option("--language", "languages", multiple=True, metavar="zh|en", help=text("pictures.cli.language"))
@click.option("--seed", type=int, default=0, show_default=True, help=text("identity.cli.seed"))
@click.option("--overwrite", is_flag=True, help=text("identity.cli.overwrite"))
@click.option("--json", "as_json", is_flag=True, help=text("identity.cli.json"))
def pictures(
    *, out: Path, count: int, held_out: int, languages: tuple[str, ...], seed: int, overwrite: bool, as_json: bool
) -> None:
    """Draw the sets, and write them."""
    from workbench.data.drawn_files import write_sets
    from workbench.errors import BadSetting

    unknown = [lang for lang in languages if lang not in ("zh", "en")]
    if unknown:
        raise BadSetting("pictures.language", given=unknown[0])
    chosen = languages or ("en", "zh")
    counts = write_sets(out, count, held_out, seed=seed, languages=chosen, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps({"path": str(out), "conversations": counts}, ensure_ascii=False))
        return
    for name, number in counts.items():
        click.echo(f"{number:6}  {name}  {text(f'pictures.files.{_key(name)}')}")
    click.echo(text("pictures.cli.next", path=out))


def _key(name: str) -> str:
    return Path(name).stem.replace("-", "_")
