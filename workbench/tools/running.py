"""Running calls: checked before, bounded while they run, every failure a short text. Knows tools; no model.

A tool runs in a thread of its own, which Python cannot end: one that hangs is left behind, counted, and when too many
hang none is begun any more.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from workbench.data.fields import printable
from workbench.data.schemas import validator
from workbench.errors import WorkbenchError
from workbench.texts import text
from workbench.tools.schema import problem
from workbench.tools.values import Call, Limits, Result, Tool, ToolError

HANGING = 8  # threads that may be left behind in one process
POLL = 0.02
_left = 0
_lock = threading.Lock()


class Box:
    """Run tools within limits.

    Args:
        tools: by different names.
        limits: what one question may cost.
    """

    def __init__(self, tools: Sequence[Tool], limits: Limits | None = None) -> None:
        self.tools = tuple(tools)
        self.limits = limits or Limits()
        self._by_name = {tool.name: tool for tool in tools}

    @property
    def schemas(self) -> tuple[str, ...]:
        """Return the JSON texts of the tools, as conversations hold them."""
        return tuple(tool.schema for tool in self.tools)

    def run(self, call: Call, *, seconds: float | None = None, should_stop: Callable[[], bool] | None = None) -> Result:
        """Run a call, or tell why not; never raises.

        Args:
            seconds: at most so many, and no more than a call may take.
            should_stop: asked while it runs; then it is left behind.
        """
        started = time.monotonic()
        try:
            trouble, reason = self._refused(call)
        except RecursionError:
            trouble, reason = "arguments", text("tools.error.arguments", "en", reason="nested too deep")
        if not trouble:
            most = self.limits.seconds if seconds is None else min(seconds, self.limits.seconds)
            trouble, reason = _run(self._by_name[call.name], call.arguments, most, should_stop or (lambda: False))
        words = f"error: {reason}" if trouble else reason
        return Result(call, self._short(words), trouble, time.monotonic() - started)

    def refused(self, call: Call, trouble: str) -> Result:
        """Return the result of a call that is not run, for a reason under ``tools.trouble``."""
        return Result(call, f"error: {text(f'tools.error.{trouble}', 'en')}", trouble)

    def _refused(self, call: Call) -> tuple[str, str]:
        """Return why a call cannot be run, and what the model is told; empty where it can."""
        if call.raw:
            return "broken", text("tools.error.broken", "en")
        if call.name not in self._by_name:
            known = ", ".join(self._by_name) or "none"
            return "unknown", text("tools.error.unknown", "en", name=printable(call.name[:40]), known=known)
        if not all(map(_finite, _leaves(call.arguments))):
            return "arguments", text("tools.error.arguments", "en", reason="a number is not finite")
        validator({})  # loads its library, which is not to count as the tool's time
        return "", ""

    def _short(self, words: str) -> str:
        most = self.limits.characters
        return words if len(words) <= most else words[: most - 1] + "…"


def _run(tool: Tool, arguments: Mapping[str, Any], most: float, should_stop: Callable[[], bool]) -> tuple[str, str]:
    """Return the trouble, if any, and the result's or the error's text."""
    global _left  # noqa: PLW0603
    if _left >= HANGING:
        return "hanging", text("tools.error.hanging", "en")
    outcome: list[tuple[str, str]] = []
    over = threading.Event()

    def work() -> None:
        global _left  # noqa: PLW0603
        try:
            outcome.append(_outcome(tool, arguments))
        finally:
            with _lock:
                if over.is_set():
                    _left -= 1
                over.set()

    threading.Thread(target=work, name=f"tool {tool.name}", daemon=True).start()
    until = time.monotonic() + most
    while not over.wait(POLL):
        stopped = should_stop()
        if not stopped and time.monotonic() < until:
            continue
        with _lock:
            if over.is_set():
                break
            over.set()
            _left += 1
        return ("stopped", text("tools.error.stopped", "en")) if stopped else ("slow", text("tools.error.slow", "en"))
    return outcome[0] if outcome else ("failed", _line(""))


def _outcome(tool: Tool, arguments: Mapping[str, Any]) -> tuple[str, str]:
    """Return the trouble, if any, and the text of a call that is run here and now.

    The arguments are checked here too: a stranger's schema may be made to be slow.
    """
    try:
        wrong = problem(tool.parameters, arguments)
        if wrong:
            return "arguments", text("tools.error.arguments", "en", reason=wrong)
    except Exception as error:
        return "arguments", text("tools.error.arguments", "en", reason=f"not checked: {type(error).__name__}")
    try:
        return "", _as_text(tool.run(**arguments))
    except ToolError as error:
        return "failed", _said(error, str(error))
    except WorkbenchError as error:
        return "failed", _said(error, error.say("en"))
    except BaseException as error:
        return "failed", _said(error)


def _said(error: BaseException, words: str = "") -> str:
    """Return what an error says; its kind where it cannot even say that."""
    try:
        return _line(words or f"{type(error).__name__}: {error}")
    except BaseException:
        return type(error).__name__


def _as_text(value: Any) -> str:
    """Return a result as text that can be encoded: itself, or its JSON.

    Raises:
        ToolError: it is no value, but what would give one later.
    """
    if isinstance(value, (Iterator, AsyncIterator, Awaitable)):
        close = getattr(value, "close", None)
        if callable(close):
            close()  # a coroutine that nobody waits for warns
        raise ToolError("the tool gives no plain value")
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return words.encode("utf-8", "replace").decode().replace("\0", "")


def _line(reason: str) -> str:
    return " ".join(_as_text(reason).split())[:200] or "no reason"


def _leaves(node: Any) -> list[Any]:
    if isinstance(node, Mapping):
        return [leaf for value in node.values() for leaf in _leaves(value)]
    return [leaf for item in node for leaf in _leaves(item)] if isinstance(node, (list, tuple)) else [node]


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
