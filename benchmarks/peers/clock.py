"""The clock of the training benchmark, the same in every environment. Knows transformers and torch; nothing of ours."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import torch
from transformers import TrainerCallback

UNIT = 1 if sys.platform == "darwin" else 1024


def peak() -> int:
    """The most memory so far, in bytes: of a GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


class Clock(TrainerCallback):
    """Seconds from the first step to the last, the steps, and memory before them and at its peak, in ``found``.

    Args:
        warm: first steps that are not timed, since kernels are compiled in them; the others stand for them.
    """

    def __init__(self, warm: int = 0) -> None:
        self.warm, self.found, self.start = warm, {}, 0.0

    def begin(self) -> None:
        """Call before the first step."""
        self.found["before"] = peak()
        self.start = now()

    def step(self, steps: int) -> None:
        """Call after each step."""
        if steps == self.warm:
            self.start = now()

    def end(self, steps: int) -> None:
        """Call after the last step."""
        seconds = (now() - self.start) * steps / (steps - self.warm)
        self.found.update(seconds=seconds, steps=steps, peak=peak())

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.begin()

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        self.step(state.global_step)

    def on_train_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        self.end(state.global_step)


def now() -> float:
    """Seconds, once all that a GPU was given is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
