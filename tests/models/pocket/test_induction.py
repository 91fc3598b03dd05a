"""The circuit that training starts from: it copies before anything was learnt."""

from __future__ import annotations

import math
import random

import torch

from workbench.models.pocket.learning import Plan, loss_of, new_model, trained_tokens
from workbench.models.pocket.tokens import IGNORED, Encoded

VOCABULARY = 2000


def repeated(rng: random.Random, times: int = 3) -> Encoded:
    """Random tokens, and again, and again; a label on every repetition."""
    body = [rng.randrange(3, VOCABULARY) for _ in range(rng.randint(8, 24))]
    return Encoded(tuple(body * times), tuple([IGNORED] * len(body) + body * (times - 1)))


def test_an_untrained_model_goes_on_with_what_it_has_seen() -> None:
    rng = random.Random(0)
    model = new_model(Plan(), VOCABULARY, 0, 1, seed=0)
    batch = [repeated(rng) for _ in range(20)]
    with torch.no_grad():
        loss = float(loss_of(model, batch, 1)) / trained_tokens(batch)
    assert loss < 0.2 * math.log(VOCABULARY)


def test_its_first_head_looks_at_the_token_before() -> None:
    model = new_model(Plan(), VOCABULARY, 0, 1, seed=1)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        seen = model(torch.randint(3, VOCABULARY, (1, 40)), output_attentions=True).attentions[0][0, 0]
    assert all(int(row.argmax()) == at for at, row in enumerate(seen[1:]))


def test_the_same_seed_writes_the_same_circuit() -> None:
    first, again, other = (new_model(Plan(), VOCABULARY, 0, 1, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.model.embed_tokens.weight, again.model.embed_tokens.weight)
    assert not torch.equal(first.model.embed_tokens.weight, other.model.embed_tokens.weight)
