"""Which eyes the model of a folder has. Knows folders and their kinds; opens no picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.models import headers
from workbench.models.architectures import LLAVA, kind_of
from workbench.models.eyes import Eyes
from workbench.models.eyes_grid import GridEyes
from workbench.models.eyes_tiled import TiledEyes

EYES: tuple[type[Eyes], ...] = (Eyes, TiledEyes, GridEyes)
_BY_KIND = {kind: eyes for eyes in EYES for kind in eyes.kinds}


def eyes_in(folder: Path) -> Eyes | None:
    """Return those of a model's folder; None where it is none that sees.

    Raises:
        BadInput: it does not say how pictures are made into numbers, or says what cannot be.
    """
    eyes = _BY_KIND.get(kind_of(folder))
    return eyes.of(folder) if eyes else None


def with_eyes(tokenizer: Any, folder: Path) -> Any:
    """Return the tokenizer of a folder, with the eyes of its model where it sees, and the chat template of its
    processor.

    Raises:
        BadInput: as :func:`eyes_in`; or the tokenizer does not know a placeholder.
    """
    eyes = eyes_in(folder)
    if eyes is None:
        return tokenizer
    tokenizer.picture_places = eyes.read_by(tokenizer)
    template = headers.settings(folder, "chat_template.json").get("chat_template")
    if kind_of(folder) != LLAVA and isinstance(template, str) and not (folder / "chat_template.jinja").is_file():
        tokenizer.chat_template = template
    return tokenizer
