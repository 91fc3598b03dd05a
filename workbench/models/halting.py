"""Leaving a model's work half-done when somebody asks to stop. Knows modules; nothing of runs or text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# seconds between two questions whether to stop
EVERY = 0.1


class Halted(Exception):
    """Signal that somebody asked to stop; what was being computed is lost, the model is as it was."""


@contextmanager
def halting(model: Any, should_stop: Callable[[], bool] | None) -> Iterator[None]:
    """Let the model, while it lasts, ask ``should_stop`` before each of its layers, and leave with :class:`Halted`.

    A long batch takes many seconds on a CPU; a single layer of it does not.

    Args:
        model: as the library or PEFT made it.
        should_stop: asked at most ten times a second; None: nobody asks.
    """
    if should_stop is None:
        yield
        return
    latest = time.monotonic()

    def ask(*_: Any) -> None:
        nonlocal latest
        if time.monotonic() - latest >= EVERY:
            latest = time.monotonic()
            if should_stop():
                raise Halted

    handles = [module.register_forward_pre_hook(ask) for module in _stations(model)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _stations(model: Any) -> list[Any]:
    """The layers that stand in lists, and both ends: the quick ways of small models call no more than these."""
    import torch

    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    ends = [model.get_input_embeddings(), model.get_output_embeddings()]
    modules = [*(layer for layers in lists for layer in layers), *(end for end in ends if end is not None)]
    return list({id(module): module for module in modules}.values())
