"""What an assistant thought before its answer is read under its usual names, and refused where nobody thinks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.data import read
from workbench.errors import BadData


def _file(folder: Path, *turns: dict[str, Any]) -> Path:
    path = folder / "thoughts.jsonl"
    path.write_text(json.dumps({"messages": list(turns)}), encoding="utf-8")
    return path


USER = {"role": "user", "content": "How many legs have two spiders?"}
ANSWER = {"role": "assistant", "content": "Sixteen."}


@pytest.mark.parametrize("field", ["thinking", "reasoning_content"])
def test_a_thought_is_read_under_either_name(field: str, tmp_path: Path) -> None:
    (row,) = read(_file(tmp_path, USER, {**ANSWER, field: "Two times eight."}))
    assert row.messages[1].thinking == "Two times eight."
    assert row.answer == "Sixteen." and not row.meta


def test_an_empty_field_says_nothing(tmp_path: Path) -> None:
    (row,) = read(_file(tmp_path, {**USER, "thinking": ""}, {**ANSWER, "thinking": None, "reasoning_content": ""}))
    assert not row.messages[1].thinking and not row.meta


def test_both_names_with_the_same_words_are_one_thought(tmp_path: Path) -> None:
    (row,) = read(_file(tmp_path, USER, {**ANSWER, "thinking": "16", "reasoning_content": "16"}))
    assert row.messages[1].thinking == "16"


@pytest.mark.parametrize(
    ("turns", "key"),
    [
        ([USER, {**ANSWER, "thinking": "16", "reasoning_content": "17"}], "data.two_thoughts"),
        ([{**USER, "thinking": "What now?"}, ANSWER], "data.thinking_role"),
        ([USER, {**ANSWER, "thinking": ["16"]}], "data.not_text"),
    ],
)
def test_a_thought_that_cannot_be_meant_is_refused_with_its_field(
    turns: list[dict[str, Any]], key: str, tmp_path: Path
) -> None:
    with pytest.raises(BadData) as caught:
        read(_file(tmp_path, *turns))
    assert caught.value.key == key and "messages[" in str(caught.value)
