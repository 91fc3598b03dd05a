"""A call is checked, bounded, and never an exception."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

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


class Mute(Exception):
    """An error that fails even to say what it is."""

    def __str__(self) -> str:
        raise ValueError


def deep(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


async def later() -> str:
    return "late"


RING: list[object] = []
RING.append(RING)
ODD: dict[str, tuple[Callable[[], object], str]] = {
    "recursion": (lambda: (_ for _ in ()).throw(RecursionError()), "error: "),
    "recursion itself": (lambda: deep(100_000), "error: "),
    "an error that is mute": (lambda: (_ for _ in ()).throw(Mute()), "error: "),
    "a generator": (lambda: (number for number in range(9)), "error: the tool gives no plain value"),
    "a coroutine": (later, "error: the tool gives no plain value"),
    "an iterator": (lambda: iter([1]), "error: the tool gives no plain value"),
    "a ring": (lambda: RING, "error: "),
    "a key that is none": (lambda: {(1, 2): 3}, "error: "),
    "a megabyte": (lambda: "x" * 2**20, "x" * 499),
    "a huge number": (lambda: 10**6000, "error: "),
    "not a number": (lambda: float("nan"), "NaN"),
    "nothing": (lambda: None, "null"),
    "bytes": (lambda: b"\xff", '"b'),
    "a set": (lambda: {1}, '"{1}"'),
}


@pytest.mark.parametrize("name", ODD)
def test_whatever_a_tool_gives_is_a_short_text(name: str) -> None:
    function, begins = ODD[name]
    result = Box([Tool("odd", tool_of(echo).schema.replace('"required": ["text"]', '"required": []'), function)])
    told = result.run(Call("odd"))
    assert told.text.startswith(begins) and len(told.text) <= 500 and told.text.isprintable()
    assert bool(told.trouble) == begins.startswith("error")


def test_a_tool_that_prints_and_leaves_threads_gives_its_result(capsys: pytest.CaptureFixture[str]) -> None:
    def loud() -> int:
        """Print."""
        print("noise")
        threading.Thread(target=lambda: None).start()
        return 5

    assert box(loud).run(Call("loud")).text == "5"
    assert capsys.readouterr().out == "noise\n"


KINDS = {
    "nan": float("nan"), "infinite": float("inf"), "infinite inside": [float("-inf")], "deep": deep(20_000),
    "huge": 10**5000, "true": True, "null": None, "number": 5, "list": [], "object": {"a": "b"},
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_an_argument_of_another_kind_is_told(name: str) -> None:
    result = box().run(Call("echo", {"text": KINDS[name]}))
    assert result.trouble == "arguments" and len(result.text) < 200


SCHEMAS = {
    "fetches": {"properties": {"text": {"$ref": "http://127.0.0.1:9/schema.json"}}},
    "turns in a circle": {"properties": {"text": {"$ref": "#/properties/text"}}},
    "a pattern without end": {"properties": {"text": {"type": "string", "pattern": "^(a+)+$"}}},
    "patterns of names": {
        "properties": {"text": {"type": "string"}},
        "patternProperties": {"^(t+)+x$": False},
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_strangers_schema_fetches_nothing_and_ends(name: str) -> None:
    shape = {"type": "function", "function": {"name": "echo", "parameters": {"type": "object", **SCHEMAS[name]}}}
    result = Box([Tool("echo", json.dumps(shape), echo)]).run(Call("echo", {"text": "a" * 60 + "!"}))
    assert result.trouble == ("arguments" if name in ("fetches", "turns in a circle") else "")
    assert result.trouble or result.text == "a" * 60 + "!"


def test_the_bomb_of_powers_is_an_error_at_once() -> None:
    result = Box(chosen("calculator")).run(Call("calculator", {"expression": "9**9**9"}))
    assert result.text == "error: the exponent is too large" and result.trouble == "failed"
