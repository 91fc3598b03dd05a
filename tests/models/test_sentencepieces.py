"""A tokenizer.model gives the ids that the SentencePiece library gives, for any text."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.internlm import ADDED, WORDS, make_internlm2, train_pieces
from workbench.errors import BadInput
from workbench.models import load_tokenizer
from workbench.models.sentencepieces import convert

ODD = (
    " ",
    "  ",
    "\n",
    "\t",
    "\r\n",
    "é",
    "e\u0301",
    "😀",
    "👨‍👩‍👧",
    "\u200b",
    "\0",
    "▁",
    "Ａ",
    "<eoa>",
    "[UNUSED_TOKEN_7]",
    "0123",
)


def texts(count: int) -> list[str]:
    """Mixtures of words, runs of one sign, rare characters and markers."""
    rng = random.Random(0)
    signs = sorted(set("".join(WORDS)))
    makers = (
        lambda: rng.choice(WORDS)[rng.randrange(20) : rng.randrange(20, 60)],
        lambda: "".join(rng.choice(signs) for _ in range(rng.randrange(1, 30))),
        lambda: rng.choice(ODD) * rng.choice([1, 2, 3, 7]),
        lambda: chr(rng.choice([rng.randrange(32, 0xD800), rng.randrange(0xE002, 0x11000)])),
    )
    return ["".join(rng.choice(makers)() for _ in range(rng.randrange(1, 8))) for _ in range(count)]


@pytest.mark.parametrize("prefix", [False, True], ids=["2", "1"])
def test_ids_are_the_librarys(tmp_path: Path, prefix: bool) -> None:
    import sentencepiece

    file = train_pieces(tmp_path, prefix=prefix, user=("<eoh>", "<eoa>"))
    reader = sentencepiece.SentencePieceProcessor(model_file=str(file))
    ours = convert(file, {})
    for given in texts(1500):
        if given not in ODD:  # a user's symbol alone has no space before it
            assert ours.encode(given, add_special_tokens=False).ids == reader.encode(given), given
            assert ours.decode(reader.encode(given)) == reader.decode(reader.encode(given)), given


def test_ids_of_the_real_one(shared: Path) -> None:
    import sentencepiece

    file = shared / "tokenizers" / "internlm2" / "tokenizer.model"
    reader = sentencepiece.SentencePieceProcessor(model_file=str(file))
    ours = convert(file, {})
    assert ours.get_vocab_size() == 92544
    for given in texts(1500):
        assert ours.encode(given, add_special_tokens=False).ids == reader.encode(given), given


def test_added_tokens_stand_at_their_own_ids(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(make_internlm2(tmp_path / "m")))
    assert tokenizer.convert_tokens_to_ids(list(ADDED)) == [3, 4, 5, 6, 7, 8] and tokenizer.is_fast
    assert tokenizer("<|im_start|>user").input_ids[:2] == [1, 8]
    assert tokenizer.decode(tokenizer("你是谁  hi", add_special_tokens=False).input_ids) == "你是谁  hi"
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<s>", "</s>", "</s>")


def test_it_is_the_same_after_it_is_saved(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = load_tokenizer(str(make_internlm2(tmp_path / "m")))
    tokenizer.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert all(again(given).input_ids == tokenizer(given).input_ids for given in texts(200))
    assert again.chat_template == tokenizer.chat_template


def test_the_template_is_proved_and_its_stops_are_known(tmp_path: Path) -> None:
    from workbench.templates.registry import get, stop_ids

    tokenizer = load_tokenizer(str(make_internlm2(tmp_path / "m")))
    assert get(None, tokenizer) and set(stop_ids(tokenizer)) == {2, 7}


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com/spec/v1\noid", b"", b"\xff" * 40])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.model").write_bytes(content)
    with pytest.raises(BadInput, match=r"tokenizer\.model"):
        convert(tmp_path / "tokenizer.model", {})


def test_a_unigram_model_is_refused(tmp_path: Path) -> None:
    import sentencepiece

    (tmp_path / "words.txt").write_text("\n".join(WORDS * 8), encoding="utf-8")
    train: Any = sentencepiece.SentencePieceTrainer.train
    prefix = str(tmp_path / "tokenizer")
    train(input=str(tmp_path / "words.txt"), model_prefix=prefix, vocab_size=150, model_type="unigram", minloglevel=2,
          hard_vocab_limit=False)  # fmt: skip
    with pytest.raises(BadInput, match="BPE"):
        convert(tmp_path / "tokenizer.model", {})
