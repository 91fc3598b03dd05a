"""Facts about the loss in portions: the whole one's value and gradient, and never all scores at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.test_quick import MIXED, adapted, gradients
from workbench.models import load, portions
from workbench.models.batches import pad, summed_loss
from workbench.models.portions import loss_in_portions, portion


@pytest.mark.parametrize("rows", [1, 3, 7, 50])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_value_and_gradient_are_those_of_the_whole(rows: int, dtype: torch.dtype, near: float) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(20, 8, dtype=dtype, requires_grad=True)
    weight, targets = torch.randn(30, 8, dtype=dtype), torch.randint(30, (20,))
    whole = torch.nn.functional.cross_entropy((hidden @ weight.T).float(), targets, reduction="sum") / 7
    (wanted,) = torch.autograd.grad(whole, hidden)
    cut = loss_in_portions(hidden, weight, targets, rows) / 7
    (found,) = torch.autograd.grad(cut, hidden)
    assert cut.dtype == torch.float32 and found.dtype == dtype
    torch.testing.assert_close(cut, whole, rtol=near, atol=0)
    torch.testing.assert_close(found, wanted, rtol=near, atol=near)


def test_a_training_s_loss_in_portions_is_the_same(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = adapted(tiny), pad(MIXED)
    whole, count = summed_loss(model, batch)
    wanted = gradients(model, whole)
    vocabulary = model.config.vocab_size
    monkeypatch.setattr(portions, "ROOM", 4 * vocabulary)
    with Widest(model.get_output_embeddings().weight) as seen:
        cut, same = summed_loss(model, batch)
        found = gradients(model, cut)
    assert same == count > 4 and seen.rows == 4
    torch.testing.assert_close(cut, whole, rtol=1e-5, atol=0)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert "forward" not in vars(model.get_output_embeddings())
    assert model(batch["input_ids"]).logits.shape == (*batch["input_ids"].shape, vocabulary)


def test_only_a_frozen_head_whose_output_is_the_scores_is_cut(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load(str(tiny), device="cpu").model
    head = network.get_output_embeddings()
    assert portion(network, head, 10**6) == portions.ROOM // network.config.vocab_size
    assert portion(network, head, 5) == 0
    monkeypatch.setattr(portions, "ROOM", 1)
    assert portion(network, head, 5) == 1
    head.requires_grad_(True)
    assert portion(network, head, 5) == 0
    head.requires_grad_(False)
    head.weight.ds_id = 3
    assert portion(network, head, 5) == 0
    del head.weight.ds_id
    network.config.model_type = "gemma2"  # it caps its scores afterwards
    assert portion(network, head, 5) == 0
    network.config.model_type = "llama"
    assert portion(network, torch.nn.Sequential(head), 5) == 0  # as where it has an adapter of its own


class Widest(torch.utils._python_dispatch.TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The most rows of any tensor over the vocabulary that is made while it lasts; the weight turned over is none."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.weight, self.rows = weight, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.dim() > 1 and made.shape[-1] == len(self.weight):
            turned = made.untyped_storage().data_ptr() == self.weight.untyped_storage().data_ptr()
            self.rows = max(self.rows, 0 if turned else made.numel() // len(self.weight))
        return made
