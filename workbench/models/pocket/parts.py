"""The later parts of the build, each of whole conversations with single questions between them: how much of what.

Knows names, shares and rates. Must not know samples, tokens or models.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.models.pocket.conversations import SHARES

BATCH, WARMUP = 2048, 0.01
"""Tokens of a batch, whose conversations are longer than the first part's questions, and the warm-up."""
CONFUSED = (
    "months", "unknown", "identity", "spelling", "names", "greeting", "manner", "captions", "feelings", "planets",
)  # fmt: skip
"""Kinds that are confused longest."""
STILL_CONFUSED = ("greeting", "manner", "months", "names", "unknown", "captions", "feelings", "comparatives", "units")
"""Those after the fourth part."""


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
    "second": Part("talks", 12_000_000, 0.5, SHARES, 0.2, 2, 98, division=(0.0, 0.0, 0.8), itself=1),
    # repeats what is confused longest
    "third": Part("settling", 1_400_000, 0.25, (50, 15, 20, 13, 2), 0.5, 1, 97),
    # more tools, whose nouns and names are nearly all new each time: it learns to read them
    "fourth": Part("widening", 18_000_000, 0.4, (48, 26, 14, 10, 2), 0.25, 3, 96),
    "fifth": Part("steadying", 3_200_000, 0.2, (36, 34, 14, 14, 2), 0.3, 1, 95, STILL_CONFUSED),
}
"""In their order, by the folder in which each is kept when it is finished."""
