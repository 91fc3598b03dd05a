"""The weekday of a date. Knows the calendar; nothing of models."""

from __future__ import annotations

import datetime

from workbench.tools.values import ToolError

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CHINESE = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日")


def weekday(date: str) -> str:
    """Tell the weekday of a date.

    Args:
        date: as YYYY-MM-DD
    """
    try:
        number = datetime.date.fromisoformat(date.strip()).weekday()
    except ValueError:
        raise ToolError("not a date") from None
    return f"{DAYS[number]} {CHINESE[number]}"
