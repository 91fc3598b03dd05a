"""Each layout of rows gives the conversation that it means; what cannot be told from it is said, and counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.data import Message, check, load, read, write
from workbench.data.formats import FORMATS
from workbench.errors import BadInput

SHORT = (Message("user", "Hi"), Message("assistant", "Hello"))
USER, ASSISTANT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}


def rows(place: Path, *values: object, name: str = "a.jsonl") -> Path:
    (place / name).write_text("\n".join(json.dumps(value, ensure_ascii=False) for value in values), encoding="utf-8")
    return place / name


def refusal(file: Path) -> str:
    with pytest.raises(BadInput) as caught:
        read(file)
    return str(caught.value)


@pytest.mark.parametrize(
    ("form", "row"),
    [
        ("pairs", {"query": "Hi", "response": "Hello", "tag": "en"}),
        ("pairs", {"prompt": "Hi", "completion": "Hello"}),
        ("pairs", {"prompt": [USER], "completion": [ASSISTANT]}),
        ("pairs", {"Question": "Hi", "Answer": "Hello"}),
        ("pairs", {"instruction": "Hi", "context": "", "response": "Hello"}),
        ("pairs", {"input": "Hi", "output": "Hello"}),
        ("pairs", {"Instruction": "Hi", "Input": "", "Output": "Hello"}),
        ("pairs", {"问题": "Hi", "回答": "Hello"}),
        ("sharegpt", {"dialogue": [USER, ASSISTANT]}),
        ("sharegpt", {"conversation": [USER, ASSISTANT]}),
        ("xtuner", {"conversation": [{"human": "Hi", "assistant": "Hello"}]}),
        ("transcript", {"text": "### Human: Hi### Assistant: Hello"}),
        ("transcript", {"text": "### Human: Hi\n### Assistant: Hello\n### Human:"}),
        ("transcript", {"text": "### Instruction:\nHi\n\n### Response:\nHello"}),
        ("transcript", {"text": "USER: Hi ASSISTANT: Hello</s>"}),
        ("transcript", {"text": "\n\nHuman: Hi\n\nAssistant: Hello"}),
        ("transcript", {"text": "用户：Hi\n助手：Hello"}),
        ("transcript", {"text": "<s>[INST] Hi [/INST] Hello </s>"}),
        ("transcript", {"text": "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"}),
        ("transcript", {"text": "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n"}),
        ("transcript", {"text": "### Human\nHi\n### Assistant\nHello"}),
        ("transcript", {"text": "<human>: Hi\n<bot>: Hello"}),
        ("transcript", {"text": "**User:** Hi\n\n**Assistant:** Hello"}),
        ("transcript", {"text": "<|User|>: Hi<eoh>\n<|Bot|>: Hello<eoa>"}),
        ("transcript", {"text": "<｜User｜>Hi<｜Assistant｜>Hello<｜end▁of▁sentence｜>"}),
        ("transcript", {"text": "Human: Hi Assistant: Hello"}),
        ("transcript", {"text": "### 指令：Hi\n### 输出：Hello"}),
        ("transcript", {"text": "[Round 1]\n\n问：Hi\n\n答：Hello"}),
        ("pairs", {"提示": "Hi", "回复": "Hello"}),
        ("pairs", {"input": "Hi", "target": "Hello"}),
        ("pairs", {"prompt": "### Instruction:\nHi\n\n### Response:\n", "completion": "Hello"}),
        ("messages", {"messages": [{"role": "prompter", "content": "Hi"}, ASSISTANT]}),
        ("preference", {"prompt": "Hi", "chosen": "Hello", "rejected": "No."}),
        ("preference", {"prompt": [USER], "chosen": [ASSISTANT], "rejected": [ASSISTANT]}),
        ("preference", {"prompt": "Hi", "chosen": [USER, ASSISTANT], "rejected": [USER, ASSISTANT]}),
        ("preference", {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello", "rejected": "\n\nHuman: Hi\n\nAssistant: No"}),
        ("preference", {"instruction": "Hi", "input": "", "chosen": "Hello", "rejected": "No."}),
        ("preference", {"messages": [USER], "chosen": ASSISTANT, "rejected": ASSISTANT}),
        (
            "preference",
            {
                "conversations": [{"from": "human", "value": "Hi"}],
                "chosen": {"from": "gpt", "value": "Hello"},
                "rejected": {"from": "gpt", "value": "No."},
            },
        ),
        (
            "preference",
            {"input": {"messages": [USER]}, "preferred_output": [ASSISTANT], "non_preferred_output": [ASSISTANT]},
        ),
    ],
)
def test_a_layout_gives_the_conversation_that_it_means(form: str, row: dict, tmp_path: Path) -> None:
    reading = load(rows(tmp_path, row))
    assert (reading.format, reading.conversations[0].messages) == (form, SHORT)


def test_system_context_and_history_come_in_their_order(tmp_path: Path) -> None:
    row = {"system": "S", "query": "Add", "context": "1 2", "response": "3", "history": [["a", "b"]]}
    asked = [(m.role, m.content) for m in read(rows(tmp_path, row))[0].messages]
    assert asked == [("system", "S"), ("user", "a"), ("assistant", "b"), ("user", "Add\n1 2"), ("assistant", "3")]
    row["history"] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert [(m.role, m.content) for m in read(rows(tmp_path, row))[0].messages] == asked


def test_a_question_that_writes_out_the_turns_before_it_is_those_turns(tmp_path: Path) -> None:
    row = {"instruction": "Human:a\nAssistant:b\nHuman:Hi\nAssistant:", "input": "", "output": "Hello"}
    (conversation,) = read(rows(tmp_path, row))
    assert conversation.messages == (Message("user", "a"), Message("assistant", "b"), *SHORT)
    asked_about = {"instruction": "Human: a\nAssistant: b", "input": "", "output": "Hello"}
    assert read(rows(tmp_path, asked_about))[0].question == "Human: a\nAssistant: b"


@pytest.mark.parametrize("history", ["histories", "历史"])
def test_system_text_and_history_are_read_under_their_other_names(history: str, tmp_path: Path) -> None:
    (conversation,) = read(rows(tmp_path, {"系统": "S", "query": "Hi", "response": "Hello", history: [["a", "b"]]}))
    assert [message.content for message in conversation.messages] == ["S", "a", "b", "Hi", "Hello"]


@pytest.mark.parametrize("role", ["prompter", "assistant", "用户"])
def test_a_text_of_which_the_speaker_is_known_is_no_plain_text(role: str, tmp_path: Path) -> None:
    assert "single message" in refusal(rows(tmp_path, {"id": "1", "role": role, "text": "Hi"}))


def test_which_of_two_columns_is_better_is_no_answer(tmp_path: Path) -> None:
    row = {"question": "Hi", "answer_a": "Hello", "answer_b": "No.", "winner": "a"}
    assert "winner" in refusal(rows(tmp_path, row))


def test_of_an_empty_cell_its_own_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("question,answer\nHi,Hello\nHo,\n")
    assert "row 2 (line 3): the field answer is missing" in refusal(tmp_path / "a.csv")


def test_an_object_over_several_lines_is_no_end_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{\n "query": "Hi",\n "response": "Hello"\n}\n')
    assert "the line ends" in refusal(tmp_path / "a.jsonl")


def test_words_before_the_first_mark_are_the_system_text(tmp_path: Path) -> None:
    text = "Below is an instruction.\n\n### Instruction:\nAdd\n\n### Input:\n1 2\n\n### Response:\n3"
    assert read(rows(tmp_path, {"text": text}))[0].messages == (
        Message("system", "Below is an instruction."),
        Message("user", "Add\n1 2"),
        Message("assistant", "3"),
    )


@pytest.mark.parametrize(
    "text",
    ["Once upon a time.", "She asked: are you human: yes.", "A letter.\nQ: what is it?", "### Results: 12 of 13."],
)
def test_plain_text_stays_plain(text: str, tmp_path: Path) -> None:
    reading = load(rows(tmp_path, {"text": text}))
    assert (reading.format, reading.conversations[0].kind) == ("text", "text")


def test_a_transcript_may_be_asked_for_as_plain_text(tmp_path: Path) -> None:
    file = rows(tmp_path, {"text": "### Human: Hi### Assistant: Hello"})
    assert read(file, format="text")[0].messages == (Message("assistant", "### Human: Hi### Assistant: Hello"),)


def test_plain_text_among_transcripts_is_refused_with_its_row(tmp_path: Path) -> None:
    said = refusal(rows(tmp_path, {"text": "### Human: Hi### Assistant: Hello"}, {"text": "Once upon a time."}))
    assert "row 2" in said
    assert "--format" in said


# OpenAssistant
def reply(name: str, parent: str | None, role: str, text: str, **more: object) -> dict:
    return {"message_id": name, "parent_id": parent, "role": role, "text": text, **more}


TREE = [
    reply("a", None, "prompter", "Hi", lang="en"),
    reply("b", "a", "assistant", "Worse", rank=1),
    reply("c", "a", "assistant", "Hello", rank=0),
    reply("x", None, "prompter", "Who?"),
    reply("d", "c", "prompter", "And now?"),
    reply("e", "c", "prompter", "gone", deleted=True),
    reply("y", "x", "assistant", "I."),
]


def test_the_best_reply_of_a_tree_is_followed_and_the_others_are_counted(tmp_path: Path) -> None:
    reading = load(rows(tmp_path, *TREE))
    assert reading.format == "oasst"
    first, second = reading.conversations
    assert (first.messages, first.lang, first.source[-2:]) == (SHORT, "en", ":1")
    assert [m.content for m in second.messages] == ["Who?", "I."]
    finding = next(f for f in check(reading.conversations) if f.code == "replies_left_out")
    assert (finding.rows, "2 messages" in finding.message) == ((1,), True)


def test_a_limit_never_cuts_a_tree(tmp_path: Path) -> None:
    assert [c.messages for c in read(rows(tmp_path, *TREE), limit=1)] == [SHORT]


def test_nested_replies_are_the_same_tree(tmp_path: Path) -> None:
    leaf = {"role": "assistant", "text": "Hello", "replies": []}
    file = rows(tmp_path, {"message_tree_id": "a", "prompt": {"role": "prompter", "text": "Hi", "replies": [leaf]}})
    assert read(file)[0].messages == SHORT


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        ([reply("b", "nowhere", "assistant", "x")], "nowhere"),
        ([reply("a", None, "assistant", "x")], "message_id"),
        ([reply("b", "a", "robot", "x")], "robot"),
    ],
)
def test_a_broken_tree_is_refused(broken: list[dict], word: str, tmp_path: Path) -> None:
    said = refusal(rows(tmp_path, TREE[0], *broken))
    assert "a.jsonl, row " in said
    assert word in said


# lists of messages, lists under a name
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_each_line_may_be_a_list_of_messages(name: str, tmp_path: Path) -> None:
    file = rows(
        tmp_path, [USER, ASSISTANT], [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}], name=name
    )
    with pytest.raises(BadInput, match="row 2"):  # two layouts in one file
        read(file)
    assert [c.messages for c in read(rows(tmp_path, [USER, ASSISTANT], [USER, ASSISTANT], name=name))] == [SHORT] * 2
    assert [c.messages for c in read(rows(tmp_path, [USER, ASSISTANT], name=name))] == [SHORT]


def test_a_list_of_lists_and_one_list_over_several_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([[USER, ASSISTANT], [USER, ASSISTANT]], indent=1))
    assert len(read(tmp_path / "a.json")) == 2
    (tmp_path / "b.json").write_text(json.dumps([USER, ASSISTANT], indent=1))
    assert [c.messages for c in read(tmp_path / "b.json")] == [SHORT]


def test_messages_of_many_conversations_are_never_joined_into_one(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([USER | {"chat_id": 1}, ASSISTANT | {"chat_id": 2}]))
    assert '{"messages": ' in refusal(tmp_path / "a.json")


def test_the_line_of_a_broken_list_is_the_right_one(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps([USER, ASSISTANT]) + "\n[1, 2]\n")
    assert "row 2" in refusal(tmp_path / "a.jsonl")


ROW = {"instruction": "Hi", "output": "Hello"}


def test_the_one_list_of_rows_in_an_object_is_read(tmp_path: Path) -> None:
    for name, whole in {"a.json": {"train": [ROW], "test": []}, "b.json": {"version": 2, "examples": [ROW]}}.items():
        (tmp_path / name).write_text(json.dumps(whole))
        assert [c.messages for c in read(tmp_path / name)] == [SHORT]


def test_a_list_deeper_down_is_found_and_one_of_unknown_rows_is_said_by_its_rows(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"data": {"train": [ROW]}}))
    assert [c.messages for c in read(tmp_path / "a.json")] == [SHORT]
    (tmp_path / "b.json").write_text(json.dumps({"train": [{"frage": "Hi", "antwort": "Hello"}], "test": []}))
    assert "frage, antwort" in refusal(tmp_path / "b.json")


def test_a_transcript_without_an_answer_is_one_all_the_same(tmp_path: Path) -> None:
    made = read(rows(tmp_path, {"text": "### Human: Hi### Assistant: Hello"}, {"text": "### Human: Hi"}))
    assert [m.role for m in made[1].messages] == ["user"]


def test_of_several_lists_of_rows_none_is_taken_unasked(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"train": [ROW], "test": [ROW]}))
    assert "train, test" in refusal(tmp_path / "a.json")


# parts, thoughts, films
def test_the_value_of_a_part_is_its_text(tmp_path: Path) -> None:
    content = [{"type": "reasoning", "value": "A greeting."}, {"type": "text", "value": "Hello"}]
    made = read(rows(tmp_path, {"messages": [USER, {"role": "assistant", "content": content}]}))[0]
    assert made.messages[1] == Message("assistant", "Hello", thinking="A greeting.")


def test_a_missing_field_names_all_that_is_there(tmp_path: Path) -> None:
    part = {"type": "text", "txt": "Hi", "words": "Hi"}
    said = refusal(rows(tmp_path, {"messages": [{"role": "user", "content": [part]}]}))
    assert all(word in said for word in ("text", "type", "txt", "words"))


@pytest.mark.parametrize("key", ["thinking", "reasoning_content", "reasoning", "thought"])
def test_a_thought_is_read_under_its_usual_names(key: str, tmp_path: Path) -> None:
    made = read(rows(tmp_path, {"messages": [USER, {**ASSISTANT, key: "A greeting."}]}))[0]
    assert made.messages[1].thinking == "A greeting."


@pytest.mark.parametrize("row", [{"instruction": "Hi", "output": "Hello"}, {"question": "Hi", "answer": "Hello"}])
def test_a_thought_in_a_column_of_its_own_belongs_to_the_answer(row: dict, tmp_path: Path) -> None:
    made = read(rows(tmp_path, {**row, "Complex_CoT": "A greeting."}))[0]
    assert (made.messages[1].thinking, made.meta) == ("A greeting.", {})


def test_a_thought_that_the_answer_says_too_is_thought_once(tmp_path: Path) -> None:
    said = {**ASSISTANT, "content": "<think>\nA greeting.\n</think>\nHello"}
    made = read(rows(tmp_path, {"messages": [USER, {**said, "reasoning_content": "A greeting."}]}))[0]
    assert (made.messages[1].content, made.messages[1].thinking) == (said["content"], "")
    assert "two different" in refusal(rows(tmp_path, {"messages": [USER, {**said, "reasoning_content": "Else."}]}))


@pytest.mark.parametrize("column", [{"videos": ["1.mp4"]}, {"audio": "a.wav"}, {"Audios": [{"path": "a.wav"}]}])
def test_a_film_or_a_sound_is_refused_with_its_field(column: dict, tmp_path: Path) -> None:
    said = refusal(rows(tmp_path, {"messages": [USER, ASSISTANT]}, {"messages": [USER, ASSISTANT], **column}))
    assert f"row 2: the field {next(iter(column))} " in said


def test_an_empty_column_of_films_says_nothing(tmp_path: Path) -> None:
    assert len(read(rows(tmp_path, {"messages": [USER, ASSISTANT], "videos": [], "audio": None}))) == 1


def test_several_answers_in_one_field_are_refused(tmp_path: Path) -> None:
    assert "2 answers" in refusal(rows(tmp_path, {"instruction": "Hi", "output": ["Hello", "No."]}))


def test_what_is_left_of_a_row_stands_again_after_writing(tmp_path: Path) -> None:
    row = {"messages": [USER], "chosen": ASSISTANT, "rejected": {**ASSISTANT, "content": "No."}, "label": False}
    made = read(rows(tmp_path, row))
    write(made, tmp_path / "b.jsonl")
    again = read(tmp_path / "b.jsonl")
    assert (again[0].messages, again[0].meta) == (made[0].messages, made[0].meta)


def test_one_more_format_is_one_more_file(tmp_path: Path) -> None:
    """A file in the folder is enough: the format is recognised, named by --format, and shown by --help."""
    import shutil

    root = Path(__file__).resolve().parents[2]
    shutil.copytree(
        root / "workbench", tmp_path / "workbench", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors")
    )
    (tmp_path / "workbench" / "data" / "formats" / "duet.py").write_text(
        "from workbench.data.conversation import Message\n"
        "from workbench.data.formats.base import MARK, Format\n"
        "def _parse(left, place, extras):\n"
        "    return [Message('user', left.pop('call')), Message('assistant', left.pop('echo'))]\n"
        "FORMAT = Format('duet', 'call, echo', lambda row: MARK if 'echo' in row else 0, _parse)\n"
    )
    file = rows(tmp_path, {"call": "Hi", "echo": "Hello"})
    code = f"from workbench.data import load; r = load({str(file)!r}); print(r.format, r.conversations[0].answer)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["duet", "Hello"]


def test_every_format_says_by_which_fields_it_is_known() -> None:
    assert all(form.fields and form.name == name for name, form in FORMATS.items())
