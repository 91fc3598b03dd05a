"""Facts about packed rows whose conversations are attended to apart: the results of separate conversations, no padding
elsewhere, and no mask over the row."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from tests.models.test_quick import ASKED_TWICE, MIXED, SAME, adapted, gradients
from workbench.models import load
from workbench.models.batches import pad, summed_loss
from workbench.models.isolated import PADDED, attend, attends_flash, attends_isolated, can_isolate, groups_of, isolate
from workbench.templates.packing import in_one_row

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "vocab_size": 320, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128,
}  # fmt: skip


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40))
def test_groups_hold_each_token_once_and_little_padding(lengths: list[int]) -> None:
    groups = groups_of(lengths, CPU)
    assert sum(group.rows for group in groups) == len(lengths)
    assert [group.start for group in groups] == [sum(g.tokens for g in groups[:i]) for i in range(len(groups))]
    assert sum(group.tokens for group in groups) == sum(lengths)
    for group in groups:
        assert group.tokens <= group.rows * group.width <= PADDED * group.tokens
        if group.places is not None:
            assert len(set(group.places.tolist())) == group.tokens < group.rows * group.width


def test_like_lengths_make_few_groups() -> None:
    assert len(groups_of([50] * 30, CPU)) == 1
    assert len(groups_of(sorted(range(8, 512, 4)), CPU)) < 10


@pytest.mark.parametrize("rows", [SAME, MIXED, sorted(MIXED, key=lambda e: len(e.input_ids)), ASKED_TWICE])
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_loss_and_gradients_are_those_of_padded_rows(tiny: Path, rows: list[Any], quantization: str) -> None:
    model = adapted(tiny, quantization=quantization)
    wanted, count = summed_loss(model, pad(rows))
    theirs = gradients(model, wanted)
    isolate(model.get_base_model())
    found, same = summed_loss(model, pad([in_one_row(rows)]))
    assert attends_isolated(model) and same == count
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradients(model, found), theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("config", [LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config])
def test_each_architecture_hands_the_groups_on(config: Any) -> None:
    """Of heads that share keys, too. A later conversation's loss would change if it saw an earlier one."""
    torch.manual_seed(0)
    settings = {**SMALL, "sliding_window": None} if config is MistralConfig else SMALL
    network = AutoModelForCausalLM.from_config(config(**settings), attn_implementation="eager")
    assert can_isolate(network.config)
    wanted, _ = summed_loss(network, pad(MIXED))
    isolate(network)
    network.train()
    enable = getattr(network, "activation_checkpointing_enable", None) or network.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    found, _ = summed_loss(network, pad([in_one_row(MIXED)]))
    found.backward()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("wrapped", [False, True])
def test_no_mask_and_no_weights_over_the_whole_row_are_made(tiny: Path, wrapped: bool) -> None:
    rows = SAME * 12
    model, batch = adapted(tiny), pad([in_one_row(rows)])
    isolate(model.get_base_model())
    tokens = batch["input_ids"].numel()
    with Squares(tokens) as seen:
        summed_loss(Engine(model) if wrapped else model, batch)[0].backward()
    assert not seen.found


def test_flash_attention_is_told_where_conversations_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in for its kernel, which needs a GPU, computes with these borders alone."""
    from transformers import AttentionInterface

    seen: list[tuple[int, list[int]]] = []

    def kernel(module: Any, query: Any, key: Any, value: Any, _: Any, **told: Any) -> Any:
        ends = told["cu_seq_lens_q"].tolist()
        assert told["cu_seq_lens_k"].tolist() == ends and told["cu_seq_lens_q"].dtype == torch.int32
        seen.append((told["max_length_q"], ends))
        lengths = [end - start for start, end in pairwise(ends)]
        return attend(module, query, key, value, None, groups=groups_of(lengths, CPU))

    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(LlamaConfig(**SMALL), attn_implementation="eager")
    wanted, _ = summed_loss(network, pad(MIXED))
    AttentionInterface.register("stand_in", kernel)
    network.set_attn_implementation("stand_in")
    monkeypatch.setattr("workbench.models.batches.attends_flash", lambda _: True)
    found, _ = summed_loss(network, pad([in_one_row(MIXED)]))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    assert seen == [(61, [0, 12, 73, 80, 101])] * 2


def test_what_is_not_packed_is_attended_to_as_ever(tiny: Path) -> None:
    """Rows padded on the left, as answers are generated, and on the right, as losses are measured."""
    plain, apart = (load(str(tiny), device="cpu", attention="sdpa").model for _ in range(2))
    isolate(apart)
    ids = torch.randint(5, 300, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[0] * 4 + [1] * 5, [1] * 9])
    theirs, ours = (model(input_ids=ids, attention_mask=mask).logits for model in (plain, apart))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(summed_loss(apart, pad(MIXED)), summed_loss(plain, pad(MIXED)))


def test_an_architecture_that_does_not_look_at_all_that_came_before_is_left() -> None:
    assert not can_isolate(MistralConfig(**SMALL, sliding_window=16))
    assert not can_isolate(Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=16, max_window_layers=1))
    assert not can_isolate(type("Config", (), {"model_type": "gemma2"}))


@pytest.mark.parametrize(
    ("model_type", "attention", "told"),
    [("llama", "flash_attention_2", True), ("llama", "sdpa", False), ("gemma2", "flash_attention_2", False)],
)
def test_only_known_architectures_are_told_of_borders(model_type: str, attention: str, told: bool) -> None:
    config = SimpleNamespace(model_type=model_type, _attn_implementation=attention)
    assert attends_flash(SimpleNamespace(config=config)) is told


class Engine(torch.nn.Module):
    """Lends all that its module has, as DeepSpeed's does, but for a ``config`` of its own."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module, self.config = module, {"zero_optimization": {}}

    def forward(self, *given: Any, **named: Any) -> Any:
        return self.module(*given, **named)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)


class Squares(torch.utils._python_dispatch.TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Whether a tensor (…, T, T) is made while it lasts."""

    def __init__(self, tokens: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tokens, self.found = tokens, False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.shape[-2:] == (self.tokens, self.tokens):
            self.found = True
        return made
