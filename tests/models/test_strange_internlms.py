"""An InternLM's folder passes the same checks as every other: each fault is one sentence, and none of its code runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.internlm import make_internlm2
from tests.strangers import INDEX, POINTER, Fault, broken, cut, edit, linked, piped, put
from workbench.errors import BadInput
from workbench.export.tensors import weight_entries
from workbench.models import configuration, load, load_tokenizer
from workbench.models.folders import check_folder
from workbench.models.internlm import as_llama, fused_rows

FIRST = "model-00001-of-00002.safetensors"
KNOWN = {"model_type": "internlm2", "hidden_size": 8, "num_attention_heads": 2}

WEIGHTS: dict[str, Fault] = {
    "cut weights": cut(FIRST, 0.5),
    "a pointer": put(FIRST, POINTER),
    "weights that are a pipe": piped(FIRST),
    "weights that lead elsewhere": linked(FIRST, "/dev/zero"),
    "an index to a pickled file": edit(INDEX, weight_map={"output.weight": "pytorch_model.bin"}),
    "an index to a file elsewhere": edit(INDEX, weight_map={"output.weight": "../../x.safetensors"}),
    "an index that is wrong": edit(INDEX, weight_map={"output.weights": FIRST}),
    "no index": lambda folder: (folder / INDEX).unlink(),
}
SETTINGS: dict[str, Fault] = {
    "a million layers": edit("config.json", num_hidden_layers=1_000_000),
    "no heads": edit("config.json", num_attention_heads=0),
    "heads as text": edit("config.json", num_attention_heads="four"),
    "positions as text": edit("config.json", rope_scaling="dynamic"),
    "a quantizer of others": edit("config.json", quantization_config={"quant_method": "awq"}),
    "an adapter beside it": put("adapter_config.json", "{}"),
}
TOKENIZERS: dict[str, Fault] = {
    "pieces that are a pipe": piped("tokenizer.model"),
    "pieces that lead elsewhere": linked("tokenizer.model", "/etc/passwd"),
    "broken pieces": put("tokenizer.model", b"\x0a\xff\xff\xff\xff\x0fpieces"),
    "a pointer for pieces": put("tokenizer.model", POINTER),
    "an endless piece": lambda folder: alter(folder, lambda model: lengthen(model.pieces[300], 40_000)),
    "broken rules of normalizing": lambda folder: alter(folder, spoil_rules),
    "ids as text": edit("tokenizer_config.json", added_tokens_decoder={"first": {"content": "x"}}),
    "a list for added tokens": edit("tokenizer_config.json", added_tokens_decoder=[1]),
    "settings of brackets": put("tokenizer_config.json", '{"a":' * 200_000),
}


def alter(folder: Path, change: Callable[[object], None]) -> None:
    """Write ``tokenizer.model`` anew, changed."""
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString((folder / "tokenizer.model").read_bytes())
    change(model)
    (folder / "tokenizer.model").write_bytes(model.SerializeToString())


def lengthen(piece: object, length: int) -> None:
    piece.piece = "a" * length  # type: ignore[attr-defined]


def spoil_rules(model: object) -> None:
    model.normalizer_spec.precompiled_charsmap = b"\xff" * 64  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_internlm2(tmp_path_factory.mktemp("internlm") / "good")


@pytest.mark.parametrize("fault", [*WEIGHTS, *SETTINGS])
def test_a_model_with_a_fault_is_not_loaded(fault: str, good: Path, tmp_path: Path) -> None:
    folder = broken(good, tmp_path / "m", (WEIGHTS | SETTINGS)[fault])
    with pytest.raises(BadInput):
        load(str(folder), device="cpu")


@pytest.mark.parametrize("fault", [*WEIGHTS])
def test_weights_with_a_fault_are_not_given_on(fault: str, good: Path, tmp_path: Path) -> None:
    folder = broken(good, tmp_path / "m", WEIGHTS[fault])
    with pytest.raises(BadInput):
        weight_entries(folder)
    with pytest.raises(BadInput):
        check_folder(folder)


@pytest.mark.parametrize("fault", [*TOKENIZERS])
def test_a_tokenizer_with_a_fault_is_one_sentence(fault: str, good: Path, tmp_path: Path) -> None:
    folder = broken(good, tmp_path / "m", TOKENIZERS[fault])
    with pytest.raises(BadInput):
        load_tokenizer(str(folder))


def test_missing_weights_are_told(good: Path, tmp_path: Path) -> None:
    folder = broken(good, tmp_path / "m", edit("config.json", num_hidden_layers=3))
    with pytest.raises(BadInput, match="not complete"):
        load(str(folder), device="cpu")


def test_weights_beside_the_index_are_not_read(good: Path, tmp_path: Path) -> None:
    folder = broken(good, tmp_path / "m", put("other.safetensors", b"\xff" * 100))
    assert load(str(folder), device="cpu").model is not None


def test_settings_choose_no_code(good: Path, tmp_path: Path) -> None:
    folder = broken(good, tmp_path / "m", edit("config.json", attn_implementation="owner/kernel", use_kernels=True))
    made = configuration(str(folder))
    assert made.model_type == "llama" and not hasattr(made, "auto_map") and not hasattr(made, "use_kernels")
    assert load(str(folder), device="cpu").model.config._attn_implementation == "eager"


def test_another_kind_with_the_same_code_beside_is_refused(good: Path, tmp_path: Path) -> None:
    folder = broken(good, tmp_path / "m", edit("config.json", model_type="internlm9"))
    with pytest.raises(BadInput, match="internlm9"):
        load(str(folder), device="cpu")


ODD = (
    {"num_attention_heads": None},
    {"num_key_value_heads": 10**12},
    {"hidden_size": float("inf")},
    {"rotary": {"base": []}},
)


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_numbers_that_cannot_be_meant_are_refused(odd: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"config\.json"):
        as_llama(KNOWN | odd)
    if "rotary" not in odd:
        with pytest.raises(BadInput):
            fused_rows(KNOWN | odd)
