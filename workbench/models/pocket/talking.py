"""Makes the examples of the later parts of the build: whole conversations, and single questions between them.

Knows samples, conversations and how many tokens of each. Must not know how a model is trained.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from workbench.models.pocket import phrasing
from workbench.models.pocket.conversations import SHARES, Conversations
from workbench.models.pocket.corpus import Corpus, Sample
from workbench.models.pocket.tokens import Encoded, Encoder

POSITIONS = 1024
"""Longest conversation, in tokens."""


def avoided(held: Sequence[Sample]) -> frozenset[tuple[str, str]]:
    """Return the held-out questions as conversations avoid them."""
    return frozenset((s.lang, phrasing.normalised(s.question)) for s in held)


def talks(
    encoder: Encoder, held: Sequence[Sample], rng: random.Random, tokens: int, shares: Sequence[float] = SHARES
) -> list[Encoded]:
    """Return conversations of at least ``tokens`` tokens together, none longer than the model's positions.

    Args:
        shares: of the kinds of conversations.
    """
    examples: list[Encoded] = []
    total = 0
    for turns in Conversations(rng, avoided=avoided(held)).mixed(shares):
        example = encoder.conversation(turns)
        if len(example.ids) <= POSITIONS:
            examples.append(example)
            total += len(example.ids)
        if total >= tokens:
            return examples
    return examples


def singles(encoder: Encoder, samples: Sequence[Sample], tokens: int) -> list[Encoded]:
    """Return the first of ``samples`` that have ``tokens`` tokens together."""
    examples: list[Encoded] = []
    total = 0
    for sample in samples:
        if total >= tokens:
            break
        examples.append(encoder.conversation(sample.turns))
        total += len(examples[-1].ids)
    return examples


def epochs_of_singles(rng: random.Random, count: int) -> list[Sample]:
    """Return the samples of so many epochs, one after the other."""
    return [sample for _ in range(count) for sample in Corpus(rng).epoch()]
