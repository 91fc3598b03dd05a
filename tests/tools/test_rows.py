"""The rows that teach calling: every call can be run, every result is real, and nothing held out is trained."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from workbench.cli import run
from workbench.data import read, split
from workbench.data.conversation import Conversation
from workbench.errors import BadSetting
from workbench.tools import Box, Call, chosen
from workbench.tools.rows import counts, names_offered, tool_rows

ALL = "calculator,weekday,units,lookup,clock"


@pytest.fixture(scope="module")
def rows() -> list[Conversation]:
    return tool_rows(ALL, 800, seed=3)


def calls(row: Conversation) -> list[Call]:
    functions = [json.loads(text)["function"] for m in row.messages for text in m.tool_calls]
    return [Call(f["name"], json.loads(f["arguments"])) for f in functions]


def test_half_of_the_rows_need_no_tool_and_all_kinds_are_there(rows: list[Conversation]) -> None:
    kinds = counts(rows)
    assert sum(kinds.values()) == len(rows) == 800 and kinds["no_call"] + kinds["no_tool"] == 400
    assert set(kinds) == {"call", "error", "two_step", "pair", "follow_up", "no_call", "no_tool"}
    assert 35 <= kinds["two_step"] <= 45 and 27 <= kinds["pair"] <= 37 and 95 <= kinds["follow_up"] <= 105
    assert all(row.tools for row in rows)
    assert 0.45 < sum(row.lang == "zh" for row in rows) / len(rows) < 0.55


def test_every_call_is_of_an_offered_tool_and_its_result_is_the_tools_own(rows: list[Conversation]) -> None:
    box = Box(chosen(ALL))
    for row in rows:
        results = [m.content for m in row.messages if m.role == "tool"]
        assert len(results) == len(calls(row))
        for call, result in zip(calls(row), results, strict=True):
            assert call.name in names_offered(row)
            assert call.name == "clock" or box.run(call).text == result


def test_every_argument_stands_in_the_conversation_before_it(rows: list[Conversation]) -> None:
    for row in rows:
        for at, message in enumerate(row.messages):
            before = " ".join(m.content for m in row.messages[:at]).casefold()
            for text in message.tool_calls:
                for value in json.loads(json.loads(text)["function"]["arguments"]).values():
                    numbers = re.findall(r"\d+(?:\.\d+)?", str(value))
                    assert str(value).casefold() in before or (numbers and all(n in before for n in numbers))


def test_the_answer_tells_the_last_result_or_the_error(rows: list[Conversation]) -> None:
    for row in rows:
        if row.kind in ("call", "two_step", "pair", "follow_up", "error"):
            result = row.messages[-2].content.removeprefix("error: ")
            assert any(
                part in row.answer for part in ([result] if row.kind == "error" else [*result.split(" "), result])
            )
        else:
            assert not calls(row)


def test_what_is_held_out_is_trained_in_no_wording(rows: list[Conversation]) -> None:
    train, held = split(rows, validation=0.2, seed=1)
    assert held and not {row.group for row in train} & {row.group for row in held}
    trained = {call.key for row in train for call in calls(row) if call.name in ("weekday", "units")}
    assert not trained & {
        c.key for row in held for c in calls(row) if c.name in ("weekday", "units") and row.kind == "call"
    }


def test_no_call_is_in_more_than_a_fifth_of_the_rows(rows: list[Conversation]) -> None:
    some = Counter(call.key for row in rows for call in calls(row) if call.name != "clock")
    assert max(some.values()) < len(rows) / 20


def test_the_same_seed_makes_the_same_rows() -> None:
    assert (
        tool_rows("calculator", 40, seed=1)
        == tool_rows("calculator", 40, seed=1)
        != tool_rows("calculator", 40, seed=2)
    )


@pytest.mark.parametrize("tools", ["calculator", "weekday", "units", "lookup", "clock"])
def test_one_tool_alone_is_enough(tools: str) -> None:
    kinds = counts(tool_rows(tools, 60))
    assert sum(kinds.values()) == 60 and kinds["call"] >= 15 and kinds["no_tool"]


def test_a_table_of_ones_own_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "planets.tsv"
    file.write_text("planet\tmoons\nMars\t2\n木星\t95\n", encoding="utf-8")
    asked = [
        c.arguments["item"]
        for row in tool_rows(f"lookup={file},calculator", 60)
        for c in calls(row)
        if c.name == "planets"
    ]
    assert {"Mars", "木星"} <= set(asked)


@pytest.mark.parametrize("wrong", [{"count": 1}, {"languages": ["fr"]}, {"tools": ""}])
def test_what_cannot_be_made_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadSetting):
        tool_rows(**{"tools": "calculator", **wrong})  # type: ignore[arg-type]


def test_the_command_writes_rows_that_are_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "calls.jsonl"
    assert run(["data", "tools", str(out), "--tools", "calculator,weekday", "--count", "50", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    again = read(out)
    assert told["conversations"] == len(again) == 50
    assert [row.messages for row in again] == [row.messages for row in tool_rows("calculator,weekday", 50)]
    assert run(["data", "tools", str(tmp_path / "x.jsonl"), "--tools", "calculater"]) == 2
