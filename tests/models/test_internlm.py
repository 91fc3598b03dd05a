"""InternLM2 and InternLM load as they lie on the disk: the same logits and answers, and none of their code runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.internlm import (
    first_names,
    logits,
    make_internlm,
    make_internlm2,
    random_weights,
    read_shards,
    save_shards,
)
from workbench.errors import BadInput
from workbench.models import configuration, fingerprint, load
from workbench.models.forecast import forecast
from workbench.models.internlm import as_llama, fused_rows, layers, module_name
from workbench.models.work import Work

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bias": {"bias": True},
    "dynamic": {"rope": {"type": "dynamic", "factor": 2.0}},
    "linear": {"bias": True, "rope": {"type": "linear", "factor": 2.0}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_logits_are_those_of_the_architecture(tmp_path: Path, kind: str) -> None:
    import torch

    folder = make_internlm2(tmp_path / "m", **KINDS[kind])
    config = json.loads((folder / "config.json").read_text())
    ids = list(range(3, 103))  # longer than the positions that it was trained on: what stretches them is seen
    loaded = load(str(folder), device="cpu")
    with torch.inference_mode():
        ours = loaded.model(input_ids=torch.tensor([ids])).logits[0]
    assert (ours - logits(config, read_shards(folder), ids)).abs().max() < 1e-4


def test_greedy_answers_are_those_of_the_architecture(tmp_path: Path) -> None:
    import torch

    folder = make_internlm2(tmp_path / "m", bias=True)
    config, weights = json.loads((folder / "config.json").read_text()), read_shards(folder)
    loaded = load(str(folder), device="cpu")
    ids = loaded.tokenizer("<|im_start|>user\nwho are you<|im_end|>\n").input_ids
    theirs = list(ids)
    for _ in range(12):
        theirs.append(int(logits(config, weights, theirs)[-1].argmax()))
    ours = loaded.model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids)),
        max_new_tokens=12,
        do_sample=False,
        eos_token_id=None,
    )
    assert ours[0].tolist() == theirs


def test_the_first_internlm_is_a_llama_with_a_bias_in_all_four(tmp_path: Path) -> None:
    import torch

    folder = make_internlm(tmp_path / "m")
    loaded, weights = load(str(folder), device="cpu"), read_shards(folder)
    attention = loaded.model.model.layers[1].self_attn
    for letter in "qkvo":
        bias = getattr(attention, f"{letter}_proj").bias
        name = f"model.layers.1.self_attn.{letter}_proj.bias"
        assert torch.equal(bias, weights[name])
    assert loaded.model.config.rope_parameters["rope_type"] == "dynamic"


@pytest.mark.parametrize("count", [40, 100])  # within the positions that it was trained on, and beyond
def test_the_first_internlms_logits_are_those_of_the_architecture(tmp_path: Path, count: int) -> None:
    import torch

    folder, ids = make_internlm(tmp_path / "m"), list(range(3, 3 + count))
    config = json.loads((folder / "config.json").read_text())
    rotary = config.pop("rotary")
    config |= {"num_key_value_heads": 4, "rope_theta": rotary["base"], "rope_scaling": {"type": "dynamic", "factor": 1}}
    loaded = load(str(folder), device="cpu")
    with torch.inference_mode():
        ours = loaded.model(input_ids=torch.tensor([ids])).logits[0]
    assert (ours - logits(config, random_weights(config), ids)).abs().max() < 1e-4


def test_the_first_internlm_with_its_real_tokenizer(tmp_path: Path, shared: Path) -> None:
    import torch
    from tokenizers import Tokenizer

    theirs = shared / "tokenizers" / "internlm"
    folder = make_internlm(tmp_path / "m")
    (folder / "tokenizer.model").unlink()
    for file in theirs.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    plain, text = Tokenizer.from_file(str(theirs / "tokenizer.json")), "<|User|>:你是谁？ 12+30<eoh>\n<|Bot|>:"
    config = json.loads((folder / "config.json").read_text()) | {"vocab_size": 103168, "num_key_value_heads": 4}
    (folder / "config.json").write_text(json.dumps(config))
    weights = random_weights(config)
    save_shards(folder, {k: v for n, value in weights.items() for k, v in first_names(n, value, 4).items()})
    loaded = load(str(folder), device="cpu")
    ids = loaded.tokenizer(text, add_special_tokens=False).input_ids
    assert ids == plain.encode(text, add_special_tokens=False).ids and 103027 in ids
    with torch.inference_mode():
        ours = loaded.model(input_ids=torch.tensor([ids])).logits[0]
    rope = {"rope_theta": 10000, "rope_scaling": {"type": "dynamic", "factor": 1}}
    assert (ours - logits(config | rope, weights, ids)).abs().max() < 1e-4


def test_4_bit_packs_each_projection_by_itself(tmp_path: Path) -> None:
    import torch

    from workbench.models.fewbits import through_4bit

    folder = make_internlm2(tmp_path / "m")
    loaded = load(str(folder), device="cpu", quantization="nf4")
    fused = read_shards(folder)["model.layers.0.attention.wqkv.weight"].reshape(2, 4, 16, 64)
    key = loaded.model.model.layers[0].self_attn.k_proj
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    wanted = x @ through_4bit(fused[:, 2].reshape(32, 64)).T
    assert type(key).__name__ == "Linear4bit" and (key(x) - wanted).abs().max() < 1e-4


def test_rows_of_the_fused_layer() -> None:
    config = {"num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 8}
    assert fused_rows(config) == (((0, 4), (8, 12)), ((4, 6), (12, 14)), ((6, 8), (14, 16)))


def test_names_of_modules() -> None:
    assert module_name("wqkv") == ("q_proj", "k_proj", "v_proj") and module_name("w2") == ("down_proj",)
    assert module_name("output") == ("lm_head",) and module_name("q_proj") == ("q_proj",)
    assert module_name("model.layers.3.feed_forward.w1") == ("model.layers.3.mlp.gate_proj",)


def test_the_forecast_and_the_layers_are_the_llamas(tmp_path: Path) -> None:
    folder = make_internlm2(tmp_path / "m")
    numbers = sum(tensor.numel() for tensor in read_shards(folder).values())
    assert forecast(Work(str(folder), rows=1, length=16)).parameters == numbers
    assert "model.layers.1.self_attn.v_proj" in layers(folder) and configuration(str(folder)).model_type == "llama"
    assert fingerprint(str(folder)) == fingerprint(str(folder))


def test_a_weight_that_does_not_belong_there_is_named(tmp_path: Path) -> None:
    import torch

    folder = make_internlm2(tmp_path / "m")
    save_shards(folder, read_shards(folder) | {"v_head.weight": torch.zeros(1, 64)})
    with pytest.raises(BadInput, match="v_head"):
        load(str(folder), device="cpu")


def test_a_fused_weight_of_a_wrong_shape_is_refused(tmp_path: Path) -> None:
    import torch

    folder = make_internlm2(tmp_path / "m")
    save_shards(folder, read_shards(folder) | {"model.layers.0.attention.wqkv.weight": torch.zeros(64, 64)})
    with pytest.raises(BadInput, match=r"64 rows.*128"):
        load(str(folder), device="cpu")


def test_positions_stretched_in_an_unknown_way_are_refused() -> None:
    config = {"model_type": "internlm2", "hidden_size": 8, "num_attention_heads": 2, "rope_scaling": {"type": "yarn"}}
    with pytest.raises(BadInput, match="yarn"):
        as_llama(config)
