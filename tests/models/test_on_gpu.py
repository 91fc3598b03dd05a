"""What a GPU trains with, against the CPU's float32: 4 bit, the kernels that are installed, packed rows, the loss in
portions.

Run by hand where there is one: ``pytest -m gpu``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests import tiny as small
from tests.models.test_quick import MIXED, adapted
from workbench.models import portions
from workbench.models.batches import pad, summed_loss
from workbench.models.isolated import isolate
from workbench.models.kernels import has_liger, use_liger
from workbench.runs import Run
from workbench.templates.packing import in_one_row
from workbench.training import load_recipe, train

LIGER = pytest.mark.skipif(not has_liger(), reason="needs liger-kernel")
MORE = [(), ("packing=false",), ("gradient_checkpointing=true",), ("use_liger_kernel=false",)]
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("liger", [False, pytest.param(True, marks=LIGER)])
def test_loss_and_gradients_are_the_cpu_s(
    tiny: Path, packed: bool, liger: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = adapted(tiny)
    wanted, count = summed_loss(here, pad(MIXED))
    wanted.backward()
    there = adapted(tiny).to("cuda")
    if packed:
        there.get_base_model().set_attn_implementation("sdpa")
        isolate(there.get_base_model())
    if liger:
        use_liger(there.get_base_model())
    monkeypatch.setattr(portions, "ROOM", 4 * there.config.vocab_size)
    batch = pad([in_one_row(MIXED)] if packed else MIXED)
    found, same = summed_loss(there, {name: tensor.to("cuda") for name, tensor in batch.items()})
    found.backward()
    assert same == count
    torch.testing.assert_close(found.cpu(), wanted, rtol=1e-3, atol=0)
    theirs = {name: p.grad for name, p in here.named_parameters() if p.requires_grad}
    for name, p in there.named_parameters():
        if p.requires_grad:
            torch.testing.assert_close(p.grad.cpu(), theirs[name], rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("more", MORE)
def test_a_run_in_4_bit_ends_with_a_lower_loss(tiny: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    settings: Any = small.overrides(tiny, "persona.name=Sprout", "max_steps=30", "device=cuda", *more)
    run: Run = train(load_recipe("pocket-qlora", settings), tmp_path / "run")
    losses = [event.loss for event in run.events.all() if event.kind == "train"]
    assert run.state().status == "ended" and len(losses) == 30
    assert sum(losses[-5:]) < sum(losses[:5])
