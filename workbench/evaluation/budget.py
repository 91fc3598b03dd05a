"""How much of a training's time its evaluations may take, and what they can be for it. Knows seconds and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.evaluation.interval import FEW

# Evaluations of a run that says nothing of how many.
LOOKS = 4
# Seconds: a look that takes no longer is never made smaller, for nobody waits for it.
FREE = 2.0
# A step computes forward once, and backward about twice as long (Kaplan et al. 2020, section 2.1).
PASSES = 3
# Tokens of an answer where time is short; a fact is stated within them, or the base is not counted as knowing it.
SHORT = 24
# Held-out conversations whose loss is taken at least.
FEWEST_LOSSES = 8


@dataclass(frozen=True, slots=True)
class Budget:
    """Hold what evaluations may take.

    Args:
        share: of the training's time; None: as long as they take.
        tokens: that the training computes with, over all its steps.
        looks: how many evaluations there will be; None: as many as fit, up to :data:`LOOKS`.
    """

    share: float | None = None
    tokens: int = 0
    looks: int | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """Hold what was measured on the base, in seconds.

    Args:
        token: of a forward pass.
        answer: to a question, many asked at once.
        losses: one pass over the held-out conversations.
    """

    token: float
    answer: float
    losses: float


@dataclass(frozen=True, slots=True)
class Looks:
    """Hold what each evaluation is.

    Args:
        looks: how many there will be.
        counts: of each kind of probe so many questions.
        share: of the held-out conversations.
        short: whether answers end after :data:`SHORT` tokens.
        seconds: what all of them will take.
        training: seconds that the training will take without them.
    """

    looks: int
    counts: Mapping[str, int]
    share: float
    short: bool
    seconds: float
    training: float


def plan(budget: Budget, pace: Pace, counts: Mapping[str, int]) -> Looks:
    """Return evaluations that keep to ``budget``: fewer of them where the run leaves it open, fewer questions, and
    shorter answers; at least one, with :data:`~workbench.evaluation.interval.FEW` questions of each kind.

    Args:
        counts: of each kind of probe as many as there are; one's own questions (``sample``) are always asked.
    """
    training = PASSES * pace.token * budget.tokens
    total = pace.answer * sum(counts.values()) + pace.losses
    looks = budget.looks or LOOKS
    if budget.share is None or total <= FREE or total * looks <= budget.share * training:
        return Looks(looks, dict(counts), 1.0, False, total * looks, training)
    allowed = budget.share * training
    least = {kind: count if kind == "sample" else min(count, FEW) for kind, count in counts.items()}
    answer = pace.answer / 2  # of half the length
    fewest = answer * sum(least.values()) + pace.losses / 4
    if budget.looks is None:
        looks = max(1, min(LOOKS, int(allowed // fewest)))
    part = min(1.0, max(0.0, allowed / looks / (answer * sum(counts.values()) + pace.losses)))
    chosen = {kind: max(least[kind], int(count * part)) for kind, count in counts.items()}
    took = answer * sum(chosen.values()) + pace.losses * max(part, 0.25)
    return Looks(looks, chosen, part, True, took * looks, training)
