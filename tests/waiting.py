"""Waiting for what another thread or process does. Knows clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 30, pause: float = 0.01) -> T:
    """Look again and again until ``condition`` gives something true, and return that; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "never happened"
        time.sleep(pause)
    return value
