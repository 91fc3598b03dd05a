"""The tools that ship, and how one's own joins them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from workbench.errors import BadInput, UnknownName
from workbench.tools import Box, Call, chosen, names, tool_of
from workbench.tools.kit import clock as clock_module


def run(name: str, **arguments: object) -> str:
    return Box(chosen(name)).run(Call(chosen(name)[0].name, arguments)).text


def test_a_file_of_the_kit_is_a_tool() -> None:
    files = Path(clock_module.__file__).parent.glob("[!_]*.py")
    assert set(names()) == {file.stem for file in files} >= {"calculator", "clock", "lookup", "units", "weekday"}
    for tool in chosen(names()):
        function = json.loads(tool.schema)["function"]
        assert function["description"] and "\n" not in tool.schema and "return" not in function


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("calculator", {"expression": "89*42"}, "3738"),
        ("weekday", {"date": "2024-02-29"}, "Thursday 星期四"),
        ("weekday", {"date": "2023-02-29"}, "error: not a date"),
        ("units", {"value": 5, "source": "km", "target": "miles"}, "3.106855961"),
        ("units", {"value": 2.5, "source": "公斤", "target": "克"}, "2500"),
        ("units", {"value": 100, "source": "celsius", "target": "fahrenheit"}, "212"),
        ("units", {"value": 1, "source": "km", "target": "kg"}, "error: cannot convert km into kg"),
        ("units", {"value": 1e300, "source": "km", "target": "m"}, "error: the number is too large"),
        ("units", {"value": float("nan"), "source": "km", "target": "m"}, "error: a number is not finite"),
        ("units", {"value": "5", "source": "km", "target": "m"}, "error: argument 'value' must be number"),
        ("lookup", {"item": "Umbrella"}, "45"),
        ("lookup", {"item": "雨伞"}, "45"),
        ("lookup", {"item": "dragon"}, "error: not found"),
    ],
)
def test_a_tool_gives_a_short_text(name: str, arguments: dict[str, object], result: str) -> None:
    assert run(name, **arguments) == result


def test_the_clock_tells_this_machines_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "now", lambda: datetime(2031, 5, 6, 7, 8))
    assert run("clock") == "2031-05-06 07:08"


def test_a_table_of_ones_own_is_looked_up(tmp_path: Path) -> None:
    file = tmp_path / "planets.csv"
    file.write_text('planet,moons,"radius, km"\nMars,2,3390\n木星,95,69911\n', encoding="utf-8")
    assert chosen(f"lookup={file}")[0].name == "planets"
    assert run(f"lookup={file}", item="mars") == "moons: 2; radius, km: 3390"
    assert run(f"lookup={file}", item="/etc/passwd") == "error: not found"


@pytest.mark.parametrize("content", ["", "a\nb\n", "a,b\nc\n", "a,b\n,c\n"])
def test_a_table_that_is_none_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=r"t\.csv"):
        chosen(f"lookup={file}")


def test_a_function_with_hints_and_a_docstring_is_a_tool() -> None:
    def double(number: int) -> int:
        """Double a number.

        Args:
            number: which
        """
        return 2 * number

    assert Box([tool_of(double)]).run(Call("double", {"number": 21})).text == "42"


def test_a_function_that_says_too_little_is_refused() -> None:
    def bare(x):  # type: ignore[no-untyped-def]
        return x

    async def later(x: int) -> int:
        """Wait.

        Args:
            x: a number
        """
        return x

    for function in (bare, later, lambda x: x, 5):
        with pytest.raises(BadInput):
            tool_of(function)  # type: ignore[arg-type]


def test_unknown_and_double_names_are_told_with_the_remedy() -> None:
    with pytest.raises(UnknownName, match="calculator"):
        chosen("calculater")
    with pytest.raises(BadInput, match="clock"):
        chosen("clock,clock")
    with pytest.raises(BadInput, match="lookup=FILE"):
        chosen("clock=/etc/passwd")


def test_xtuners_plugins_have_their_tools() -> None:
    assert [tool.name for tool in chosen(["calculate"])] == ["calculator"]
