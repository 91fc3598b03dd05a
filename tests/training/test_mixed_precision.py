"""A whole training in mixed precision, as a GPU has it, which a CPU can do too: from the base's evaluation over packed
steps and a loss in portions to the checkpoint of an 8-bit optimizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests import tiny as small
from workbench.models import portions
from workbench.runs import Run
from workbench.training import execution, load_recipe
from workbench.training.start import begin
from workbench.training.worker import work


def trained(tiny: Path, out: Path, *settings: str) -> Run:
    few = ("persona.name=Sprout", "identity_count=40", "max_steps=6", "eval_steps=3", "identity_probes=2")
    run = begin(load_recipe("pocket-qlora", small.overrides(tiny, *few, *settings)), out)
    work(run)
    return run


def told(run: Run, kind: str) -> list[Any]:
    return [event.loss for event in run.events.all() if event.kind == kind]  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        ("optim=paged_adamw_8bit", "gradient_checkpointing=true"),
        ("quantization=none", "optim=adamw_8bit"),
        ("quantization=none", "method=full"),
        ("packing=false",),
    ],
)
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU", "ignore:.*checkpoint:UserWarning")
def test_it_ends_where_float32_does(
    tiny: Path, tmp_path: Path, settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(tiny, tmp_path / "whole", *settings)
    monkeypatch.setattr(execution, "in_mixed_precision", lambda *_: True)
    monkeypatch.setattr("workbench.models.loading.compute_dtype", lambda _: torch.bfloat16)
    monkeypatch.setattr(portions, "ROOM", 20 * 320)
    half = trained(tiny, tmp_path / "half", *settings)
    assert half.state().status == "ended"
    assert told(half, "train") == pytest.approx(told(whole, "train"), rel=1e-2)
    assert told(half, "eval") == pytest.approx(told(whole, "eval"), rel=1e-2)
    assert told(half, "eval")[-1] < told(half, "eval")[0]
    assert half.best() is not None
