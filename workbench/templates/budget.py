"""How much one rendering of a chat template may take. Knows steps, sizes and time; nothing of Jinja."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Of one rendering. The longest template that is known takes some hundred steps a message; conversations have tens.
STEPS = 300_000
# Seconds after which a rendering is ended whatever it counted; the steps are what normally ends one.
SECONDS = 10.0
# Characters of any text, items of any list; beyond what is given to the template (GROWTH times that is always allowed).
LARGEST, GROWTH = 1_000_000, 20
# A width in a format: of so many characters, or of an argument's.
_WIDE = re.compile(r"\d{5,}|%[-+ #0]*\*|\{[^{}]*:[^{}]*\{")
# Methods and filters that take a size as a number.
_SIZED = {
    "ljust", "rjust", "center", "zfill", "expandtabs", "indent", "wordwrap", "truncate", "batch", "slice", "tojson",
    "round",
}  # fmt: skip
_MEASURED = _SIZED | {"replace", "join", "format", "format_map", "translate", "sum"}


class TooMuchError(Exception):
    """Signal that the template took more than it may; says what."""


class Budget(threading.local):
    """Hold what a rendering of this thread may still take."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, size: int) -> None:
        """Start anew, for a rendering that was given ``size`` characters."""
        self.steps, self.until = STEPS + size, time.monotonic() + SECONDS
        self.largest = LARGEST + GROWTH * size

    def step(self, count: int = 1) -> None:
        """Take ``count`` steps.

        Raises:
            TooMuchError: there are none left, or no time is.
        """
        self.steps -= count
        if self.steps < 0:
            raise TooMuchError(f"more than {STEPS} steps")
        if self.steps % 64 < count and time.monotonic() > self.until:
            raise TooMuchError(f"more than {SECONDS:.0f} seconds")

    def size(self, count: float) -> None:
        """Refuse what is larger than a rendering may be.

        Raises:
            TooMuchError: ``count`` characters or items are more than may be made.
        """
        if count > self.largest:
            raise TooMuchError(f"more than {self.largest} characters")

    def made(self, value: Any) -> Any:
        """Return ``value``, measured and counted: large ones cost more steps."""
        if value is None or (type(value) in (str, bool) and (value is True or value is False or len(value) < 256)):
            self.step()
        elif isinstance(value, (str, list, tuple, dict)):
            count = len(value) if isinstance(value, str) else self.written(value)
            self.size(count)
            self.step(1 + count // 256)
        else:
            self.step()
            if isinstance(value, int) and value.bit_length() > 4096:
                raise TooMuchError("a number of more than a thousand digits")
        return value

    def written(self, value: Any) -> int:
        """Return characters and items of lists within lists, each as often as it would be written; counted to the
        limit.

        A list that holds another twice, and that one a third twice, is small in memory and endless when it is written
        or compared.
        """
        count, waiting = 0, [value]
        while waiting and count <= self.largest:
            node = waiting.pop()
            if isinstance(node, str):
                count += len(node)
            elif isinstance(node, Mapping):
                waiting += [*node, *node.values()]
            elif isinstance(node, (list, tuple)):
                waiting += node
            count += 1
        return count + len(waiting)


BUDGET = Budget()


def joined(parts: Iterable[Any]) -> str:
    """Return the texts as one, measured first."""
    texts = [part if type(part) is str else str(part) for part in parts]
    count = sum(map(len, texts))
    BUDGET.size(count)
    BUDGET.step(1 + count // 256)
    return "".join(texts)


def counted(values: Iterable[Any]) -> Iterable[Any]:
    """Yield the values of a loop, a step each."""
    for value in values:
        BUDGET.step()
        yield value


def check_operation(operator: str, left: Any, right: Any) -> None:
    """Refuse what an operation would make too large, before it is made."""
    if operator == "**":
        if isinstance(left, int) and isinstance(right, int) and abs(right) * max(1, left.bit_length()) > 4096:
            raise TooMuchError("a power of more than a thousand digits")
    elif operator == "*":
        for text, count in ((left, right), (right, left)):
            if isinstance(text, (str, list, tuple)) and isinstance(count, int):
                BUDGET.size(len(text) * max(0, count))
    elif operator == "%" and isinstance(left, str):
        check_format(left, right if isinstance(right, (tuple, list)) else [right])
    elif operator == "+" and isinstance(left, (str, list, tuple)) and isinstance(right, (str, list, tuple)):
        BUDGET.size(len(left) + len(right))


def check_format(text: str, values: Iterable[Any] = ()) -> None:
    """Refuse what a format would make of ``values`` too large, before it is made."""
    if _WIDE.search(text):
        raise TooMuchError(f"a width in the format {text[:40]!r}")
    longest = max((BUDGET.written(value) for value in values), default=0)
    BUDGET.size(len(text) + longest * (text.count("%") + text.count("{")))


def check_call(name: str, subject: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse what a method or a filter would make too large, before it is made."""
    if name not in _MEASURED:
        return
    values = [*args, *kwargs.values()]
    if name in _SIZED:
        lines = subject.count("\n") + 1 if name == "indent" and isinstance(subject, str) else 1
        for value in values:
            if isinstance(value, (int, str)):
                BUDGET.size((value if isinstance(value, int) else len(value)) * lines)
            if name == "tojson" and isinstance(value, int) and value > 64:
                raise TooMuchError("an indent of more than 64")
    elif name == "replace" and isinstance(subject, str) and len(values) >= 2:
        old, new = str(values[0]), str(values[1])
        BUDGET.size(len(subject) + len(new) * (subject.count(old) if old else len(subject) + 1))
    elif name == "join":
        _check_join(subject, values)
    elif name in ("format", "format_map") and isinstance(subject, str):
        check_format(subject, values)
    elif name == "translate" or (name == "sum" and values):
        raise TooMuchError(name)


def _check_join(subject: Any, values: Sequence[Any]) -> None:
    """Of the filter the values are the subject, of the method the separator is."""
    parts, sign = (values[0], subject) if isinstance(subject, str) and values and not isinstance(values[0], str) else (
        subject, values[0] if values else "")  # fmt: skip
    if isinstance(parts, (str, list, tuple)):
        each = len(parts) if isinstance(parts, str) else sum(len(p) if isinstance(p, str) else 8 for p in parts)
        BUDGET.size(each + len(parts) * len(str(sign)))
