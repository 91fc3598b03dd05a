"""The clock of the training benchmark, the same in every environment. Knows the standard library alone."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

UNIT = 1 if sys.platform == "darwin" else 1024


def peak() -> int:
    """The largest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def clocked(train: Callable[[], Any], steps: int) -> dict[str, Any]:
    """Seconds of ``train``, the steps it took, and memory before it and at its peak."""
    before, start = peak(), time.perf_counter()
    train()
    return {"seconds": time.perf_counter() - start, "steps": steps, "before": before, "peak": peak()}
