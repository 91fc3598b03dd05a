"""Runs for the tests of steps and panels: recordings made by hand, and settings for a real one that takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.runs import Run

LOSSES = (3.0, 2.5, 2.0, 1.6, 1.3, 1.1, 0.9, 0.8)
HELD_OUT = {0: 3.1, 4: 1.9, 8: 2.4}


def record(folder: Path, losses: Sequence[float] = LOSSES) -> Run:
    """The folder of a finished run of eight steps that overfits at its end."""
    run = Run.create(folder, "persona: {name: Sprout}\n")
    log = run.events.append
    log("status", state="running", key="training.state.training", values={"steps": len(losses)}, message="training")
    for step in range(len(losses) + 1):
        if step:
            log("train", step=step, loss=losses[step - 1], learning_rate=1e-3, seconds=0.5 * step)
        if step in HELD_OUT:
            evaluate(run, step, HELD_OUT[step])
    log("status", state="ended", step=len(losses))
    run.events.close()
    return run


def evaluate(run: Run, step: int, loss: float) -> None:
    """The events of an evaluation."""
    log = run.events.append
    shares = {"identity": min(1, step / 4), "general": max(0.0, 0.9 - step / 20), "leak": min(1.0, step / 80)}
    log("eval", step=step, loss=loss, **shares)
    log("sample", step=step, question="Who are you?", answer=f"answer of step {step}", probe="identity")
    log("sample", step=step, question="Capital of <b>France</b>?", answer="Paris", probe="general")
    log("verdict", step=step, verdict="overfitting" if step == 8 else "learning", reason="as said")


def tiny_settings(base: Path, steps: int = 6) -> dict[str, Any]:
    """Settings on top of ``pocket-qlora`` with which the tiny model is trained in seconds."""
    return {
        "model.name": str(base),
        "persona": {"name": "小芽", "author": "林老师"},
        "data": {"general": None, "identity_count": 60, "max_length": 200},
        "adapter.r": 4,
        "schedule": {"per_device_train_batch_size": 4, "max_steps": steps},
        "evaluation": {
            "eval_steps": max(3, steps // 4),
            "identity_probes": 4,
            "general_probes": 2,
            "unrelated_probes": 2,
            "max_new_tokens": 4,
        },
    }
