"""Drawn sets as files: rows, and a folder of the pictures beside them. Knows the layout; nothing of what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from workbench.data.conversation import Conversation
from workbench.data.drawn import questions, titles
from workbench.data.picture import Picture
from workbench.data.writing import write
from workbench.errors import OutputExists

IMAGES = "images"


def write_sets(
    out: Path,
    count: int,
    held_out: int,
    *,
    seed: int = 0,
    languages: Sequence[str] = ("en", "zh"),
    overwrite: bool = False,
) -> dict[str, int]:
    """Write ``pretrain.jsonl``, ``finetune.jsonl`` and ``held-out.jsonl``, their pictures in ``images/``; return how
    many rows each has.

    Args:
        out: the folder to make.
        count: rows of each of the first two, each with a picture of its own.
        held_out: questions about pairs of shape and colour that the others do not show.
        overwrite: write over what is there.

    Raises:
        OutputExists: the folder is not empty.
    """
    if out.exists() and any(out.iterdir()) and not overwrite:
        raise OutputExists("pictures.not_empty", path=out)
    (out / IMAGES).mkdir(parents=True, exist_ok=True)
    sets = {
        "pretrain": titles(count, seed=seed, languages=languages),
        "finetune": questions(count, seed=seed, languages=languages),
        "held-out": questions(held_out, seed=seed + 1, languages=languages, held=True),
    }
    for name, rows in sets.items():
        write([_filed(row, out, name) for row in rows], out / f"{name}.jsonl", overwrite=overwrite)
    return {f"{name}.jsonl": len(rows) for name, rows in sets.items()}


def _filed(row: Conversation, out: Path, name: str) -> Conversation:
    """A row whose pictures lie in files."""
    messages = []
    for message in row.messages:
        images = []
        for image in message.images:
            place = f"{IMAGES}/{name}-{image.name}"
            (out / place).write_bytes(image.content())
            images.append(Picture(place, str(out.absolute())))
        messages.append(replace(message, images=tuple(images)))
    return row.with_messages(*messages)
