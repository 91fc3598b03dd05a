"""Calls, results and tools that sets write into their words become the one shape; what was mended is told by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.data import Conversation, check, read, write
from workbench.data.tool_faults import faults_of
from workbench.errors import BadData

WEATHER = {
    "name": "weather",
    "description": "the weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALL = '{"name": "weather", "arguments": {"city": "Paris"}}'
PARAMETERS = '{"name": "weather", "parameters": {"city": "Paris"}}'


def one(row: Any, folder: Path) -> Conversation:
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (conversation,) = read(folder / "rows.jsonl")
    return conversation


def arguments(conversation: Conversation) -> list[Any]:
    calls = [json.loads(call)["function"] for m in conversation.messages for call in m.tool_calls]
    assert {call["name"] for call in calls} <= {"weather", "calculate", "Search", "Calculate", "Finish", "interpreter"}
    return [json.loads(call["arguments"]) for call in calls]


def roles(conversation: Conversation) -> str:
    return " ".join(message.role for message in conversation.messages)


def offered(conversation: Conversation) -> list[str]:
    tools = [json.loads(tool) for tool in conversation.tools]
    return [tool.get("function", tool)["name"] for tool in tools]


def acting(answer: str, **more: Any) -> dict[str, Any]:
    turns = (("user", "Paris? Rome?"), ("assistant", answer), ("tool", "clear"), ("assistant", "Clear."))
    tools = [{"type": "function", "function": WEATHER}]
    return {"messages": [{"role": role, "content": text} for role, text in turns], "tools": tools, **more}


HERMES = {
    "id": "7",
    "conversations": [
        {"from": "system", "value": "You are a function calling AI model. You are provided with function signatures "
         f"within <tools></tools> XML tags. Here are the available tools: <tools>[{WEATHER!r}]</tools> "
         "For each function call return a json object within <tool_call></tool_call> tags."},
        {"from": "human", "value": "Paris?"},
        {"from": "gpt", "value": "<tool_call>\n{'arguments': {'city': \"Paris\"}, 'name': 'weather'}\n</tool_call>"},
        {"from": "tool", "value": '<tool_response>\n{"sky": "clear"}\n</tool_response>'},
        {"from": "gpt", "value": "It is clear."},
    ],
}  # fmt: skip
TOOLBENCH = {
    "id": "Step 2",
    "conversations": [
        {"from": "system", "value": "You are AutoGPT.\nYou have access of the following tools:\n1.weather\n\n"
         "Specifically, you have access to the following APIs: "
         f"[{ {**WEATHER, 'parameters': {**WEATHER['parameters'], 'optional': []}}!r}, "  # type: ignore[dict-item]
         "{'name': 'Finish', 'description': 'end', 'parameters': {'type': 'object', 'properties': {}}}]"},
        {"from": "user", "value": "\nParis?\nBegin!\n"},
        {"from": "assistant", "value": '\nThought: I look.\nAction: weather\nAction Input: {\n  "city": "Paris"\n}'},
        {"from": "function", "value": '{"error": "", "response": "clear"}'},
        {"from": "assistant", "value": '\nThought: \nAction: Finish\nAction Input: {"return_type": "give_answer", '
         '"final_answer": "It is clear."}'},
    ],
}  # fmt: skip
PLUGIN = {"name": "weather", "description": "w", "parameters": [{"name": "city", "required": "True"}]}
MSAGENT = {
    "conversations": str(
        [
            {"from": "system", "value": "你是助手。当前对话可以使用的插件信息如下，请自行判断：\n\n1. "
             + json.dumps({"plugin_name": "x", "plugin_schema_for_model": PLUGIN})},
            {"from": "user", "value": "What's in Paris?"},
            {"from": "assistant", "value": 'I look.\n<|startofthink|>```JSON\n{"api_name": "weather", "url": "u", '
             '"parameters": {"city": "Paris"}}\n```<|endofthink|>\n\n<|startofexec|>```JSON\n{"sky": "clear"}\n```'
             "<|endofexec|>\nIt is clear."},
        ]
    )
}  # fmt: skip
INTERNLM2 = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "system", "name": "plugin", "content": json.dumps([WEATHER])},
        {"role": "user", "content": "Paris?"},
        {"role": "assistant", "content": f"I look.<|action_start|><|plugin|>\n{PARAMETERS}<|action_end|>"},
        {"role": "environment", "name": "plugin", "content": "clear"},
        {"role": "assistant", "content": "It is clear."},
    ]
}


@pytest.mark.parametrize(
    ("row", "system"), [(HERMES, ""), (TOOLBENCH, ""), (MSAGENT, "你是助手。"), (INTERNLM2, "Be kind.")]
)
def test_a_set_with_calls_in_its_words_is_read(row: Any, system: str, tmp_path: Path) -> None:
    made = one(row, tmp_path)
    assert roles(made).removeprefix("system ") == "user assistant tool assistant"
    assert "".join(m.content for m in made.messages if m.role == "system") == system
    assert arguments(made) == [{"city": "Paris"}] and offered(made) == ["weather"] and faults_of(made) == []
    assert "Paris" in made.question and "Begin" not in made.question and made.answer == "It is clear."
    assert not any(mark in m.content for m in made.messages for mark in ("<", "```", "Action:"))


def test_what_was_read_out_of_words_is_written_as_it_should_be(tmp_path: Path) -> None:
    made = one(HERMES, tmp_path)
    write([made], tmp_path / "out.jsonl")
    (again,) = read(tmp_path / "out.jsonl")
    assert again.messages == made.messages and again.tools == made.tools and made.mended and not again.mended


MOSS_TURN = {
    "Human": "<|Human|>: How far is the moon, twice?<eoh>\n",
    "Inner Thoughts": "<|Inner Thoughts|>: I look it up<eot>\n",
    "Commands": '<|Commands|>: Search("the \\"moon\\""), Calculate("384400*2")<eoc>\n',
    "Tool Responses": '<|Results|>:\nSearch("the moon") =>\n<|1|>: 384400\nCalculate("384400*2") => 768800\n<eor>\n',
    "MOSS": "<|MOSS|>: 768800 km.<eom>\n",
}
PLAIN_TURN = {key: f"<|{key}|>: None<eot>\n" for key in ("Inner Thoughts", "Commands", "Tool Responses")} | {
    "Human": "<|Human|>: Thanks<eoh>\n",
    "MOSS": "<|MOSS|>: Gladly.<eom>\n",
}
MOSS = {
    "meta_instruction": "You are MOSS.\nCapabilities and tools that MOSS can possess.\n- Inner thoughts: enabled.\n"
    "- Web search: enabled. API: Search(query)\n- Calculator: enabled. API: Calculate(expression)\n- Solver: disabled.",
    "num_turns": 2,
    "chat": {"turn_1": MOSS_TURN, "turn_2": PLAIN_TURN},
}


def test_moss_is_read(tmp_path: Path) -> None:
    made = one(MOSS, tmp_path)
    assert roles(made) == "system user assistant tool tool assistant user assistant" and faults_of(made) == []
    assert made.messages[0].content == "You are MOSS." and offered(made) == ["Search", "Calculate"]
    assert arguments(made) == [{"query": 'the "moon"'}, {"expression": "384400*2"}]
    assert [m.content for m in made.messages if m.role == "tool"] == ["<|1|>: 384400", "768800"]
    assert made.messages[2].thinking == "I look it up" and made.answer == "Gladly." and not made.meta


def test_moss_without_tools_is_read(tmp_path: Path) -> None:
    made = one({"prefix": "You are MOSS.", "plain_text": "[Human]: Hi<eoh> [MOSS]: Hello.<eoa>"}, tmp_path)
    assert [m.content for m in made.messages] == ["You are MOSS.", "Hi", "Hello."]


SPELT = {
    "hermes": f"<tool_call>{CALL}</tool_call>",
    "hermes unclosed": f"<tool_call>{CALL}",
    "hermes fenced": f"<tool_call>\n```json\n{CALL}\n```\n</tool_call>",
    "llama": PARAMETERS,
    "llama tag": f"<|python_tag|>{PARAMETERS}<|eom_id|>",
    "mistral": f"[TOOL_CALLS] [{CALL}]",
    "mistral new": '[TOOL_CALLS]weather[ARGS]{"city": "Paris"}',
    "function": '<function=weather>{"city": "Paris"}</function>',
    "glaive": '<functioncall> {"name": "weather", "arguments": \'{"city": "Paris"}\'} <|endoftext|>',
    "internlm": f"<|action_start|><|plugin|>{PARAMETERS}<|action_end|>",
    "react": 'Thought: hm\nAction: weather\nAction Input: {"city": "Paris"}',
}


@pytest.mark.parametrize("name", SPELT)
def test_a_spelling_is_read(name: str, tmp_path: Path) -> None:
    made = one(acting(SPELT[name]), tmp_path)
    assert arguments(made) == [{"city": "Paris"}] and made.messages[1].content == "" and faults_of(made) == []
    assert ("messages[1]", "words") in made.mended


def test_words_round_calls_stay_and_a_mark_inside_one_is_its_text(tmp_path: Path) -> None:
    second = '{"name": "weather", "arguments": {"city": "</tool_call>"}}'
    made = one(acting(f"I look.\n<tool_call>{CALL}</tool_call>\n<tool_call>{second}</tool_call>"), tmp_path)
    assert made.messages[1].content == "I look."
    assert arguments(made) == [{"city": "Paris"}, {"city": "</tool_call>"}]


def test_results_in_one_message_are_several(tmp_path: Path) -> None:
    row = acting(f"<tool_call>{CALL}</tool_call><tool_call>{CALL}</tool_call>")
    both = "<tool_response>\nclear\n</tool_response>\n<tool_response>\ndry\n</tool_response>"
    row["messages"][2] = {"role": "user", "content": both}  # as Qwen's template renders them
    made = one(row, tmp_path)
    assert roles(made) == "user assistant tool tool assistant" and made.messages[3].content == "dry"


BROKEN = {
    "cut": '<tool_call>{"name": "weather", "arguments": {"city": </tool_call>',
    "a brace too many": '<tool_call>{"name": "weather", "arguments": {}}}</tool_call>',
    "no object": "<tool_call>weather</tool_call>",
    "no name": '<tool_call>{"arguments": {}}</tool_call>',
    "a list of numbers": "[TOOL_CALLS] [1, 2]",
    "code": "<tool_call>__import__('os').getcwd()</tool_call>",
    "not finite": '<tool_call>{"name": "weather", "arguments": {"city": NaN}}</tool_call>',
    "deep": "<tool_call>" + "[" * 10_000 + "]" * 10_000 + "</tool_call>",
    "react": "Thought: hm\nAction: weather\nAction Input: Paris",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_marked_call_that_cannot_be_read_is_refused_by_row_and_field(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"row 1.*(messages\[1\]|brackets)"):
        one(acting(BROKEN[name]), tmp_path)


@pytest.mark.parametrize(
    "commands", ["Search(moon)", 'Search("a") or Search("b")', '__import__("os").system("id")', "Search"]
)
def test_a_command_that_is_no_call_is_refused(commands: str, tmp_path: Path) -> None:
    turn = MOSS_TURN | {"Commands": f"<|Commands|>: {commands}<eoc>\n"}
    with pytest.raises(BadData, match=r"row 1.*turn_1\.Commands"):
        one(MOSS | {"chat": {"turn_1": turn}}, tmp_path)


@pytest.mark.parametrize("text", ["{'a': open('x')}", "[1, 2", "[{'from': 'user', 'value': b'x'}]", "[*range(9)]"])
def test_pythons_text_is_never_run(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="row 1"):
        one({"conversations": text}, tmp_path)


@pytest.mark.parametrize("answer", ["Write <tool_call>{}</tool_call>.", PARAMETERS, "Action: go\nAction Input: {}"])
def test_in_a_row_without_tools_such_marks_are_words(answer: str, tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "How?"}, {"role": "assistant", "content": answer}]}
    assert one(row, tmp_path).answer == answer


@pytest.mark.parametrize("answer", [f"<think>Perhaps <tool_call>{CALL}</tool_call></think>No.", "It is {clear}."])
def test_a_call_in_a_thought_is_none(answer: str, tmp_path: Path) -> None:
    assert one(acting(answer), tmp_path).messages[1].content == answer


MENDS = {
    "python": "{'city': 'Paris', 'now': True, 'then': None}",
    "commas": '{"city": "Paris",}',
    "newlines": '{"city": "Pa\nris"}',
    "twice": json.dumps('{"city": "Paris"}'),
}


@pytest.mark.parametrize("mend", MENDS)
def test_a_defect_is_mended_and_told_by_row_and_field(mend: str, tmp_path: Path) -> None:
    function = {"name": "weather", "arguments": MENDS[mend]}
    row = acting("")
    row["messages"][1] = {"role": "assistant", "content": None, "tool_calls": [{"function": function}]}
    made = one(row, tmp_path)
    assert made.mended == (("messages[1].tool_calls[0].function.arguments", mend),)
    assert arguments(made)[0]["city"].replace("\n", "") == "Paris"
    (told,) = check([made], only=["mended_calls"])
    assert told.rows == (1,) and "messages[1].tool_calls[0]" in told.message


def test_sharegpts_call_in_pythons_words_is_mended(tmp_path: Path) -> None:
    turns = [("human", "Paris?"), ("function_call", "{'name': 'weather', 'arguments': {'city': 'Paris'}}")]
    turns += [("observation", "clear"), ("gpt", "Clear.")]
    row = {"conversations": [{"from": who, "value": text} for who, text in turns], "tools": f"[{WEATHER!r}]"}
    made = one(row, tmp_path)
    assert arguments(made) == [{"city": "Paris"}] and offered(made) == ["weather"]
    assert {field for field, _ in made.mended} == {"conversations[1].value", "tools"}


def test_parameters_are_arguments(tmp_path: Path) -> None:
    row = acting("")
    row["messages"][1] = {"role": "assistant", "content": "", "tool_calls": [json.loads(PARAMETERS)]}
    assert arguments(one(row, tmp_path)) == [{"city": "Paris"}]


@pytest.mark.parametrize(
    ("result", "answer", "wrong"),
    [
        ("3738", "It is 3,738.", False),
        ("3738", "It is 3783.", True),
        ("0.3333333333", "About 0.33.", False),
        ("0.3333333333", "About 0.34.", True),
        ("-2", "It is -2.", False),
        ("408", "四百零八", False),
        ("Thursday", "It is the 5th.", False),
    ],
)
def test_an_answer_that_contradicts_its_result_is_found(result: str, answer: str, wrong: bool, tmp_path: Path) -> None:
    row = acting(f"<tool_call>{CALL}</tool_call>")
    row["messages"][2]["content"], row["messages"][3]["content"] = result, answer
    only = ["contradicted_results"]
    assert [finding.code for finding in check([one(row, tmp_path)], only=only)] == only * wrong
