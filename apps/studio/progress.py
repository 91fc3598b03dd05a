"""How far a training is, in per cent, and how long it still takes. Knows histories and HTML; nothing of pages."""

from __future__ import annotations

import math

from workbench.render.markup import escape
from workbench.steps import History
from workbench.texts import text


def minutes_left(history: History, total: int) -> float | None:
    """Minutes until the last step at the pace so far, evaluations counted; None where there is none yet.

    Args:
        history: what the run has told.
        total: the steps of the whole run.
    """
    last = history.last
    if last is None or not last.step or not last.seconds or total <= 0:
        return None
    left = max(0, total - last.step)
    looks = max(0, len({step for step, _ in history.held_out or history.identity if step > 0}))
    look = (history.evaluation.seconds or 0.0) if history.evaluation else 0.0
    seconds = left * (last.seconds + looks * look) / last.step
    return seconds / 60 if math.isfinite(seconds) else None


def left_words(minutes: float | None, lang: str) -> str:
    """The same in words; empty for none."""
    if minutes is None:
        return ""
    if minutes < 1:
        return text("studio.train.left_short", lang)
    return text("studio.train.left", lang, minutes=math.ceil(minutes))


def bar(step: int, total: int, label: str) -> str:
    """A bar that fills; one that runs where the total is not known yet."""
    if total <= 0:
        return f'<div class="wb-bar wb-runs" role="progressbar" aria-label="{escape(label)}"><span></span></div>'
    share = min(100, 100 * step // total)
    return (
        f'<div class="wb-bar" role="progressbar" aria-label="{escape(label)}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share}"><span style="width:{share}%"></span></div>'
    )
