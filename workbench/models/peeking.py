"""What a model thinks at each place of a text, and a few quick steps on it. Knows ids, labels and tensors; no text.

Meant for a handful of short examples and a small model: everything is computed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.models.batches import no_gradient, pad, summed_loss
from workbench.templates.values import Example

if TYPE_CHECKING:
    from workbench.models.loading import Loaded


@dataclass(frozen=True, slots=True)
class Peek:
    """Hold what a model expected of each token of a text.

    Args:
        losses: for each token its loss in nats, given all before it; 0.0 for the first, which nothing precedes.
        likely: for each token the likeliest ids in its place with their probabilities, the likeliest first.
    """

    losses: tuple[float, ...]
    likely: tuple[tuple[tuple[int, float], ...], ...]


def peek(loaded: Loaded, ids: Sequence[int], *, count: int = 5) -> Peek:
    """Return what the model expects in each place of ``ids`` (T,), each given all before it.

    Args:
        count: how many of the likeliest tokens.
    """
    import torch

    row = torch.tensor([list(ids)], device=loaded.device)
    with no_gradient(loaded.model):
        scores = loaded.model(input_ids=row, use_cache=False).logits[0].float().log_softmax(-1)  # (T, V)
    losses = [0.0, *(-scores[:-1].gather(1, row[0, 1:, None])[:, 0]).tolist()]
    best, places = scores.exp().topk(count)
    rows = [tuple(zip(i, p, strict=True)) for i, p in zip(places.tolist(), best.tolist(), strict=True)]
    return Peek(tuple(losses), ((), *rows[:-1]))


def few_steps(
    loaded: Loaded,
    examples: Sequence[Example],
    *,
    steps: int = 20,
    batch: int = 8,
    rate: float = 2e-3,
    seed: int = 0,
    on_step: Callable[[int, float], Any] | None = None,
) -> float:
    """Train all weights of ``loaded`` in place for a few steps, and return the last loss in nats a token.

    Args:
        examples: each with at least one trained token.
        batch: examples a step, drawn by ``seed``.
        rate: of AdamW, constant.
        on_step: called with each step, from 1, and its loss.
    """
    import random

    import torch

    draw, model = random.Random(seed), loaded.model
    state = model.training
    model.train()
    for weight in model.parameters():
        weight.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    mean = float("nan")
    for step in range(1, steps + 1):
        chosen = draw.sample(list(examples), min(batch, len(examples)))
        total, tokens = summed_loss(model, {key: value.to(loaded.device) for key, value in pad(chosen).items()})
        optimizer.zero_grad(set_to_none=True)
        (total / tokens).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        mean = float(total.detach()) / tokens
        if on_step is not None:
            on_step(step, mean)
    model.train(state)
    for weight in model.parameters():
        weight.requires_grad_(False)
    return mean
