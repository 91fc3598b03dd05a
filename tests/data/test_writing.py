"""What is written is read again without loss, and nothing is overwritten unasked."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import Conversation, Message, Picture, Role, ask, read, write
from workbench.errors import BadInput, OutputExists

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["<image>", "<|im_end|>", " a\n", "{{name}}", "\u2028", "\r\n", "我"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | words,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(words, v, max_size=2),
)
keys = words | st.sampled_from(
    [
        "_meta",
        "tools",
        "images",
        "group",
        "messages",
        "conversations",
        "instruction",
        "system",
        "output",
        "text",
        "message_extras",
        "id",
    ]
)
calls = words.map(
    lambda a: json.dumps({"type": "function", "function": {"name": a, "arguments": json.dumps({"a": a})}})
)
pictures = st.lists(st.builds(Picture, st.just("a.png"), data=st.binary(min_size=1, max_size=9)), max_size=2)


def _pictured(role: Role, content: str, images: list[Picture], spelled: int) -> Message:
    """A message in which more places may be spelled than there are pictures; its text has none without pictures."""
    marks = "<image>" * (len(images) + spelled if images else 0)
    return Message(role, marks + content, images=tuple(images))


messages = st.one_of(
    st.builds(_pictured, st.sampled_from(["system", "user", "tool"]), words, pictures, st.integers(0, 1)),
    st.builds(
        Message,
        st.just("assistant"),
        words,
        train=st.sampled_from([None, True, False]),
        tool_calls=st.lists(calls, max_size=2).map(tuple),
        thinking=words,
    ),
)
dialogues = st.builds(
    Conversation,
    st.lists(messages, min_size=1, max_size=4).map(tuple),
    group=words,
    kind=st.sampled_from(["", "identity"]),
    lang=st.sampled_from(["", "zh"]),
    tools=st.lists(st.dictionaries(words, words, max_size=2).map(json.dumps), max_size=2).map(tuple),
    meta=st.dictionaries(keys, values, max_size=3),
)
texts = st.builds(Conversation, st.tuples(st.builds(Message, st.just("assistant"), words)), kind=st.just("text"))
conversations = dialogues | texts


@settings(max_examples=150)
@given(st.lists(conversations, min_size=1, max_size=3))
def test_reading_what_was_written_gives_the_same(made: list[Conversation]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(made, Path(folder) / "a.jsonl")
        again = read(Path(folder) / "a.jsonl")
    assert [replace(c, source="") for c in again] == made


def test_extras_of_messages_stand_in_the_messages(tmp_path: Path) -> None:
    made = replace(ask("a", "b"), meta={"message_extras": {"1": {"name": "n"}}})
    write([made], tmp_path / "a.jsonl")
    assert json.loads((tmp_path / "a.jsonl").read_text())["messages"][1]["name"] == "n"
    assert read(tmp_path / "a.jsonl")[0].meta == made.meta


def test_a_file_that_is_there_stays_unless_told(tmp_path: Path) -> None:
    write([ask("a", "b")], tmp_path / "a.jsonl")
    with pytest.raises(OutputExists):
        write([ask("c", "d")], tmp_path / "a.jsonl")
    write([ask("c", "d")], tmp_path / "a.jsonl", overwrite=True)
    assert read(tmp_path / "a.jsonl")[0].question == "c"


@pytest.mark.parametrize(
    "made", [ask("\ud83d", "b"), ask("a\0", "b"), Conversation(()), ask("a", "b", meta={"x": object()})]
)
def test_what_json_cannot_hold_is_refused_and_nothing_is_left(made: Conversation, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="row 2"):
        write([ask("a", "b"), made], tmp_path / "a.jsonl")
    assert not list(tmp_path.iterdir())


def test_a_call_that_could_not_be_read_again_is_refused_with_its_row(tmp_path: Path) -> None:
    made = Conversation((Message("user", "a"), Message("assistant", "", tool_calls=("{}",))))
    with pytest.raises(BadInput, match=r"a\.jsonl, row 2: .*messages\[1\]\.tool_calls\[0\]"):
        write([ask("a", "b"), made], tmp_path / "a.jsonl")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere"):
        write([ask("a", "b")], tmp_path / "nowhere" / "a.jsonl")
