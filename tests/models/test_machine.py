"""What the doctor finds out about a machine."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from workbench.models import machine
from workbench.models.machine import FourBit, processor, try_4bit, versions


def test_a_4_bit_step_is_really_tried_and_works_here() -> None:
    tried = try_4bit("cpu")
    assert (tried.works, tried.survives_evaluation, tried.reason) == (True, True, "")


class Cut(torch.nn.Linear):
    """A layer that does what the packed kernel does: right answers, and no way back for the gradient."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).detach()


def test_a_lost_gradient_is_seen() -> None:
    layer = Cut(64, 64, bias=False)
    x = torch.ones(2, 64, requires_grad=True)
    assert not machine._is_right(layer, x, torch.ones(2, 64) @ layer.weight.detach())


def test_a_wrong_gradient_is_seen() -> None:
    layer = torch.nn.Linear(64, 64, bias=False)
    x = torch.ones(2, 64, requires_grad=True)
    truth = torch.ones(2, 64) @ layer.weight.detach()
    assert machine._is_right(layer, x, truth)
    assert not machine._is_right(layer, x, -truth)


def test_where_4_bit_does_not_work_the_reason_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(device: str) -> Any:
        raise RuntimeError("\nno kernel for this device\nmore")

    monkeypatch.setattr(machine, "_layer", refuse)
    assert try_4bit("cpu") == FourBit(False, False, False, "no kernel for this device")


def test_the_processor_has_cores() -> None:
    assert processor().cores >= 1


def test_what_is_not_installed_has_no_version() -> None:
    assert versions(["torch", "no-such-distribution"]) == {"torch": torch.__version__, "no-such-distribution": None}
