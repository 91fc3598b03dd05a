"""Calls of tools in the ways that well-known sets write them become one shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.data import Conversation, read
from workbench.data.tool_faults import faults_of
from workbench.errors import BadData

XLAM = {
    "query": "Weather in Paris and Rome?",
    "tools": json.dumps(
        [
            {
                "name": "weather",
                "description": "the weather",
                "parameters": {
                    "city": {"type": "str", "description": "where"},
                    "days": {"type": "int, optional", "default": 1},
                    "tags": {"type": "List[str]", "default": ""},
                },
            }
        ]
    ),
    "answers": json.dumps([{"name": "weather", "arguments": {"city": name}} for name in ("Paris", "Rome")]),
}
GLAIVE = {
    "system": 'SYSTEM: You have functions. Use them if required -\n{"name": "weather", "parameters": {"type": "object",'
    ' "properties": {"city": {"type": "string"}}, "required": ["city"]}}\n',
    "chat": 'USER: Weather in Paris?\n\n\nASSISTANT: <functioncall> {"name": "weather", "arguments": '
    '\'{"city": "Paris"}\'} <|endoftext|>\n\n\nFUNCTION RESPONSE: {"sky": "clear"}\n\n\n'
    "ASSISTANT: It is clear. <|endoftext|>\n\n\n",
}


def one(value: Any, folder: Path) -> Conversation:
    file = folder / "rows.jsonl"
    file.write_text(json.dumps(value) + "\n", encoding="utf-8")
    (conversation,) = read(file)
    return conversation


def arguments(conversation: Conversation) -> list[Any]:
    calls = [json.loads(call)["function"] for m in conversation.messages for call in m.tool_calls]
    return [json.loads(call["arguments"]) for call in calls]


def test_xlam_is_read(tmp_path: Path) -> None:
    made = one(XLAM, tmp_path)
    assert [m.role for m in made.messages] == ["user", "assistant"] and not made.meta
    assert arguments(made) == [{"city": "Paris"}, {"city": "Rome"}]
    schema = json.loads(made.tools[0])["function"]["parameters"]
    assert schema["required"] == ["city"]
    assert {name: value.get("type") for name, value in schema["properties"].items()} == {
        "city": "string",
        "days": "integer",
        "tags": "array",
    }
    assert faults_of(made) == ["no_result"]  # the set ends with its calls


def test_glaive_is_read(tmp_path: Path) -> None:
    made = one(GLAIVE, tmp_path)
    assert [m.role for m in made.messages] == ["user", "assistant", "tool", "assistant"]
    assert arguments(made) == [{"city": "Paris"}] and made.answer == "It is clear." and not made.meta
    assert json.loads(made.tools[0])["function"]["name"] == "weather" and faults_of(made) == []


def test_glaive_without_functions_keeps_its_system_text(tmp_path: Path) -> None:
    made = one({"system": "SYSTEM: Be kind.", "chat": "USER: Hi\n\n\nASSISTANT: Hello. <|endoftext|>"}, tmp_path)
    assert [(m.role, m.content) for m in made.messages] == [
        ("system", "Be kind."),
        ("user", "Hi"),
        ("assistant", "Hello."),
    ]


@pytest.mark.parametrize(
    "value",
    [
        {**XLAM, "answers": "["},
        {**XLAM, "tools": "5"},
        {**GLAIVE, "chat": "x USER: a\nASSISTANT: b"},
        {**GLAIVE, "chat": "USER: a\nASSISTANT: <functioncall> {broken"},
    ],
)
def test_what_cannot_be_read_is_refused_with_its_row(value: Any, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="row 1"):
        one(value, tmp_path)


def test_arguments_that_were_encoded_twice_are_decoded_once(tmp_path: Path) -> None:
    twice = json.dumps(json.dumps({"city": "Paris"}))
    call = {"type": "function", "function": {"name": "weather", "arguments": twice}}
    messages = [{"role": "user", "content": "Paris?"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    assert arguments(one({"messages": messages}, tmp_path)) == [{"city": "Paris"}]


def test_nulls_of_other_rows_tools_are_left_out_of_a_schema(tmp_path: Path) -> None:
    properties = {"city": {"type": "string", "default": None, "enum": None}, "days": None}
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"properties": properties}}}
    messages = [{"role": "user", "content": "Paris?"}, {"role": "assistant", "content": "Fine."}]
    made = one({"messages": messages, "tools": [tool]}, tmp_path)
    schema = json.loads(made.tools[0])["function"]["parameters"]
    assert schema == {"properties": {"city": {"type": "string", "default": None}}}
