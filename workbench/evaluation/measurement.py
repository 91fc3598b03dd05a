"""What an evaluation found. Knows numbers; nothing of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# The numbers of a measurement that an event holds.
NUMBERS = (
    "loss",
    "train_loss",
    "identity",
    "task",
    "exact",
    "overlap",
    "general",
    "leak",
    "distinct",
    "repetition",
    "drift",
    "calls",
    "formed",
    "tool",
    "arguments",
    "no_call",
    "error",
    "picture",
    "title",
    "seen",
    "wrong",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold a question and what was answered; ``right`` is None where nothing is scored."""

    kind: str
    question: str
    answer: str
    right: bool | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """Hold what an evaluation found.

    Args:
        step: optimizer steps done.
        loss: on held-out conversations, nats a trained token; None where none are held out.
        train_loss: the same on trained ones of one's own, where nothing of it could be held out.
        identity, task, general, leak: shares of the probes, 0 to 1; None where too few were asked to judge. ``general``
            is taken over what the base answered rightly.
        exact, overlap: of the task answers, how many are a reference to the letter, and how much of it they have.
        distinct, repetition: shares of the answers.
        drift: how far the next-token distribution moved from the base's: mean KL divergence in nats.
        seconds: what the evaluation took.
        counts: over how many answers ``identity``, ``task``, ``general`` and ``leak`` are taken; ``general`` also where
            they are too few. Empty where not known: then the shares are taken as they are.
        calls, formed, tool, arguments: of the questions that need a call, the shares of right final answers, of calls
            in good form, of right tools and of exact arguments.
        no_call, error: of the questions that need no call, how many got none; of calls that fail, how many were told
            honestly.
        picture, title, seen, wrong: of questions about pictures, the shares of right answers, of titles in the place of
            answers, of questions that another picture answers otherwise, and of those that it answers rightly.
        trained: whether the task was asked in wordings that are trained, since nothing could be held out.
        samples: the answers.
    """

    step: int
    loss: float | None = None
    identity: float | None = None
    general: float | None = None
    leak: float | None = None
    distinct: float = 1.0
    repetition: float = 0.0
    drift: float | None = None
    seconds: float = 0.0
    samples: tuple[Sample, ...] = field(default=(), repr=False)
    task: float | None = None
    exact: float | None = None
    overlap: float | None = None
    train_loss: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    trained: bool = False
    calls: float | None = None
    formed: float | None = None
    tool: float | None = None
    arguments: float | None = None
    no_call: float | None = None
    error: float | None = None
    picture: float | None = None
    title: float | None = None
    seen: float | None = None
    wrong: float | None = None

    def scores(self) -> dict[str, float]:
        """Return the numbers that are not None, for an event or a table."""
        return {name: value for name in NUMBERS if (value := getattr(self, name)) is not None}
