"""The build, in small: it runs from end to end, the same twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from workbench.models.pocket import build, corpus, learning, muon, tokens
from workbench.models.pocket.learning import Plan

TINY = Plan(epochs=1, tokens=512, most_steps=3, width=64, layers=2, heads=4, inner=64)


def quiet(step: int, steps: int, loss: float) -> None:
    assert 0 < step <= steps
    assert loss > 0


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few samples and questions, so that the build takes a second."""
    epoch = corpus.Corpus(random.Random(1)).epoch()[:1500]
    held = corpus.held_out_samples(1)
    monkeypatch.setattr(corpus.Corpus, "epoch", lambda self: epoch)
    monkeypatch.setattr("workbench.models.pocket.build.held_out_samples", lambda seed: held[:40])
    monkeypatch.setattr("workbench.models.pocket.corpus.held_out_samples", lambda seed: held[::400])


def test_a_build_with_the_same_seed_writes_the_same_weights(tmp_path: Path, few: None) -> None:
    results = [build.build(tmp_path / name, 1, TINY, quiet) for name in ("a", "b")]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]
    assert results[0]["held_out"] == results[1]["held_out"]
    assert results[0]["steps"] == 3
    for name in (
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "chat_template.jinja",
        "evaluation.json",
        "README.md",
    ):
        assert (tmp_path / "a" / name).exists()


def test_copies_say_every_token_but_the_turns_own() -> None:
    from workbench.models.pocket import WEIGHTS

    encoder = tokens.Encoder(tokens.load(WEIGHTS))
    made = build.copies(encoder, random.Random(0), 8000)
    said = {label for example in made for label in example.labels}
    assert set(range(encoder.size)) - said == {encoder.start, encoder.pad}


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    rates = [learning.rate_at(step, 100, 0.1) for step in range(100)]
    assert rates[:9] == sorted(rates[:9])
    assert set(rates[9:50]) == {1.0}
    assert 0 < rates[99] < 0.05


def test_batches_keep_every_example_and_their_size() -> None:
    examples = [tokens.Encoded((1,) * n, (1,) * n) for n in range(1, 200)]
    made = learning.batches(examples, 400, random.Random(0))
    assert sorted(len(e.ids) for batch in made for e in batch) == list(range(1, 200))
    assert all(len(batch) * max(len(e.ids) for e in batch) <= 400 for batch in made)


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    import torch

    torch.manual_seed(0)
    for shape in ((3, 40, 16), (3, 16, 40)):
        values = torch.linalg.svdvals(muon.orthogonalised(torch.randn(shape)))
        assert values.min() > 0.5 and values.max() < 1.3


def test_the_loss_is_the_sum_over_the_answers_alone() -> None:
    import torch

    model = learning.new_model(TINY, 50, 2, 0, 0).eval()
    batch = [tokens.Encoded((3, 4, 5, 6), (-100, -100, 5, 6)), tokens.Encoded((7, 8), (-100, 8))]
    logits = [torch.log_softmax(model(torch.tensor([e.ids])).logits[0], dim=-1) for e in batch]
    expected = -(logits[0][1, 5] + logits[0][2, 6] + logits[1][0, 8])
    assert learning.loss_of(model, batch, pad=0).item() == pytest.approx(expected.item(), abs=1e-5)
