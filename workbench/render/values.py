"""The values that are drawn and that no lower room defines. Knows numbers and strings; not where they come from.

Scores and shares are fractions from 0 to 1; losses are nats per trained token; steps are optimizer steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.templates.view import MaskView

Points = Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Curves:
    """Hold what a training did over its steps. Any series may be empty; a value that is not finite is drawn as a gap.

    Args:
        train: (step, loss) on the rows that are trained on.
        held_out: (step, loss) on the rows that are kept back.
        identity: (step, score), right answers to identity probes.
        task: (step, score), right answers to questions of one's own data.
        general: (step, score), what is still known of what the base knew.
        leak: (step, score), unrelated questions that were answered with the identity; less is better.
        parts: (step, share) of each part of a call's score and of a picture's, by its name in an evaluation.
        best_step: the step of the checkpoint that is kept as the best.
        verdict: ``learning``, ``good``, ``overfitting``, ``collapsed`` or empty.
        verdict_text: the verdict in words, in the language that the curves are drawn in.
        vocab_size: tokens of the vocabulary, for the reference "guessing would be ln(n)"; 0 where not known.
        total_steps: where the x axis ends while the training still runs; 0: at the last point.
    """

    train: Points = ()
    held_out: Points = ()
    identity: Points = ()
    task: Points = ()
    general: Points = ()
    leak: Points = ()
    parts: Mapping[str, Points] = field(default_factory=dict)
    best_step: int | None = None
    verdict: str = ""
    verdict_text: str = ""
    vocab_size: int = 0
    total_steps: int = 0


@dataclass(frozen=True, slots=True)
class Scores:
    """Hold the probe scores of one model or checkpoint; ``None`` where not asked.

    Args:
        label: what it is: ``base``, ``best`` and ``last`` are said in words, anything else is shown as it is.
        step: the checkpoint's step; ``None`` for a base model.
        task: right answers to questions of one's own data.
        counts: over how many answers each score is taken.
        ranges: where the share of all such questions lies, from and to; of what is not here no interval is shown.
    """

    label: str
    identity: float | None = None
    general: float | None = None
    leak: float | None = None
    step: int | None = None
    task: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Targets:
    """Hold what counts as learnt.

    Args:
        identity, task: at least this score.
        general: at least this share of the base model's score.
        leak: at most this score.
    """

    identity: float = 0.95
    task: float = 0.95
    general: float = 0.95
    leak: float = 0.02


@dataclass(frozen=True, slots=True)
class Number:
    """Hold a number worth a card of its own.

    Args:
        reference: what to compare it with.
        met: whether its target was reached; ``None`` where there is no target.
    """

    label: str
    value: str
    unit: str = ""
    reference: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """Hold one question and each model's answer to it.

    Args:
        question: as asked.
        answers: one for each label of the :class:`Answers`.
        kind: ``identity``, ``general``, ``unrelated`` or empty.
        right: for each answer whether it is right; ``None`` where not scored; empty: none is scored.
    """

    question: str
    answers: tuple[str, ...]
    kind: str = ""
    right: tuple[bool | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """Hold the same questions to several models.

    Args:
        labels: ``base``, ``merged`` and ``adapter`` are said in words, anything else is shown as it is.
    """

    labels: tuple[str, ...]
    rows: tuple[AnswerRow, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold what the model answered at one step of the training."""

    step: int
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Setting:
    """Hold one setting of the recipe: its name, its value as written, its unit, and what it does in a sentence."""

    name: str
    value: str
    unit: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class NextStep:
    """Hold what to do next: a sentence, and the command that does it."""

    say: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Hold all that ``report.html`` shows. Whatever is empty is left out of the page.

    Args:
        name: the assistant's name.
        author: its author.
        verdict: as in :class:`Curves`.
        verdict_text: the verdict in words.
        learnt: whether the assistant became what it was to become; ``None`` leaves it unsaid.
        scores: usually those of ``base``, ``best`` and ``last``, in this order.
        tied: whether ``best`` and ``last`` differ by no more than chance.
        numbers: what else was measured (seconds, trained parameters, file sizes …).
        made: when, in words or ISO 8601.
    """

    name: str
    author: str = ""
    verdict: str = ""
    verdict_text: str = ""
    learnt: bool | None = None
    curves: Curves | None = None
    scores: tuple[Scores, ...] = ()
    tied: bool = False
    targets: Targets = Targets()
    numbers: tuple[Number, ...] = ()
    mask: MaskView | None = None
    answers: Answers | None = None
    samples: tuple[Sample, ...] = ()
    settings: tuple[Setting, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    next_steps: tuple[NextStep, ...] = ()
    made: str = ""
