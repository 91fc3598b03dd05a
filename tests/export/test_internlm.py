"""An InternLM2 is trained, converted, merged and bundled like any other base, and what comes out is a Llama."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.internlm import logits, make_internlm2, read_shards
from workbench.cli import run as command
from workbench.errors import BadSetting
from workbench.export import convert, merge
from workbench.models import load


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_internlm2(tmp_path_factory.mktemp("internlm2") / "base", bias=True)


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A QLoRA adapter of three steps, converted; one layer named is the head, as the seed's own adapters do."""
    from tests.tiny import overrides
    from workbench.training import load_recipe
    from workbench.training.start import train

    folder = tmp_path_factory.mktemp("run")
    more = ("max_steps=3", "persona.name=Sprout", "identity_count=24", "max_length=128", "packing=false",
            "identity_probes=2", "learning_rate=0.01", "warmup_ratio=0", "save_steps=3", "eval_steps=3")  # fmt: skip
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 256}))
    run = train(load_recipe("pocket-qlora", overrides(base, *more)), folder / "run")
    return convert(run.path, folder / "adapter")


def test_the_adapter_is_named_as_llamas(adapter: Path) -> None:
    names = set(read_shards(adapter))
    assert "base_model.model.model.layers.1.self_attn.k_proj.lora_B.weight" in names
    assert not any("wqkv" in name or ".w1." in name for name in names)
    assert (adapter / "tokenizer.json").is_file() and not list(adapter.glob("*.py"))


def test_the_merged_model_is_a_llama_that_everybody_loads(base: Path, adapter: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = merge(str(base), adapter, tmp_path / "out", dtype="float32")
    merged = AutoModelForCausalLM.from_pretrained(out)
    ids = torch.tensor([list(range(3, 60))])
    with torch.inference_mode():
        ours = merged(input_ids=ids).logits
        theirs = load(str(base), device="cpu", adapter=adapter).model(input_ids=ids).logits
        plain = load(str(base), device="cpu").model(input_ids=ids).logits
    assert type(merged).__name__ == "LlamaForCausalLM" and not list(out.glob("*.py"))
    assert (ours - theirs).abs().max() < 1e-3 < (ours - plain).abs().max()
    text = "<|im_start|>user\n你是谁 who<|im_end|>"
    own = load(str(base), device="cpu").tokenizer(text).input_ids
    assert AutoTokenizer.from_pretrained(out)(text).input_ids == own


def test_under_its_original_names_it_is_the_same_to_the_bit(base: Path, adapter: Path, tmp_path: Path) -> None:
    import torch

    llama = merge(str(base), adapter, tmp_path / "llama")
    original = merge(str(base), adapter, tmp_path / "original", names="original")
    assert read_shards(original).keys() == read_shards(base).keys()
    ours, theirs = (load(str(f), device="cpu").model.state_dict() for f in (llama, original))
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    with pytest.raises(BadSetting):
        merge(str(base), adapter, tmp_path / "no", names="original", base_quantization="nf4")


def test_merged_as_it_was_trained_in_4_bit(base: Path, adapter: Path, tmp_path: Path) -> None:
    import torch

    from workbench.models.fewbits import through_4bit

    out = merge(str(base), adapter, tmp_path / "out", dtype="float32", base_quantization="nf4")
    with torch.inference_mode():
        packed = load(str(base), device="cpu", adapter=adapter, quantization="nf4")
        ids = torch.tensor([list(range(3, 40))])
        gap = load(str(out), device="cpu").model(input_ids=ids).logits - packed.model(input_ids=ids).logits
    assert gap.abs().max() < 1e-2
    assert through_4bit(torch.ones(2, 64)).shape == (2, 64)


def test_the_commands_know_it(base: Path, adapter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["chat", str(base), "--adapter", str(adapter), "--question", "你是谁", "--json", "--max-new-tokens", "4"]
    assert command(asked) == 0
    assert isinstance(json.loads(capsys.readouterr().out)["answer"], str)


def test_what_is_deployed_is_a_llama(base: Path, tmp_path: Path) -> None:
    import torch

    from workbench.export.llama import llama_folder

    made = llama_folder(base, tmp_path / "llama")
    config: dict[str, Any] = json.loads((base / "config.json").read_text())
    ids = list(range(3, 40))
    with torch.inference_mode():
        ours = load(str(made), device="cpu").model(input_ids=torch.tensor([ids])).logits[0]
    assert (ours - logits(config, read_shards(base), ids)).abs().max() < 1e-4
    assert json.loads((made / "config.json").read_text())["model_type"] == "llama"
    assert json.loads((made / "generation_config.json").read_text())["eos_token_id"] == [2, 7]
    assert not list(made.glob("*.py")) and llama_folder(made, tmp_path / "not made") == made
