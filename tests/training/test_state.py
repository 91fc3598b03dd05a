"""Facts about a checkpoint's optimizer: put back, it goes on to the same weights, whichever it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import Trainer, TrainingArguments

from workbench.training.state import OPTIMIZER, load_optimizer, save_optimizer

NAMES = ["adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop", "adamw_8bit", "lion_32bit"]


def optimizer(name: str, folder: Path, weights: list[Any]) -> Any:
    kind, settings = Trainer.get_optimizer_cls_and_kwargs(TrainingArguments(str(folder), optim=name, use_cpu=True))
    return kind(weights, **settings)


def walk(one: Any, weights: list[Any], first: int) -> None:
    """Three steps, each along gradients of its own."""
    for step in range(first, first + 3):
        chance = torch.Generator().manual_seed(step)
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=chance)
        one.step()


def drawn() -> list[Any]:
    """Two of more than 4 096 numbers, which 8 bit is for, and two of fewer."""
    chance = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(*shape, generator=chance)) for shape in ((96, 64), (80, 64), (5, 7), (9,))]


@pytest.mark.parametrize("name", [*NAMES, "paged_adamw_8bit"])
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
def test_an_optimizer_goes_on_where_it_stood(name: str, tmp_path: Path) -> None:
    weights = drawn()
    whole = optimizer(name, tmp_path, weights)
    walk(whole, weights, 0)
    save_optimizer(whole, tmp_path)
    again = [torch.nn.Parameter(weight.detach().clone()) for weight in weights]
    walk(whole, weights, 3)
    resumed = optimizer(name, tmp_path, again)
    load_optimizer(resumed, tmp_path)
    walk(resumed, again, 3)
    for one, other in zip(weights, again, strict=True):
        assert torch.equal(one, other)


def test_8_bit_is_kept_as_8_bit(tmp_path: Path) -> None:
    weights = drawn()
    one = optimizer("adamw_8bit", tmp_path, weights)
    walk(one, weights, 0)
    save_optimizer(one, tmp_path)
    with safe_open(tmp_path / OPTIMIZER, framework="pt") as opened:
        assert opened.get_tensor("0.state1").dtype == torch.uint8
        assert opened.get_tensor("3.state1").dtype == torch.float32
        header = json.loads(next(iter(opened.metadata().values())))
        assert json.loads(header["plain"])["0.step"] == 3
