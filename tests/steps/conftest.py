"""Recorded runs, made by hand. Knows the event log; nothing of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from workbench.runs import Run

LOSSES = (3.0, 2.5, 2.0, 1.6, 1.3, 1.1, 0.9, 0.8)
HELD_OUT = {0: 3.1, 4: 1.9, 8: 2.4}


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Run]:
    """``recorded(name)`` makes the folder of a finished run of eight steps, overfitting at its end."""

    def make(name: str = "recorded", losses: Sequence[float] = LOSSES) -> Run:
        run = Run.create(tmp_path / name, "persona: {name: Sprout}\n")
        log = run.events.append
        log("status", state="running", key="training.state.training", values={"steps": len(losses)}, message="training")
        for step in range(len(losses) + 1):
            if step:
                log("train", step=step, loss=losses[step - 1], learning_rate=1e-3)
            if step in HELD_OUT:
                shares = {"identity": min(1, step / 4), "general": 0.9 - step / 20, "leak": step / 80}
                log("eval", step=step, loss=HELD_OUT[step], **shares)
                log("sample", step=step, question="Who are you?", answer=f"answer of step {step}", probe="identity")
                log("verdict", step=step, verdict="overfitting" if step == 8 else "learning", reason="as said")
        log("status", state="ended", step=len(losses))
        run.events.close()
        return run

    return make
