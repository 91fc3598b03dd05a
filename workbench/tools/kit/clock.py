"""Today's date and the time of day. Knows this machine's clock; nothing of models."""

from __future__ import annotations

from datetime import datetime

now = datetime.now  # what tests set to a fixed time


def clock() -> str:
    """Tell today's date and the time."""
    return now().strftime("%Y-%m-%d %H:%M")
