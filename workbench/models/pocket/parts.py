"""The later parts of the build, each of whole conversations with single questions between them: how much of what.

Knows names, shares and rates. Must not know samples, tokens or models.
"""

from __future__ import annotations

from dataclasses import dataclass

BATCHES, WARMUP = 4, 0.01
"""Batches of a step, whose conversations are longer than the first part's questions, and the warm-up."""
CONFUSED = (
    "months", "unknown", "identity", "spelling", "names", "greeting", "manner", "captions", "feelings", "planets",
    "sums",
)  # fmt: skip
"""Kinds that are confused longest."""
STILL_CONFUSED = (
    "greeting", "manner", "months", "names", "unknown", "captions", "feelings", "comparatives", "units", "sums",
)  # fmt: skip
"""Those after the second part."""
LAST_CONFUSED = ("feelings", "greeting", "manner", "follow_up", "numbers", "politeness", "identity", "professions")
"""Those after the third part."""


@dataclass(frozen=True, slots=True)
class Part:
    """How one part of the training is mixed.

    Args:
        name: of its random numbers, and of the file in which it is kept under way.
        tokens: of all, padding apart.
        rate: as a share of the first part's.
        shares: chats, tools, copies, pictures and very long chats.
        single: share of the tokens that are single questions.
        epochs: of single questions to draw from.
        seed: of the questions about itself in the wordings of the identity bank.
        kinds: of single questions that are repeated most.
        division: of the single questions, the shares that ask who it is, that are of ``kinds``, and that are of all.
        itself: questions about itself from the identity bank for each copy of random tokens.
    """

    name: str
    tokens: int
    rate: float
    shares: tuple[int, ...]
    single: float
    epochs: int
    seed: int
    kinds: tuple[str, ...] = CONFUSED
    division: tuple[float, float, float] = (0.25, 0.25, 0.25)
    itself: int = 2


PARTS = {
    # the nouns and names of its tools are nearly all new each time: it learns to read them
    "second": Part("talks", 22_000_000, 0.5, (48, 26, 14, 10, 2), 0.25, 3, 98),
    # repeats what is confused longest
    "third": Part("steadying", 4_000_000, 0.2, (38, 32, 14, 14, 2), 0.3, 1, 95, STILL_CONFUSED),
    # the same once more: what the third left
    "fourth": Part("polishing", 3_200_000, 0.25, (62, 18, 9, 9, 2), 0.45, 2, 94, LAST_CONFUSED, (0.25, 0.40, 0.35), 4),
    # a minute of who it is, asked late in a conversation
    "fifth": Part("itself", 500_000, 0.15, (80, 8, 6, 4, 2), 0.5, 1, 93, ("identity",), (0.0, 0.7, 0.3), 8),
}
"""In their order, by the folder in which each is kept when it is finished."""
