"""How people ask for what a tool can do: the words of ``datasets/tools``, and one exchange for each tool. Knows the
kit's arguments; runs no tool."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

from workbench import shipped

FIRST_DAY, DAYS = date(2000, 1, 1), 13149  # to the end of 2035
PAIRS = (
    ("km", "m"), ("m", "cm"), ("cm", "mm"), ("kg", "g"), ("l", "ml"), ("hour", "minute"), ("day", "hour"),
    ("m", "km"), ("g", "kg"), ("inch", "cm"), ("foot", "cm"), ("pound", "g"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """Hold what somebody wants of a tool.

    Args:
        tool: its name.
        arguments: of the call.
        question: as it is asked.
        answer: with ``{value}`` in the place of the result.
        slots: what else stands in the answer.
    """

    tool: str
    arguments: Mapping[str, Any]
    question: str
    answer: str
    slots: Mapping[str, str]

    @property
    def group(self) -> str:
        """Return what is equal for all wordings of the same, so that it is held out in every wording."""
        return f"tools/{self.tool}/{'/'.join(map(str, self.arguments.values()))}"


@cache
def words(lang: str) -> Mapping[str, Any]:
    """Return the wordings of a language."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: Mapping[str, Any] = yaml.load(shipped.path(f"tools/{lang}.yaml").read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
    return loaded


def number(rng: random.Random, digits: Sequence[int] = (2, 2, 3)) -> int:
    """Draw a number of so many digits."""
    length = rng.choice(digits)
    return rng.randint(10 ** (length - 1), 10**length - 1)


def expression(rng: random.Random) -> str:
    """Draw a sum, a difference or a product of two numbers, written in one of the usual ways."""
    sign = rng.choice("+-**×")
    space = rng.choice(["", "", " "])
    return f"{number(rng)}{space}{sign}{space}{number(rng)}"


def wanted(tool: str, lang: str, rng: random.Random, items: Sequence[str] = (), *, fails: bool = False) -> Wanted:
    """Draw what somebody wants of a tool.

    Args:
        items: names in the table of ``lookup``, of any language.
        fails: whether the tool shall not be able to do it.
    """
    draw = {"calculator": _sum, "weekday": _weekday, "units": _units, "clock": _clock}.get(tool)
    if draw is not None:
        return draw(lang, rng, fails)
    bank = words(lang)["lookup"]
    chinese = [item for item in items if not item.isascii()]
    usable = (chinese if lang == "zh" else [item for item in items if item.isascii()]) or list(items)
    item = rng.choice(UNSOLD[lang]) if fails else rng.choice(usable)
    return Wanted(tool, {"item": item}, rng.choice(bank["ask"]).format(item=item), bank["answer"], {"item": item})


UNSOLD = {
    "en": ("dragon", "castle", "rocket", "violin", "canoe", "anchor", "cactus", "drum", "tractor", "parrot", "globe"),
    "zh": ("飞龙", "城堡", "火箭", "小提琴", "独木舟", "船锚", "仙人掌", "大鼓", "拖拉机", "鹦鹉", "帐篷", "地球仪"),
}  # fmt: skip
"""What no shop of ours sells."""


def _sum(lang: str, rng: random.Random, fails: bool) -> Wanted:
    bank = words(lang)["calculator"]
    if fails:
        text = f"{number(rng)}/0"
    elif rng.random() < 0.3:
        sign, a, b = rng.choice("+-*"), number(rng), number(rng)
        ask = rng.choice(bank["spoken"][sign]).format(a=a, b=b)
        return Wanted("calculator", {"expression": f"{a}{sign}{b}"}, ask, bank["answer"], {})
    else:
        text = expression(rng)
    return Wanted("calculator", {"expression": text}, rng.choice(bank["ask"]).format(x=text), bank["answer"], {})


def _weekday(lang: str, rng: random.Random, fails: bool) -> Wanted:
    bank = words(lang)["weekday"]
    day = (FIRST_DAY + timedelta(days=rng.randrange(DAYS))).isoformat()
    if fails:
        day = f"{day[:5]}{rng.choice(['02-30', '04-31', '06-31', '13-01', '11-31'])}"
    return Wanted("weekday", {"date": day}, rng.choice(bank["ask"]).format(date=day), bank["answer"], {"date": day})


def _units(lang: str, rng: random.Random, fails: bool) -> Wanted:
    bank, names = words(lang)["units"], words(lang)["units_of"]
    source, target = ("km", "kg") if fails else rng.choice(PAIRS)
    value = number(rng, (1, 2, 2, 3))
    slots = {"value": str(value), "source": names[source], "target": names[target]}
    arguments = {"value": value, "source": names[source], "target": names[target]}
    return Wanted("units", arguments, rng.choice(bank["ask"]).format(**slots), bank["answer"], slots)


def _clock(lang: str, rng: random.Random, fails: bool) -> Wanted:  # noqa: ARG001  a clock does not fail
    bank = words(lang)["clock"]
    return Wanted("clock", {}, rng.choice(bank["ask"]), bank["answer"], {})
