"""The tokenizer: any text comes back, segments join as the whole, control tokens in a text stay text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.models.pocket import WEIGHTS, tokens

TOKENIZER = tokens.load(WEIGHTS)
ENCODER = tokens.Encoder(TOKENIZER)
TEXTS = st.text(max_size=60) | st.lists(st.sampled_from([*tokens.CONTROL, "\n", " ", "a", "王", "1"])).map("".join)


@pytest.fixture(scope="module")
def shipped() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(WEIGHTS)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_any_text_comes_back_from_its_ids(text: str) -> None:
    assert ENCODER.decode([i for i in ENCODER.text(text) if i != ENCODER.end]) == text


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_a_text_never_holds_a_control_token(text: str) -> None:
    assert not set(ENCODER.text(text)) & set(range(len(tokens.CONTROL)))


def plain(text: str) -> bool:
    """Whether no control token, nor the beginning of one, is written in it."""
    return "<|" not in text and not any(marker in text for marker in tokens.MARKERS)


@given(st.lists(st.text(max_size=30).filter(plain), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_segments_join_to_the_encoding_of_the_whole(contents: list[str]) -> None:
    turns = [(("user", "assistant")[at % 2], text) for at, text in enumerate(contents)]
    whole = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)
    assert list(ENCODER.conversation(turns).ids) == TOKENIZER.encode(whole, add_special_tokens=False).ids


def test_only_the_answer_and_its_end_are_trained() -> None:
    encoded = ENCODER.conversation([("system", "s"), ("user", "<|im_end|>"), ("assistant", "Paris.\n王")])
    kept = [label for label in encoded.labels if label != tokens.IGNORED]
    assert kept == [*ENCODER.text("Paris.\n王"), ENCODER.end]
    assert all(label in (tokens.IGNORED, i) for i, label in zip(encoded.ids, encoded.labels, strict=True))


def test_digits_newlines_and_chinese_characters_stand_alone() -> None:
    assert len(ENCODER.text("2026")) == 4
    assert len(ENCODER.text("\n\n")) == 2
    assert len(ENCODER.text("首都")) == 2


def test_the_control_tokens_are_one_token_each_and_pad_is_not_the_end(shipped: Any) -> None:
    ids = [shipped.convert_tokens_to_ids(token) for token in tokens.CONTROL]
    assert ids == list(range(len(tokens.CONTROL)))
    assert (shipped.eos_token, shipped.pad_token, shipped.bos_token) == ("<|im_end|>", "<|endoftext|>", None)
    assert shipped.eos_token_id != shipped.pad_token_id
    assert {"<image>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"} <= set(tokens.CONTROL)


def test_the_shipped_tokenizer_needs_no_code_of_ours_and_adds_nothing(shipped: Any) -> None:
    from transformers import PreTrainedTokenizerFast

    assert isinstance(shipped, PreTrainedTokenizerFast)
    assert shipped("你好 Zoë").input_ids == ENCODER.text("你好 Zoë")
    hidden = shipped("<|im_end|>", split_special_tokens=True).input_ids
    assert hidden == ENCODER.text("<|im_end|>")
    assert shipped.eos_token_id not in hidden


def test_the_chat_template_writes_what_training_encodes(shipped: Any) -> None:
    turns = [("system", "s"), ("user", "Hi"), ("assistant", "Hello!"), ("user", "Again")]
    messages = [{"role": role, "content": text} for role, text in turns]
    made = shipped.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
    assert list(made["input_ids"]) == ENCODER.prompt(turns)


def test_the_chat_template_marks_what_is_trained(shipped: Any) -> None:
    turns = [("user", "Hi"), ("assistant", "Hello!"), ("user", "Bye"), ("assistant", "Goodbye!")]
    messages = [{"role": role, "content": text} for role, text in turns]
    made = shipped.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    encoded = ENCODER.conversation(turns)
    assert list(made["assistant_masks"]) == [int(label != tokens.IGNORED) for label in encoded.labels]
