"""A merge equals PEFT's bit for bit, whatever the adapter's settings; and leaves a folder that others can load."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench.export import merge, read_note


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = {}
    for file in folder.glob("*.safetensors"):
        found |= load_file(file)
    return found


def by_peft(base: Path, adapter: Path, dtype: str) -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype))
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().eval()


def assert_same_bits(ours: Path, theirs: dict[str, Any]) -> None:
    import torch

    found = weights(ours)
    assert sorted(found) == sorted(theirs)
    for name, tensor in theirs.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name


SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rslora": {"use_rslora": True, "lora_alpha": 7},
    "patterns": {
        "rank_pattern": {"q_proj": 2, r"layers\.1\.mlp\.up_proj": 3},
        "alpha_pattern": {"k_proj": 5, "^model.layers.0.*o_proj": 9},
    },
    "few modules": {"target_modules": ["q_proj", "v_proj"], "layers_to_transform": [1]},
    "dora": {"use_dora": True},
    "trained whole": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head", "model.norm"]},
    "embedding": {"target_modules": ["embed_tokens", "lm_head", "down_proj"]},
    "adalora": {"init_r": 4, "target_r": 2, "total_step": 10, "r": 4, "target_modules": ["q_proj", "down_proj"]},
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_merge_equals_pefts_bit_for_bit(tiny: ModuleType, tmp_path: Path, settings: str, dtype: str) -> None:
    base = tiny.save_base(tmp_path / "base", dtype=dtype)
    adapter = tiny.save_adapter(base, tmp_path / "adapter", **SETTINGS[settings])
    out = merge(str(base), adapter, tmp_path / "out", dtype=dtype)
    theirs = by_peft(base, adapter, dtype)
    assert_same_bits(out, theirs.state_dict())


def test_merge_with_biases_equals_pefts(tiny: ModuleType, tmp_path: Path) -> None:
    base = tiny.save_base(tmp_path / "base", attention_bias=True)
    settings = {"target_modules": ["q_proj", "o_proj"], "bias": "lora_only", "lora_bias": True, "lora_alpha": 6}
    adapter = tiny.save_adapter(base, tmp_path / "adapter", **settings)
    out = merge(str(base), adapter, tmp_path / "out")
    assert_same_bits(out, by_peft(base, adapter, "bfloat16").state_dict())


def as_trained_in_4bit(base: Path, adapter: Path) -> dict[str, Any]:
    """The 4-bit base with its layers computed back by bitsandbytes, and PEFT's merge into that, rounded once."""
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from workbench.models import load

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    for name, layer in load(str(base), quantization="nf4", device="cpu").model.named_modules():
        if hasattr(layer, "quant_state"):
            values = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
            model.get_submodule(name).weight.data.copy_(values)
    return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().to(torch.bfloat16).state_dict()


@pytest.mark.parametrize("settings", ["plain", "few modules"])
def test_merge_into_the_base_as_4bit_training_saw_it(tiny: ModuleType, tmp_path: Path, settings: str) -> None:
    base = tiny.save_base(tmp_path / "base", dtype="bfloat16")
    adapter = tiny.save_adapter(base, tmp_path / "adapter", **SETTINGS[settings])
    out = merge(str(base), adapter, tmp_path / "out", base_quantization="nf4")
    assert_same_bits(out, as_trained_in_4bit(base, adapter))
    assert read_note(out)["merge"]["base_quantization"] == "nf4"
    found, plain = weights(out), weights(base)
    rounded = {name for name in plain if not (found[name] == plain[name]).all()}
    assert rounded == {name for name in plain if name.endswith("_proj.weight")}


def test_merge_transposes_where_the_layer_does(tiny: ModuleType, tmp_path: Path) -> None:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=64, n_positions=16)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "base")
    settings = {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True}
    adapter = tiny.save_adapter(tmp_path / "base", tmp_path / "adapter", **settings)
    out = merge(str(tmp_path / "base"), adapter, tmp_path / "out", dtype="float32")
    theirs = by_peft(tmp_path / "base", adapter, "float32").state_dict()
    assert_same_bits(out, {k: v for k, v in theirs.items() if k != "lm_head.weight"})


