"""What the curves and probes say of a checkpoint. Knows measurements only.

learning    the name is not yet said reliably, and nothing is damaged
good        the name is said, and what was known is still known
overfitting the held-out loss has turned, or what was known is going
collapsed   everything is answered alike, or with the identity
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.evaluation.evaluator import Measurement

Word = Literal["learning", "good", "overfitting", "collapsed"]

GOOD_IDENTITY = 0.95
KEPT = 0.95  # of what the base knew
LEAK = 0.02
DAMAGED = 0.85  # of what the base knew; below this it is being forgotten
TURNED = 1.10  # times the lowest held-out loss
LOST = 0.30  # of what the base knew
POLLUTED = 0.50  # of unrelated questions answered with the identity
ALIKE = 0.50  # of the base's distinct answers


@dataclass(frozen=True, slots=True)
class Verdict:
    """A word, and the reason as a key of the texts (``evaluation.reason.…``) with its values."""

    word: Word
    reason: str
    values: dict[str, float]

    def because(self, lang: str | None = None) -> str:
        """The reason in words."""
        from workbench.texts import text

        return text(f"evaluation.reason.{self.reason}", lang, **self.values)

    def sentence(self, lang: str | None = None) -> str:
        """The verdict in words with its reason."""
        from workbench.texts import text

        return text(f"evaluation.verdict.{self.word}", lang, reason=self.because(lang))


def verdict(history: Sequence[Measurement]) -> Verdict:
    """The verdict on the last measurement, given those before it; the first is the base's.

    Raises:
        ValueError: no measurement.
    """
    if not history:
        raise ValueError("a verdict needs at least one measurement")
    base, now = history[0], history[-1]
    kept = retention(base, now)
    leak = now.leak or 0.0
    if len(history) > 1:
        broken = _collapsed(base, now, kept, leak) or _overfitting(history, kept, leak)
        if broken:
            return broken
    if now.identity is None:
        return Verdict("good" if len(history) > 1 else "learning", "no_identity", {"kept": kept})
    if now.identity >= GOOD_IDENTITY and kept >= KEPT and leak <= LEAK:
        return Verdict("good", "good", {"identity": now.identity, "kept": kept, "leak": leak})
    return Verdict("learning", "learning", {"identity": now.identity, "kept": kept, "leak": leak})


def _collapsed(base: Measurement, now: Measurement, kept: float, leak: float) -> Verdict | None:
    if leak > POLLUTED:
        return Verdict("collapsed", "leak", {"leak": leak})
    if now.distinct < ALIKE * base.distinct:
        return Verdict("collapsed", "alike", {"distinct": now.distinct, "before": base.distinct})
    if kept < LOST:
        return Verdict("collapsed", "lost", {"kept": kept})
    return None


def _overfitting(history: Sequence[Measurement], kept: float, leak: float) -> Verdict | None:
    now = history[-1]
    if kept < DAMAGED:
        return Verdict("overfitting", "forgetting", {"kept": kept})
    if leak > 5 * LEAK:
        return Verdict("overfitting", "leaking", {"leak": leak})
    losses = [m.loss for m in history if m.loss is not None]
    if now.loss is not None and len(losses) > 2 and now.loss > TURNED * min(losses):
        return Verdict("overfitting", "turned", {"loss": now.loss, "lowest": min(losses)})
    return None


def retention(base: Measurement, now: Measurement) -> float:
    """The share of what the base knew that is still known, 0 to 1; 1 where nothing was asked."""
    if now.general is None or not base.general:
        return 1.0
    return min(1.0, now.general / base.general)


def score(base: Measurement, now: Measurement) -> float:
    """By which checkpoints are ranked: identity × what is kept × (1 − leak), 0 to 1.

    A product, so that no strength makes up for a lost part; without identity probes it is what is kept × (1 − leak).
    """
    identity = 1.0 if now.identity is None else now.identity
    return identity * retention(base, now) * (1 - (now.leak or 0.0))


def rank(base: Measurement, now: Measurement) -> float:
    """:func:`score` less 0.07 times the natural logarithm of the held-out loss.

    A score moves by a whole probe at a time, a fortieth of its kind or so; the loss, which is finer, decides between
    checkpoints that are about as good: a loss lower by a third counts as much as one probe. Below 0.05 nats a trained
    token, where nothing is left to learn, all losses count alike.
    """
    return score(base, now) - 0.07 * math.log(max(now.loss, 0.05) if now.loss is not None else 1.0)


def best_of(history: Sequence[Measurement]) -> Measurement:
    """The best checkpoint: the highest :func:`rank`, the earliest of equals. The base itself is none.

    Raises:
        ValueError: nothing was measured after the base.
    """
    if len(history) < 2:
        raise ValueError("no checkpoint was measured")
    return max(history[1:], key=lambda m: (rank(history[0], m), -m.step))
