"""Which conversations are in which step: a pure function of lengths and seed, so that a resumed run sees the same.

Knows lengths and numbers; nothing of text. The conversations of an optimizer step are the same however they are cut
into
batches, rows or processes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.errors import BadSetting

# batches of a run
MOST = 10_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold all batches of a run, in order.

    Args:
        batches: indices of examples; ``parts`` consecutive batches make an optimizer step.
        parts: batches a step (accumulation × processes).
        steps_per_epoch: optimizer steps in which all examples are seen once.
    """

    batches: tuple[tuple[int, ...], ...]
    parts: int
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        """Return optimizer steps of the run."""
        return len(self.batches) // self.parts


def plan_batches(
    lengths: Sequence[int], *, batch_size: int, parts: int = 1, epochs: float = 1.0, max_steps: int = -1, seed: int = 0
) -> Plan:
    """Deal all examples into steps, ``epochs`` times over, each epoch in another order.

    Only within a step are they sorted by length. Steps of like length would save padding, but each would teach another
    kind of answer: the held-out loss then falls half as quickly.

    Args:
        lengths: tokens of each example.
        batch_size: conversations of a batch.
        parts: batches of a step.
        epochs: how often each example is seen; a fraction ends within an epoch.
        max_steps: ends there; −1 lets the epochs decide.
        seed: of the order.

    Returns:
        A plan in which each epoch holds each example exactly once; the last step of an epoch may be smaller.

    Raises:
        BadSetting: more than ``MOST`` batches: no training has so many, and the plan alone would fill the memory.
    """
    per_epoch = -(-len(lengths) // (batch_size * parts))
    steps = max_steps if max_steps > 0 else max(1, round(per_epoch * epochs))
    if steps * parts > MOST:
        raise BadSetting("training.too_many_steps", steps=steps, parts=parts, most=MOST)
    batches: list[tuple[int, ...]] = []
    for epoch in range(-(-steps // per_epoch)):
        for step in _epoch(len(lengths), batch_size * parts, random.Random(f"{seed}/{epoch}")):
            batches += _cut(sorted(step, key=lambda i: lengths[i]), parts)
    return Plan(tuple(batches[: steps * parts]), parts, per_epoch)


def _epoch(count: int, size: int, chance: random.Random) -> list[list[int]]:
    order = list(range(count))
    chance.shuffle(order)
    return [order[start : start + size] for start in range(0, count, size)]


def _cut(step: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """``step`` in ``parts`` batches of nearly the same size; a batch may be empty in a last, small step."""
    base, extra = divmod(len(step), parts)
    ends = [base * i + min(i, extra) for i in range(parts + 1)]
    return [tuple(step[ends[i] : ends[i + 1]]) for i in range(parts)]