@pytest.mark.parametrize(
    ("stored", "expected"), [("float32", "bfloat16"), ("float16", "float16"), ("bfloat16", "bfloat16")]
)
def test_the_result_has_16_bit_by_default(tiny: ModuleType, tmp_path: Path, stored: str, expected: str) -> None:
    base = tiny.save_base(tmp_path / "base", dtype=stored)
    adapter = tiny.save_adapter(base, tmp_path / "adapter", dtype="bfloat16")
    out = merge(str(base), adapter, tmp_path / "out")
    assert_same_bits(out, by_peft(base, adapter, expected).state_dict())
    assert json.loads((out / "config.json").read_text())["dtype"] == expected


def test_shards_hold_what_one_file_holds(tiny: ModuleType, tmp_path: Path) -> None:
    base = tiny.save_base(tmp_path / "base", hidden_size=256, intermediate_size=512, shard="1MB")
    assert (base / "model.safetensors.index.json").exists()
    adapter = tiny.save_adapter(base, tmp_path / "adapter")
    one = merge(str(base), adapter, tmp_path / "one")
    many = merge(str(base), adapter, tmp_path / "many", max_shard_size="1MB")
    assert [p.name for p in one.glob("*.safetensors")] == ["model.safetensors"]
    files = sorted(many.glob("*.safetensors"))
    assert len(files) > 2
    assert all(file.stat().st_size < 1.05e6 for file in files)
    assert_same_bits(many, weights(one))
    index = json.loads((many / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(t.numel() * t.element_size() for t in weights(one).values())
    assert {index["weight_map"][name] for name in weights(one)} == {file.name for file in files}


@pytest.mark.parametrize("module", ["lm_head", "embed_tokens"])
def test_a_tied_embedding_parts_where_only_one_side_was_adapted(tiny: ModuleType, tmp_path: Path, module: str) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = tiny.save_base(tmp_path / "base", tied=True, dtype="float32")
    adapter = tiny.save_adapter(base, tmp_path / "adapter", target_modules=[module], strength=0.05)
    out = merge(str(base), adapter, tmp_path / "out", dtype="float32")
    merged = AutoModelForCausalLM.from_pretrained(out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter)).eval()
    ids = torch.arange(12)[None]
    with torch.no_grad():
        assert torch.allclose(merged(ids).logits, adapted(ids).logits, atol=1e-4)
        with adapted.disable_adapter():
            assert not torch.allclose(merged(ids).logits, adapted(ids).logits, atol=1e-1)
    assert merged.config.tie_word_embeddings is False
    assert read_note(out)["merge"]["untied"] is True


def test_a_tied_embedding_stays_tied_where_both_sides_were_adapted_alike(tiny: ModuleType, tmp_path: Path) -> None:
    import torch

    base = tiny.save_base(tmp_path / "base", tied=True)
    settings = {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}
    adapter = tiny.save_adapter(base, tmp_path / "adapter", **settings)
    out = merge(str(base), adapter, tmp_path / "out")
    theirs = by_peft(base, adapter, "bfloat16").state_dict()
    assert "lm_head.weight" not in weights(out)
    assert torch.equal(weights(out)["model.embed_tokens.weight"], theirs["lm_head.weight"])
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is True


def test_the_folder_loads_elsewhere(base: Path, adapter: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = merge(str(base), adapter, tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(out)
    model = AutoModelForCausalLM.from_pretrained(out)
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(base).chat_template
    ends = model.generation_config.eos_token_id
    assert set(ends) == set(tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]))
    assert (out / "README.md").read_text().startswith("---\nbase_model: ")
    assert read_note(out)["base"]["name"] == str(base)


def test_progress_ends_at_the_total(base: Path, adapter: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    merge(str(base), adapter, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == sum(t.numel() * t.element_size() for t in weights(tmp_path / "out").values())
    assert [done for done, _ in told] == sorted(done for done, _ in told)
