"""Conversion of units. Knows lengths, weights, volumes, times and temperatures; nothing of models."""

from __future__ import annotations

from fractions import Fraction

from workbench.tools.arithmetic import shown
from workbench.tools.values import ToolError

SIZES: dict[str, dict[str, str]] = {
    "length": {"mm": "1/1000", "cm": "1/100", "m": "1", "km": "1000", "inch": "0.0254", "foot": "0.3048",
               "mile": "1609.344"},
    "weight": {"g": "1/1000", "kg": "1", "pound": "0.45359237", "ounce": "0.028349523125"},
    "volume": {"ml": "1/1000", "l": "1"},
    "time": {"second": "1", "minute": "60", "hour": "3600", "day": "86400", "week": "604800"},
}  # fmt: skip
"""Units by kind, each in terms of the kind's own: metre, kilogram, litre, second."""
NAMES = {
    "millimetre": "mm", "毫米": "mm", "centimetre": "cm", "厘米": "cm", "metre": "m", "meter": "m", "米": "m",
    "kilometre": "km", "kilometer": "km", "公里": "km", "千米": "km", "inches": "inch", "英寸": "inch",
    "feet": "foot", "英尺": "foot", "英里": "mile", "gram": "g", "克": "g", "kilogram": "kg", "kilo": "kg",
    "公斤": "kg", "千克": "kg", "lb": "pound", "磅": "pound", "盎司": "ounce", "millilitre": "ml", "毫升": "ml",
    "litre": "l", "liter": "l", "升": "l", "秒": "second", "分钟": "minute", "小时": "hour", "天": "day", "周": "week",
    "celsius": "°c", "c": "°c", "摄氏度": "°c", "fahrenheit": "°f", "f": "°f", "华氏度": "°f",
}  # fmt: skip
MOST = 10**15


def units(value: float, source: str, target: str) -> str:
    """Convert a value from one unit into another.

    Args:
        value: the number
        source: its unit, for example km
        target: the unit that is wanted, for example mile
    """
    number = Fraction(str(value))
    if abs(number) > MOST:
        raise ToolError("the number is too large")
    first, second = _unit(source), _unit(target)
    if {first, second} == {"°c", "°f"}:
        return shown((number - 32) * 5 / 9 if first == "°f" else number * 9 / 5 + 32)
    for sizes in SIZES.values():
        if first in sizes and second in sizes:
            return shown(number * Fraction(sizes[first]) / Fraction(sizes[second]))
    raise ToolError(f"cannot convert {source[:20]} into {target[:20]}")


def _unit(name: str) -> str:
    bare = name.strip().lower()
    bare = NAMES.get(bare, bare)
    singular = bare[:-1] if bare.endswith("s") and len(bare) > 2 else bare
    return NAMES.get(singular, singular)
