"""Every format, in every container, gives the conversation that it means."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.data import Conversation, Message, Picture, load, read, recognise

SHORT = (Message("user", "Hi"), Message("assistant", "Hello"))


def one(tmp_path: Path, row: object, name: str = "a.json", **how: object) -> Conversation:
    (tmp_path / name).write_text(json.dumps([row], ensure_ascii=False), encoding="utf-8")
    return read(tmp_path / name, **how)[0]


ROWS = {
    "messages": {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]},
    "alpaca": {"instruction": "Hi", "input": "", "output": "Hello"},
    "sharegpt": {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
    "xtuner": {"conversation": [{"input": "Hi", "output": "Hello"}]},
}


@pytest.mark.parametrize("form", ROWS)
def test_four_formats_give_the_same_messages(form: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([ROWS[form]]))
    assert load(tmp_path / "a.json").format == recognise(tmp_path / "a.json") == form
    assert read(tmp_path / "a.json")[0].messages == SHORT


def test_developer_is_system_and_missing_keys_are_no_crash(tmp_path: Path) -> None:
    row = {"messages": [{"role": "developer", "content": "Be brief."}, *ROWS["messages"]["messages"]]}
    assert one(tmp_path, row).messages == (Message("system", "Be brief."), *SHORT)


@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be brief."}]])
def test_a_system_text_beside_the_messages_comes_first(system: object, tmp_path: Path) -> None:
    row = {"system": system, "messages": [{**turn, "id": 7} for turn in ROWS["messages"]["messages"]]}
    made = one(tmp_path, row)
    assert made.messages == (Message("system", "Be brief."), *SHORT)
    assert made.meta == {"message_extras": {"1": {"id": 7}, "2": {"id": 7}}}
    own = [{"role": "system", "content": "Be brief."}, *ROWS["messages"]["messages"]]
    assert one(tmp_path, {"system": system, "messages": own}).messages == made.messages
    assert one(tmp_path, row, compat="xtuner").messages == SHORT


@pytest.mark.parametrize(
    ("flag", "train"),
    [({"loss": False}, False), ({"train": True}, True), ({"weight": 0}, False), ({"loss": "True"}, True), ({}, None)],
)
def test_flags_of_a_message_say_whether_it_is_trained(flag: dict, train: bool | None, tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello", **flag}]}
    assert one(tmp_path, row).messages[1].train is train


def test_arguments_of_calls_stay_text(tmp_path: Path) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": "2"}}}
    row = {
        "messages": [
            {"role": "user", "content": "1+2?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "3", "tool_call_id": "c1"},
            {"role": "assistant", "content": "3"},
        ],
        "tools": [{"type": "function", "function": {"name": "add"}}],
    }
    made = one(tmp_path, row)
    assert json.loads(json.loads(made.messages[1].tool_calls[0])["function"]["arguments"]) == {"a": 1, "b": "2"}
    assert json.loads(made.tools[0])["function"]["name"] == "add"
    assert made.meta["message_extras"] == {"2": {"tool_call_id": "c1"}}


def test_empty_calls_that_a_table_gives_every_message_say_nothing(tmp_path: Path) -> None:
    row = {"messages": [{**turn, "tool_calls": []} for turn in ROWS["messages"]["messages"]]}
    assert (one(tmp_path, row).messages, one(tmp_path, row).meta) == (SHORT, {})


def test_calls_of_sharegpt_take_the_same_shape(tmp_path: Path) -> None:
    row = {
        "conversations": [
            {"from": "human", "value": "1+2?"},
            {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1}}'},
            {"from": "observation", "value": "3"},
            {"from": "gpt", "value": "3"},
        ],
        "system": "Be brief.",
        "tools": '[{"name": "add"}]',
    }
    made = one(tmp_path, row)
    assert [m.role for m in made.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert json.loads(made.messages[2].tool_calls[0])["function"] == {"name": "add", "arguments": '{"a": 1}'}
    assert made.tools == ('{"name": "add"}',)


def test_alpaca_joins_input_history_and_system(tmp_path: Path) -> None:
    row = {"instruction": "Add", "input": "1 2", "output": "3", "system": "S", "history": [["a", "b"]]}
    roles = [(m.role, m.content) for m in one(tmp_path, row).messages]
    assert roles == [("system", "S"), ("user", "a"), ("assistant", "b"), ("user", "Add\n1 2"), ("assistant", "3")]


def test_xtuner_keeps_the_line_break_of_an_empty_input(tmp_path: Path) -> None:
    assert one(tmp_path, ROWS["alpaca"], compat="xtuner").question == "Hi\n"
    assert one(tmp_path, ROWS["alpaca"]).question == "Hi"


def test_xtuner_system_stands_before_its_turn(tmp_path: Path) -> None:
    turns = [{"input": "a", "output": "b"}, {"system": "S", "input": "c", "output": "d", "output_with_loss": False}]
    made = one(tmp_path, {"conversation": turns}).messages
    assert [m.role for m in made] == ["user", "assistant", "system", "user", "assistant"]
    assert made[-1].train is False


@pytest.mark.parametrize("key", ["conversations", "conversation"])
def test_llava_is_read_under_both_keys(key: str, tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat."}]
    (tmp_path / "a.json").write_text(json.dumps([{"id": "1", "image": "cat.jpg", key: turns}]))
    made = load(tmp_path / "a.json")
    assert made.format == "llava"
    assert made.conversations[0].messages[0] == Message(
        "user", "<image>\nWhat?", images=(Picture("cat.jpg", str(tmp_path)),)
    )


def test_parts_leave_the_picture_in_its_place(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "See "}, {"type": "image_url", "image_url": {"url": "a.png"}}]
    made = one(tmp_path, {"messages": [{"role": "user", "content": parts}]})
    assert made.messages[0] == Message("user", "See <image>", images=(Picture("a.png", str(tmp_path)),))


def test_spaces_and_line_breaks_at_the_edges_stay(tmp_path: Path) -> None:
    assert one(tmp_path, {"instruction": " a\n", "output": "\n b "}).answer == "\n b "


def test_plain_text_is_one_answer_a_paragraph(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\r\n\r\n\r\nthree")
    made = read(tmp_path / "a.txt")
    assert [c.messages for c in made] == [(Message("assistant", "one\ntwo"),), (Message("assistant", "three"),)]
    assert {c.kind for c in made} == {"text"}


@pytest.mark.parametrize("form", ROWS)
def test_a_dialogue_stays_one_whatever_its_own_column_kind_says(form: str, tmp_path: Path) -> None:
    made = one(tmp_path, ROWS[form] | {"kind": "text"})
    assert (made.kind, made.messages, made.meta) == ("", SHORT, {"kind": "text"})


def test_one_answer_alone_may_say_that_it_is_plain_text(tmp_path: Path) -> None:
    assert one(tmp_path, {"messages": [{"role": "assistant", "content": "Once."}], "kind": "text"}).kind == "text"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends(encoding: str, newline: str, tmp_path: Path) -> None:
    line = json.dumps({"instruction": "你好", "output": "😀\u2028"}, ensure_ascii=False)
    (tmp_path / "a.jsonl").write_bytes(newline.join([line, "", line, ""]).encode(encoding))
    made = read(tmp_path / "a.jsonl")
    assert [(c.question, c.answer) for c in made] == [("你好", "😀\u2028")] * 2
    assert made[1].source.endswith("a.jsonl:3")


def test_json_lines_under_the_name_of_json_and_the_other_way(tmp_path: Path) -> None:
    row = json.dumps(ROWS["alpaca"])
    for name, content in {
        "a.json": f"{row}\n{row}",
        "b.jsonl": f"[{row},\n{row}]",
        "c.json": f'{{"data": [{row}, {row}]}}',
    }.items():
        (tmp_path / name).write_text(content)
        assert len(read(tmp_path / name)) == 2
    (tmp_path / "d.json").write_text(json.dumps(ROWS["alpaca"], indent=2))
    assert len(read(tmp_path / "d.json")) == 1


@pytest.mark.parametrize(
    "laid_out",
    [
        '{"data": [\n{"instruction": "Hi", "output": "Hello"},\n{"instruction": "Hi", "output": "Hello"}]}',
        '{"messages": [\n{"role": "user", "content": "Hi"},\n{"role": "assistant", "content": "Hello"}]}',
    ],
)
def test_a_row_a_line_inside_one_json_object_is_no_json_lines(laid_out: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(laid_out)
    assert {c.messages for c in read(tmp_path / "a.json")} == {SHORT}


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t")])
def test_tables(name: str, mark: str, tmp_path: Path) -> None:
    table = f'instruction{mark}input{mark}output\nHi{mark}{mark}"Hel""lo\n{mark}there"\n'
    (tmp_path / name).write_bytes(table.encode("utf-8-sig"))
    assert read(tmp_path / name)[0].messages == (Message("user", "Hi"), Message("assistant", f'Hel"lo\n{mark}there'))


def test_parquet_and_saved_datasets(tmp_path: Path) -> None:
    import datasets

    held = datasets.Dataset.from_list([ROWS["messages"], ROWS["messages"]])
    held.to_parquet(tmp_path / "a.parquet")
    held.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=held, test=held).save_to_disk(tmp_path / "two")
    for place in (tmp_path / "a.parquet", tmp_path / "one", tmp_path / "two"):
        assert [c.messages for c in read(place)] == [SHORT, SHORT]


def test_a_folder_is_read_in_order_each_file_in_its_format(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text(json.dumps(ROWS["sharegpt"]))
    (tmp_path / "a.json").write_text(json.dumps([ROWS["alpaca"]]))
    (tmp_path / "dataset_info.json").write_text('{"features": {}}')
    made = load(tmp_path)
    assert made.format == "alpaca, sharegpt"
    assert [Path(c.source).name for c in made.conversations] == ["a.json:1", "b.jsonl:1"]


def test_what_a_folder_says_of_itself_is_no_text_to_train_on(tmp_path: Path) -> None:
    for name in ("README.txt", "readme_zh.txt", "LICENSE.txt", "License-MIT.txt", "NOTICE.txt"):
        (tmp_path / name).write_text("All rights reserved.")
    (tmp_path / "noticeboard.txt").write_text("Once upon a time.")
    assert [c.answer for c in read(tmp_path)] == ["Once upon a time."]
    assert len(read(tmp_path / "README.txt")) == 1


def test_a_format_that_is_named_settles_what_fits_two(tmp_path: Path) -> None:
    row = ROWS["alpaca"] | ROWS["messages"] | {"instruction": "other"}
    assert one(tmp_path, row, format="messages").question == "Hi"
    assert one(tmp_path, row, format="alpaca").question == "other"


def test_limit_takes_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join([json.dumps(ROWS["alpaca"])] * 5))
    assert len(read(tmp_path / "a.jsonl", limit=2)) == 2


def test_importing_the_room_loads_nothing_heavy() -> None:
    heavy = "torch,transformers,datasets,pyarrow,numpy,pydantic,yaml"
    code = "import sys, workbench.data.reading, workbench.data.checking;"
    code += f"print([m for m in '{heavy}'.split(',') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


COUNTS = {"alpaca_en_demo": 999, "alpaca_zh_demo": 1000, "glaive_toolcall_zh_demo": 300, "identity": 91, "mllm_demo": 6}


@pytest.mark.parametrize("name", COUNTS)
def test_public_samples(name: str, shared: Path) -> None:
    from workbench.data import check

    made = read(shared / "data" / f"{name}.json")
    assert len(made) == COUNTS[name]
    assert ("placeholder_left" in {f.code for f in check(made)}) == (name == "identity")
