"""A verdict's reason in words, from the keys and values that an event log keeps. Knows texts only."""

from __future__ import annotations

import math
from collections.abc import Mapping

from workbench.texts import text


class Share(float):
    """Represent a number that is written as a share is everywhere else: ``97.5%``, one decimal where it says something,
    never rounded up."""

    def __format__(self, format_spec: str) -> str:
        if format_spec != ".0%" or not math.isfinite(self):
            return super().__format__(format_spec)
        return f"{math.floor(self * 1000 + 1e-9) / 10:g}%"


def reason_text(reason: str, values: Mapping[str, object], lang: str | None = None) -> str:
    """Return the reason whose keys (of ``evaluation.reason``) ``reason`` joins by ``+``.

    Raises:
        KeyError: a newer version's.
    """
    shares = {name: Share(value) if isinstance(value, float) else value for name, value in values.items()}
    parts = [text(f"evaluation.reason.{key}", lang, **shares) for key in reason.split("+")]
    return text("evaluation.joint", lang).join(parts)
