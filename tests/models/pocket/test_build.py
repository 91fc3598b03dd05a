"""The build, in small: it runs from end to end, the same twice."""

from __future__ import annotations

import random
import shutil
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
    monkeypatch.setattr("workbench.models.pocket.corpus.held_out_samples", lambda seed: held[::40])


def test_a_build_with_the_same_seed_writes_the_same_weights(tmp_path: Path, few: None) -> None:
    results = [build.build(tmp_path / name, 1, TINY, quiet) for name in ("a", "b")]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]
    assert results[0]["held_out"] == results[1]["held_out"]
    assert results[0]["steps"] == 18  # three of each part, of which the first has two
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


def test_it_is_asked_about_itself_in_every_wording_of_the_bank_and_answers_as_itself() -> None:
    from workbench.data.bank import bank
    from workbench.models.pocket import about_itself, facts

    made = about_itself.samples(build.ABOUT_ITSELF)
    asked = {(s.lang, s.fact) for s in made}
    for lang in ("zh", "en"):
        wanted = {g.name for g in bank(lang).groups if g.intent not in about_itself.APART}
        assert {name for found, name in asked if found == lang} == wanted
    own = {e.wordings[lang].answer for e in facts.entries().values() for lang in e.wordings if e.kind == "identity"}
    assert {s.answer for s in made} <= own
    earlier = {text for s in made for role, text in s.turns[:-1] if role == "assistant" and "Pocket" in text}
    assert earlier <= own


def test_no_held_out_question_is_among_those_of_the_bank() -> None:
    from workbench.models.pocket import about_itself, phrasing

    held = corpus.held_out_samples(0)
    apart = {(s.lang, phrasing.normalised(s.question)) for s in held}
    made = about_itself.samples(build.ABOUT_ITSELF)
    left = build.unasked(made, held)
    assert not [s for s in left if (s.lang, phrasing.normalised(s.question)) in apart]
    assert len(made) * 0.9 < len(left) < len(made)  # some of the bank's wordings are held out from the base


def test_only_the_last_answer_of_a_dialogue_is_trained() -> None:
    from workbench.models.pocket import WEIGHTS

    encoder = tokens.Encoder(tokens.load(WEIGHTS))
    before = [("user", "What is three plus four?"), ("assistant", "Seven.")]
    turns = [*before, ("user", "Who are you?"), ("assistant", "I.")]
    made = encoder.last_answer(turns)
    assert made.ids == encoder.conversation(turns).ids
    assert encoder.decode([label for label in made.labels if label >= 0]) == "I."


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


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="layers are compiled by a C++ compiler")
def test_compiled_layers_have_the_loss_and_gradients_of_the_plain_ones() -> None:
    import torch

    plain, compiled = (learning.new_model(TINY, 50, 2, 0, 0) for _ in range(2))
    learning.compile_layers(compiled)
    batch = [tokens.Encoded((3, 4, 5, 6), (-100, -100, 5, 6)), tokens.Encoded((7, 8), (-100, 8))]
    for conversations in (batch, batch[:1]):
        losses = [learning.loss_of(model, conversations, pad=0) for model in (plain, compiled)]
        assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
        for loss in losses:
            loss.backward()  # type: ignore[no-untyped-call]
    gradients = [[weight.grad for weight in model.parameters()] for model in (plain, compiled)]
    for expected, computed in zip(*gradients, strict=True):
        assert expected is not None and computed is not None
        assert torch.allclose(expected, computed, atol=1e-4)
