"""Facts about answering with one matrix for each adapted layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.models import Loaded, load
from workbench.models.dense import dense


def adapted(tiny: Path, quantization: str, method: str) -> Loaded:
    """A tiny model with an adapter as it is after some training: no factor is zero."""
    import torch

    from workbench.training import load_recipe
    from workbench.training.assemble import with_adapter

    loaded = load(str(tiny), device="cpu", quantization=quantization)  # type: ignore[arg-type]
    recipe = load_recipe("pocket-lora", [f"adapter.method={method}", "adapter.r=4"])
    loaded.model = with_adapter(loaded.model, recipe, 100).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in loaded.model.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn_like(weight) * 0.2)
    return loaded


def logits(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.arange(40).view(2, 20)).logits.clone()


@pytest.mark.parametrize(
    ("quantization", "method"), [("none", "lora"), ("nf4", "lora"), ("none", "adalora"), ("nf4", "adalora")]
)
def test_the_logits_are_the_same_and_nothing_stays_behind(tiny: Path, quantization: str, method: str) -> None:
    import torch

    model = adapted(tiny, quantization, method).model
    before, stored = logits(model), {name: p.detach().clone() for name, p in model.named_parameters()}
    with dense(model):
        within = logits(model)
    assert torch.allclose(within, before, atol=1e-4)
    assert torch.equal(logits(model), before)
    assert all(torch.equal(p, stored[name]) for name, p in model.named_parameters())
    model(input_ids=torch.arange(8).view(1, 8)).logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_each_product_is_taken_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model = adapted(tiny, "nf4", "lora").model
    factors = [m for name, m in model.named_modules() if name.endswith(".lora_A.default")]
    called: list[Any] = []
    for factor in factors:
        factor.register_forward_hook(lambda *_: called.append(1))
    with dense(model):
        model(input_ids=torch.arange(8).view(1, 8))
    assert factors and not called
    monkeypatch.setattr("workbench.models.dense.LIMIT", 1000)  # too large a model keeps its layers
    with dense(model):
        model(input_ids=torch.arange(8).view(1, 8))
    assert len(called) == len(factors)


def test_a_disabled_adapter_stays_disabled(tiny: Path) -> None:
    import torch

    model = adapted(tiny, "none", "lora").model
    with model.disable_adapter():
        base = logits(model)
        with dense(model):
            assert torch.allclose(logits(model), base, atol=1e-4)
