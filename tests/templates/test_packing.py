"""Packing loses nothing, and no example sees another."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadSetting
from workbench.templates import Example, block_mask, pack


@st.composite
def examples(draw):
    made = []
    for number in range(draw(st.integers(0, 30))):
        size = draw(st.integers(1, 20))
        ids = tuple(number * 100 + i for i in range(size))
        made.append(Example(ids, tuple(i if draw(st.booleans()) else -100 for i in ids)))
    return made


@given(examples(), st.integers(20, 60))
def test_every_token_goes_in_once_and_comes_out_once(made, max_length):
    packs = pack(made, max_length)
    assert Counter(i for p in packs for i in p.input_ids) == Counter(i for e in made for i in e.input_ids)
    assert all(len(p.input_ids) == len(p.labels) == len(p.position_ids) == sum(p.lengths) <= max_length for p in packs)


@given(examples(), st.integers(20, 60))
def test_positions_restart_and_each_first_label_is_ignored(made, max_length):
    by_first = {e.input_ids[0]: e for e in made}
    for row in pack(made, max_length):
        at = 0
        for size in row.lengths:
            example = by_first[row.input_ids[at]]
            assert row.input_ids[at : at + size] == example.input_ids
            assert row.labels[at : at + size] == (-100, *example.labels[1:])
            assert row.position_ids[at : at + size] == tuple(range(size))
            at += size


def test_rows_are_filled_as_well_as_best_fit_decreasing_does():
    sizes = [6, 5, 5, 4, 3, 3, 2, 2]
    packs = pack([Example((1,) * n, (1,) * n) for n in sizes], 10)
    assert [sorted(p.lengths) for p in packs] == [[4, 6], [5, 5], [2, 2, 3, 3]]


def test_an_example_that_is_too_long_is_refused():
    with pytest.raises(BadSetting, match="Example 2 has 9 tokens"):
        pack([Example((1,), (1,)), Example((1,) * 9, (1,) * 9)], 8)


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


@pytest.mark.parametrize("given_mask", [False, True])
def test_the_packed_loss_is_the_sum_of_the_separate_losses(llama, given_mask):
    import torch

    separate = [losses(llama, e.input_ids, e.labels) for e in three()]
    (row,) = pack(three(), 16)
    positions = torch.tensor([row.position_ids])
    how = {"attention_mask": block_mask(positions)} if given_mask else {}
    total, count = losses(llama, row.input_ids, row.labels, position_ids=positions, **how)
    assert count == sum(n for _, n in separate)
    assert total == pytest.approx(sum(loss for loss, _ in separate), abs=1e-5)


def test_no_token_attends_across_examples(llama):
    import torch

    (row,) = pack(three(), 16)
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


def test_the_mask_opens_only_what_came_before_in_the_same_example():
    import torch

    mask = block_mask(torch.tensor([[0, 1, 0, 1, 2]]))
    assert mask.shape == (1, 1, 5, 5)
    assert (mask[0, 0] == 0).int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 1, 1, 1],
    ]
