"""A call is checked, bounded, and never an exception."""

from __future__ import annotations

import threading
import time

import pytest

from workbench.texts import lookup
from workbench.tools import Box, Call, Limits, Tool, chosen, running, tool_of, values


def echo(text: str) -> str:
    """Say it again.

    Args:
        text: what
    """
    return text


def box(function: object = echo, **limits: float) -> Box:
    return Box([tool_of(function)], Limits(**limits))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "trouble", "said"),
    [
        (Call("", raw='{"name": "echo", "argu'), "broken", "not JSON"),
        (Call("os_system", {"text": "x"}), "unknown", "unknown tool os_system; tools: echo"),
        (Call("echo"), "arguments", "missing argument 'text'"),
        (Call("echo", {"text": 5}), "arguments", "'text' must be string"),
        (Call("echo", {"text": "a", "shell": True}), "arguments", "unknown argument 'shell'"),
    ],
)
def test_a_call_that_cannot_be_run_is_told_in_a_few_words(call: Call, trouble: str, said: str) -> None:
    result = box().run(call)
    assert result.trouble == trouble and said in result.text and result.text.startswith("error: ")
    for lang in ("en", "zh"):
        assert lookup(f"tools.trouble.{trouble}", lang)


def test_a_long_result_is_shortened() -> None:
    assert len(box().run(Call("echo", {"text": "x" * 10_000})).text) == 500


def test_a_tool_that_hangs_is_left_behind() -> None:
    gate = threading.Event()

    def stuck() -> str:
        """Wait for ever."""
        gate.wait()
        return ""

    started = time.monotonic()
    result = box(stuck, seconds=0.1).run(Call("stuck"))
    assert (result.trouble, result.text) == ("slow", "error: too slow")
    assert time.monotonic() - started < 30
    gate.set()


def test_tools_that_hang_are_counted_and_freed_when_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "HANGING", 2)
    gate = threading.Event()

    def stuck() -> str:
        """Wait for ever."""
        gate.wait()
        return "free"

    tools = box(stuck, seconds=0.05)
    assert [tools.run(Call("stuck")).trouble for _ in range(3)] == ["slow", "slow", "hanging"]
    gate.set()
    until = time.monotonic() + 30
    while running._left and time.monotonic() < until:
        time.sleep(0.01)
    assert tools.run(Call("stuck")).text == "free"


def test_whoever_stops_does_not_wait_for_the_tool() -> None:
    gate = threading.Event()

    def stuck() -> str:
        """Wait for ever."""
        gate.wait()
        return ""

    assert box(stuck, seconds=600).run(Call("stuck"), should_stop=lambda: True).trouble == "stopped"
    gate.set()


@pytest.mark.parametrize("error", [ValueError("bad\nnews"), SystemExit(3), KeyboardInterrupt(), values.ToolError("no")])
def test_whatever_a_tool_raises_is_a_text(error: BaseException) -> None:
    def broken() -> str:
        """Break."""
        raise error

    result = box(broken).run(Call("broken"))
    assert result.trouble == "failed" and result.text.startswith("error: ") and "\n" not in result.text


def test_results_that_are_no_text_become_json() -> None:
    def pair() -> dict[str, int]:
        """Give two."""
        return {"数": 1}

    assert box(pair).run(Call("pair")).text == '{"数": 1}'
    assert Box([Tool("half", tool_of(pair).schema, lambda: "a\ud800\0b")]).run(Call("half")).text == "a?b"


def test_the_bomb_of_powers_is_an_error_at_once() -> None:
    result = Box(chosen("calculator")).run(Call("calculator", {"expression": "9**9**9"}))
    assert result.text == "error: the exponent is too large" and result.trouble == "failed"
