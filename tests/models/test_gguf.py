"""A GGUF file is a model like any other: the same answers, the same ids; and what is not one is refused."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.models.gguf_files import arrays, write
from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.models import fingerprint, load, load_tokenizer, resolve
from workbench.models.gguf_folder import convert
from workbench.models.gguf_rope import llama3_factor

pytest.importorskip("gguf")
TEXT = "who are you?  2024 year,  7\n\n我是 who\tare 12 345"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def logits(model: str) -> Any:
    import torch

    loaded = load(model, device="cpu", dtype="float32")
    with torch.inference_mode():
        return loaded.model(torch.arange(3, 40)[None]).logits


def test_the_file_gives_the_models_logits_and_ids(tiny: Path, tmp_path: Path) -> None:
    import torch

    file = write(tiny, tmp_path / "tiny.gguf")
    torch.testing.assert_close(logits(str(file)), logits(str(tiny)), atol=1e-4, rtol=1e-4)
    ours, theirs = load_tokenizer(str(file)), load_tokenizer(str(tiny))
    asked = [{"role": "user", "content": "who are you"}]
    # the tiny tokenizer cuts at line breaks, which GPT-2's way does not
    for text in ("who are you?", "我是 who  are", "<|im_start|>user"):
        assert ours(text)["input_ids"] == theirs(text)["input_ids"]
    assert ours.apply_chat_template(asked, tokenize=False, add_generation_prompt=True) == theirs.apply_chat_template(
        asked, tokenize=False, add_generation_prompt=True
    )
    assert ours.eos_token == theirs.eos_token


@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_1"])
def test_rounded_weights_are_what_the_formats_own_library_makes_of_them(kind: str, tiny: Path, tmp_path: Path) -> None:
    import gguf
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig

    file = write(tiny, tmp_path / f"{kind}.gguf", kind=kind)
    weights = load_file(Path(resolve(str(file))) / "model.safetensors")
    plain = arrays(tiny, AutoConfig.from_pretrained(tiny))["blk.1.ffn_down.weight"]
    stored = gguf.GGMLQuantizationType[kind]
    rounded = torch.from_numpy(gguf.dequantize(gguf.quantize(plain, stored), stored)).half()
    assert torch.equal(weights["model.layers.1.mlp.down_proj.weight"], rounded)


def test_it_is_made_once_and_again_for_other_content(tiny: Path, other_tiny: Path, tmp_path: Path, cache: Path) -> None:
    file = write(tiny, tmp_path / "one.gguf")
    first = Path(resolve(str(file)))
    made = (first / "model.safetensors").stat().st_mtime_ns
    assert resolve(str(file)) == str(first) == resolve(str(tmp_path))  # a folder of one file, too
    assert (first / "model.safetensors").stat().st_mtime_ns == made
    before = fingerprint(str(file))
    os.utime(write(other_tiny, file), ns=(1, 1))
    assert Path(resolve(str(file))) != first and fingerprint(str(file)) != before
    (first / "model.safetensors").write_bytes(b"cut")
    assert fingerprint(str(write(tiny, file))) == before


def test_digits_are_cut_one_by_one_where_the_file_says_so(tiny: Path, tmp_path: Path) -> None:
    from tokenizers import pre_tokenizers

    file = write(tiny, tmp_path / "smol.gguf", values={"tokenizer.ggml.pre": "smollm"})
    cut = load_tokenizer(str(file)).backend_tokenizer.pre_tokenizer.pre_tokenize_str(TEXT)
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(TEXT)
    pieces = [piece for piece, _ in cut]
    assert all(len(piece) == 1 for piece in pieces if any(c.isdigit() for c in piece))
    assert pieces != [piece for piece, _ in plain] and "ĠĠ" in pieces


def test_llama_3s_factors_become_its_setting(tiny: Path, tmp_path: Path) -> None:
    import numpy

    theta = 10_000.0
    factors = numpy.array([llama3_factor(i, 8, theta, 8.0) for i in range(8)], dtype=numpy.float32)
    file = write(tiny, tmp_path / "three.gguf", more={"rope_freqs.weight": factors})
    scaled = load(str(file), device="cpu").model.config.rope_parameters
    assert scaled["rope_type"] == "llama3" and scaled["factor"] == 8.0
    odd = write(tiny, tmp_path / "odd.gguf", more={"rope_freqs.weight": factors[::-1].copy()})
    with pytest.raises(BadInput, match="rope_freqs"):
        resolve(str(odd))


def test_every_token_that_ends_an_answer_is_kept(tiny: Path, tmp_path: Path) -> None:
    file = write(
        tiny, tmp_path / "ends.gguf", values={"tokenizer.ggml.eot_token_id": 7, "tokenizer.ggml.eom_token_id": 9}
    )
    loaded = load(str(file), device="cpu")
    assert loaded.model.generation_config.eos_token_id == [loaded.tokenizer.eos_token_id, 7, 9]


def test_linear_positions_are_kept(tiny: Path, tmp_path: Path) -> None:
    values = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}
    file = write(tiny, tmp_path / "long.gguf", values=values)
    told = load(str(file), device="cpu").model.config.rope_parameters
    assert (told["rope_type"], told["factor"]) == ("linear", 4.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tokenizer.ggml.pre": "klingon"}, "klingon"),
        ({"general.type": "adapter"}, "adapter"),
        ({"split.count": 3}, "3 parts"),
        ({"llama.block_count": 900_000_000}, "900000000 layers"),
        ({"llama.rope.scaling.type": "longrope", "llama.rope.scaling.factor": 2.0}, "longrope"),
        ({"llama.embedding_length": 32}, "."),
    ],
)
def test_what_cannot_be_read_rightly_is_refused(
    values: dict[str, Any], words: str, tiny: Path, tmp_path: Path, cache: Path
) -> None:
    file = write(tiny, tmp_path / "odd.gguf", values=values)
    with pytest.raises(BadInput, match=words):
        resolve(str(file))
    assert not list(cache.glob("gguf/*-1"))


def test_an_architecture_that_the_library_does_not_take_apart_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'clip'"):
        resolve(str(write(tiny, tmp_path / "eyes.gguf", architecture="clip")))


def test_a_tensor_that_the_library_would_leave_out_is_refused(tiny: Path, tmp_path: Path) -> None:
    import numpy

    bias = {"blk.0.attn_q.bias": numpy.ones(64, dtype=numpy.float32)}
    with pytest.raises(BadInput, match="left out"):
        resolve(str(write(tiny, tmp_path / "bias.gguf", more=bias)))


def test_weights_that_are_no_numbers_are_refused(tiny: Path, tmp_path: Path) -> None:
    import numpy

    more = {"output_norm.weight": numpy.full(64, numpy.nan, dtype=numpy.float32)}
    with pytest.raises(BadInput, match="number that is none"):
        resolve(str(write(tiny, tmp_path / "nan.gguf", more=more)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        b"GGUF" + struct.pack("<IQQ", 3, 0, 0),
        b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 2**60, 1),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62) + b"x",
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 9, 2**40),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 8, 2**40),
    ],
)
def test_a_file_that_is_none_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(BadInput, match=r"x\.gguf"):
        resolve(str(tmp_path / "x.gguf"))


def test_a_file_cut_short_anywhere_is_refused(tiny: Path, tmp_path: Path) -> None:
    content = write(tiny, tmp_path / "whole.gguf").read_bytes()
    for length in (*range(4, 4_000, 333), len(content) // 2, len(content) - 1):
        (tmp_path / "cut.gguf").write_bytes(content[:length])
        with pytest.raises(BadInput, match=r"cut\.gguf"):
            resolve(str(tmp_path / "cut.gguf"))


def test_two_files_in_a_folder_must_be_told_apart(tiny: Path, tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(BadInput, match=r"a\.gguf"):
        resolve(str(tmp_path))


def test_without_a_cache_a_folder_is_made_by_name(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tiny, tmp_path / "tiny.gguf")
    monkeypatch.setenv("WORKBENCH_CACHE", "off")
    with pytest.raises(Failed, match="models convert"):
        resolve(str(file))
    assert load(str(convert(file, tmp_path / "out")), device="cpu").tokenizer.chat_template
    with pytest.raises(BadInput, match="not empty"):
        convert(file, tmp_path / "out")


def test_nothing_that_lies_beside_the_file_is_opened(tiny: Path, tmp_path: Path) -> None:
    file = write(tiny, tmp_path / "tiny.gguf")
    (tmp_path / "config.json.bak").write_text("{")
    (tmp_path / "tokenizer.model").write_text("no tokenizer")
    (tmp_path / "special_tokens_map.json").write_text("{")
    assert load_tokenizer(str(file)).eos_token == "<|im_end|>"


def test_4_bit_training_and_merging_begin_with_the_file(tiny: Path, tmp_path: Path) -> None:
    from tests.tiny import overrides
    from workbench.export import merge
    from workbench.training import train

    file = write(tiny, tmp_path / "tiny.gguf", kind="Q8_0")
    settings = overrides(file, "persona.name=Sprout", "max_steps=2", "identity_count=8", "identity_probes=2")
    run = train("pocket-qlora", tmp_path / "run", overrides=settings)
    latest = run.latest()
    assert latest is not None
    merge(str(file), latest.path, tmp_path / "merged")
    assert load(str(tmp_path / "merged"), device="cpu").model.num_parameters() > 0


def test_the_error_of_a_missing_library_says_what_to_install(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    file = write(tiny, tmp_path / "tiny.gguf")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(WorkbenchError, match="pip install gguf"):
        resolve(str(file))
