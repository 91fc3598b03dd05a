"""How long something takes, in words: seconds, then minutes, then hours. Knows numbers alone."""

from __future__ import annotations

from workbench.texts import text

_MINUTE = 60
_FEW = 90  # up to so many of a unit, the smaller unit says more


def duration_text(seconds: float, lang: str | None = None) -> str:
    """Return ``45 s``, ``4 min`` or ``2 h 10 min``."""
    if seconds < _FEW:
        return text("render.duration.seconds", lang, n=round(seconds))
    if seconds < _FEW * _MINUTE:
        return text("render.duration.minutes", lang, n=round(seconds / _MINUTE))
    hours, rest = divmod(round(seconds / _MINUTE), _MINUTE)
    return text("render.duration.hours", lang, h=hours, n=rest)
