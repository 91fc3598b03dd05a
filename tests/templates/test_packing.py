"""Packing loses nothing, and no example sees another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.templates import Example
from workbench.templates.packing import in_one_row


@st.composite
def examples(draw):
    made = []
    for number in range(draw(st.integers(0, 30))):
        size = draw(st.integers(1, 20))
        ids = tuple(number * 100 + i for i in range(size))
        made.append(Example(ids, tuple(i if draw(st.booleans()) else -100 for i in ids)))
    return made


@given(examples())
def test_every_token_goes_in_once_and_comes_out_once(made):
    row = in_one_row(made)
    assert row.input_ids == tuple(i for e in made for i in e.input_ids)
    assert len(row.input_ids) == len(row.labels) == len(row.position_ids) == sum(row.lengths)


@given(examples())
def test_positions_restart_and_each_first_label_is_ignored(made):
    row, at = in_one_row(made), 0
    for size, example in zip(row.lengths, made, strict=True):
        assert row.input_ids[at : at + size] == example.input_ids
        assert row.labels[at : at + size] == (-100, *example.labels[1:])
        assert row.position_ids[at : at + size] == tuple(range(size))
        at += size


@pytest.fixture(scope="module", params=["eager", "sdpa"])
def llama(request):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_implementation=request.param,
    )
    return LlamaForCausalLM(config).eval()


def three():
    def example(*ids, trained):
        return Example(ids, tuple(i if n >= trained else -100 for n, i in enumerate(ids)))

    return [
        example(3, 4, 5, 6, 7, 8, trained=3),
        example(9, 10, 11, trained=1),
        example(12, 13, 14, 15, trained=0),
    ]


def losses(model, ids, labels, **how):
    """The summed loss and the number of labels that count."""
    import torch

    logits = model(input_ids=torch.tensor([ids]), use_cache=False, **how).logits[0, :-1]
    target = torch.tensor(labels)[1:]
    total = torch.nn.functional.cross_entropy(logits, target, ignore_index=-100, reduction="sum")
    return float(total.detach()), int((target != -100).sum())


def test_the_packed_loss_is_the_sum_of_the_separate_losses(llama):
    import torch

    separate = [losses(llama, e.input_ids, e.labels) for e in three()]
    row = in_one_row(three())
    positions = torch.tensor([row.position_ids])
    total, count = losses(llama, row.input_ids, row.labels, position_ids=positions)
    assert count == sum(n for _, n in separate)
    assert total == pytest.approx(sum(loss for loss, _ in separate), abs=1e-5)


def test_no_token_attends_across_examples(llama):
    import torch

    row = in_one_row(three())
    positions = torch.tensor([row.position_ids])
    ids = torch.tensor([row.input_ids])
    with torch.no_grad():
        before = llama(input_ids=ids, position_ids=positions, use_cache=False).logits
        changed = ids.clone()
        changed[0, : row.lengths[0]] = 63
        after = llama(input_ids=changed, position_ids=positions, use_cache=False).logits
    rest = row.lengths[0]
    assert torch.equal(before[0, rest:], after[0, rest:])
    assert not torch.allclose(before[0, :rest], after[0, :rest])
