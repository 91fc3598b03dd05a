"""Facts about the quick training pass: the library's loss and gradients, and nothing where it would not be those."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from workbench.models import load
from workbench.models.batches import pad, summed_loss
from workbench.models.quick import ALIKE, QuickPass, alike, quick_pass
from workbench.templates.packing import in_one_row
from workbench.templates.values import IGNORE_INDEX, Example


def example(length: int, trained: int, seed: int) -> Example:
    chance = random.Random(seed)
    ids = tuple(chance.randrange(5, 300) for _ in range(length))
    return Example(ids, (IGNORE_INDEX,) * (length - trained) + ids[length - trained :])


# of one length and of many, sorted and not; one with two answers, one trained whole
SAME = [example(9, 4, seed) for seed in range(3)]
MIXED = [example(12, 5, 1), example(61, 9, 2), example(7, 7, 3), example(21, 1, 4)]
ASKED_TWICE = [Example(tuple(range(5, 25)), (*[IGNORE_INDEX] * 4, 9, 10, *[IGNORE_INDEX] * 10, 21, 22, 23, 24))]


def adapted(tiny: Path, *more: str, quantization: str = "none", dtype: str | None = None) -> Any:
    """A tiny model in training, with an adapter no factor of which is zero."""
    import torch

    from workbench.training import load_recipe
    from workbench.training.assemble import with_adapter

    base = load(str(tiny), device="cpu", quantization=quantization, dtype=dtype).model  # type: ignore[arg-type]
    model = with_adapter(base, load_recipe("pocket-lora", ["adapter.r=4", *more]), 100).train()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn_like(weight) * 0.1)
    return model


def gradients(model: Any, loss: Any) -> dict[str, Any]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("quantization", ["none", "nf4"])
@pytest.mark.parametrize("rows", [SAME, MIXED, sorted(MIXED, key=lambda e: len(e.input_ids)), ASKED_TWICE, MIXED[:1]])
def test_loss_and_gradients_are_the_library_s(tiny: Path, quantization: str, rows: list[Example]) -> None:
    model = adapted(tiny, "use_rslora=true", quantization=quantization)
    passing, batch = quick_pass(model), pad(rows)
    assert passing is not None and passing.takes(batch)
    (theirs, count), (ours, same_count) = summed_loss(model, batch), passing(batch)
    assert count == same_count == sum(label != IGNORE_INDEX for e in rows for label in e.labels[1:])
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-5)
    wanted, found = gradients(model, theirs), gradients(model, ours)
    for name, gradient in wanted.items():
        assert float((found[name] - gradient).norm()) <= 2e-5 * float(gradient.norm()), name


def test_a_batch_without_a_trained_token_moves_nothing(tiny: Path) -> None:
    model = adapted(tiny)
    passing = quick_pass(model)
    assert passing is not None
    loss, count = passing(pad([Example((5, 6, 7), (IGNORE_INDEX,) * 3)]))
    assert count == 0 and all(not g.any() for g in gradients(model, loss).values())


def test_packed_rows_are_left_to_the_library(tiny: Path) -> None:
    passing = quick_pass(adapted(tiny))
    assert passing is not None and not passing.takes(pad([in_one_row(MIXED)]))


@pytest.mark.parametrize(
    "more",
    [["lora_dropout=0.1"], ["adapter.method=adalora"], ["adapter.method=full"], ["target_modules=[q_proj, v_proj]"]],
)
def test_another_adapter_is_left_to_the_library(tiny: Path, more: list[str]) -> None:
    assert quick_pass(adapted(tiny, *more)) is None


def test_what_it_is_not_made_for_is_left_to_the_library(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert quick_pass(adapted(tiny, dtype="bfloat16")) is None
    model = adapted(tiny)
    with model.disable_adapter():
        assert quick_pass(model) is None
    model.config.num_key_value_heads = 2
    assert quick_pass(model) is None
    model.config.num_key_value_heads = 4
    assert isinstance(quick_pass(model), QuickPass)
    monkeypatch.setattr("workbench.models.quick.LIMIT", 1000)
    assert quick_pass(model) is None


def test_attention_pads_conversations_of_like_length_only() -> None:
    parts = alike([10, 11, 13, 30, 31, 9])
    assert parts == [[10, 11, 13], [30, 31], [9]]
    assert all(max(part) <= ALIKE * min(part) for part in parts)


def test_a_configuration_tells_whether_the_pass_is_for_it() -> None:
    from transformers import LlamaConfig

    from workbench.models import configuration
    from workbench.models.quick import small_llama

    assert small_llama(configuration("pocket"))
    whole = {"num_attention_heads": 8, "num_key_value_heads": 8, "hidden_size": 256, "intermediate_size": 512}
    assert small_llama(LlamaConfig(**whole, num_hidden_layers=4))
    assert not small_llama(LlamaConfig(**whole, num_hidden_layers=400))
    assert not small_llama(LlamaConfig(**{**whole, "num_key_value_heads": 2}, num_hidden_layers=4))
    assert not small_llama(LlamaConfig(**whole, num_hidden_layers=4, attention_bias=True))
