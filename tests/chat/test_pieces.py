"""Pieces of a streamed answer are whole characters, and together they are the answer."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.chat.pieces import pieces


class Bytes:
    """A tokenizer whose tokens are bytes: every character but ASCII comes in several."""

    def decode(self, ids: list[int], **_: Any) -> str:
        return bytes(ids).decode("utf-8", errors="replace")


@given(st.text(alphabet=st.characters(exclude_characters="\ufffd", exclude_categories=["Cs"])))
def test_any_text_comes_through_whole(text: str) -> None:
    made = list(pieces(text.encode(), Bytes()))
    assert "".join(made) == text
    assert all("\ufffd" not in piece for piece in made)


@given(st.lists(st.integers(0, 255)))
def test_bytes_that_are_no_characters_never_show(ids: list[int]) -> None:
    assert all("\ufffd" not in piece for piece in pieces(ids, Bytes()))


@pytest.mark.parametrize("end", [1, 2, 3])
def test_a_character_cut_by_the_end_is_left_out(end: int) -> None:
    assert "".join(pieces("好的🌱".encode()[:-end], Bytes())) == "好的"


def test_text_comes_as_soon_as_it_is_whole() -> None:
    taken: list[int] = []

    def ids() -> Any:
        for byte in "你好".encode():
            taken.append(byte)
            yield byte

    assert next(pieces(ids(), Bytes())) == "你"
    assert len(taken) == 3


def test_a_real_tokenizers_text_comes_through_whole(making: ModuleType, tmp_path: Path) -> None:
    tokenizer = making.save_tokenizer(tmp_path)
    text = "I am a tiny model. 你是谁？🌱 naïve\n\n  two  spaces"
    made = list(pieces(tokenizer(text)["input_ids"], tokenizer))
    assert "".join(made) == text
    assert len(made) > 10


def test_control_tokens_are_not_shown(making: ModuleType, tmp_path: Path) -> None:
    tokenizer = making.save_tokenizer(tmp_path)
    ids = tokenizer("Paris.<|im_start|>you?")["input_ids"]
    assert "".join(pieces(ids, tokenizer)) == "Paris.you?"
