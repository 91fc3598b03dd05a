"""LLaVA's turns with a picture. Knows that they are ShareGPT's; the pictures are placed for all formats alike."""

from __future__ import annotations

from typing import Any

from workbench.data.formats.base import MARK, Format
from workbench.data.formats.sharegpt import misspelt_llava, parse, turns_key


def _marks(row: dict[str, Any]) -> int:
    return MARK if misspelt_llava(row) or ("image" in row and turns_key(row)) else 0


FORMAT = Format("llava", "image, conversations: [{from, value}]", _marks, parse)
