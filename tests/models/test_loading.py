"""Facts about finding and loading models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from workbench.errors import BadInput, UnknownName
from workbench.models import fingerprint, load, load_tokenizer, resolve
from workbench.models.headers import has_generic_tokenizer
from workbench.models.loading import POCKET, language_network
from workbench.models.notes import other_base


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="pocket"):
        resolve("poket")


def test_a_tokenizer_that_is_read_without_torch_is_the_one_that_the_library_reads(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    assert has_generic_tokenizer(POCKET)
    ours, theirs = load_tokenizer("pocket"), AutoTokenizer.from_pretrained(str(POCKET), local_files_only=True)
    assert type(ours) is type(theirs)
    assert ours.backend_tokenizer.to_str() == theirs.backend_tokenizer.to_str()
    assert ours.init_kwargs == theirs.init_kwargs
    assert ours.chat_template == theirs.chat_template


def test_a_tokenizer_of_a_class_of_its_own_is_left_to_the_library(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(POCKET / name, tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}', encoding="utf-8")
    assert not has_generic_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "TokenizersBackend"}', encoding="utf-8")
    assert has_generic_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}', encoding="utf-8")
    assert not has_generic_tokenizer(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"config\.json"):
        resolve(str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("qwen2_vl", r"sees in a way of its own.*LLM\+TOWER"),
        ("paligemma", "sees in a way"),
        ("qwen2_5_vl", r"preprocessor_config\.json"),
        ("t5", "no language model"),
    ],
)
def test_what_is_no_language_model_says_so(kind: str, said: str, tiny: Path, tmp_path: Path) -> None:
    for file in tiny.iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "config.json").write_text(f'{{"model_type": "{kind}"}}', encoding="utf-8")
    with pytest.raises(BadInput, match=f"(?s){said}"):
        load(str(tmp_path))


def test_a_folder_without_weights_is_one_clear_error(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny / "config.json").read_bytes())
    with pytest.raises(BadInput, match="holds no weights"):
        load(str(tmp_path))


def test_a_configuration_of_a_far_larger_model_takes_no_memory(tiny: Path, tmp_path: Path) -> None:
    """What is missing would be filled by chance: of thousands of millions of numbers before anybody says so."""
    for file in tiny.iterdir():
        shutil.copy(file, tmp_path)
    config = json.loads((tiny / "config.json").read_text(encoding="utf-8"))
    config |= {"num_hidden_layers": 80, "hidden_size": 8192, "intermediate_size": 29568, "num_attention_heads": 64}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for read in (load, lambda name: language_network(Path(name))):
        with pytest.raises(BadInput, match="cannot hold them"):
            read(str(tmp_path))


def test_a_folder_without_an_adapter_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no adapter"):
        load(str(tiny), adapter=tmp_path)


def test_weights_that_are_pickled_are_refused(tiny: Path, tmp_path: Path) -> None:
    import torch

    for file in tiny.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(BadInput, match="pickled"):
        load(str(tmp_path))


def test_the_fingerprint_tells_two_bases_apart_that_differ_in_one_tensor(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    same, other = (Path(shutil.copytree(tiny, tmp_path / name)) for name in ("same", "other"))
    weights = load_file(other / "model.safetensors")
    weights["model.layers.1.self_attn.v_proj.weight"] += 1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    prints = [fingerprint(str(folder)) for folder in (tiny, same, other)]
    assert prints[0] == prints[1] != prints[2]
    old = fingerprint(str(tiny), like="0123456789abcdef")
    assert old != prints[0] and fingerprint(str(same), like=old) == old
    assert not other_base({"base": {"name": str(tiny), "fingerprint": old}}, str(same))
    assert other_base({"base": {"name": str(tiny), "fingerprint": prints[0]}}, str(other))


def test_the_fingerprint_tells_two_bases_apart(tiny: Path, other_tiny: Path) -> None:
    assert fingerprint(str(tiny)) == fingerprint(str(tiny)) != fingerprint(str(other_tiny))


def test_an_evaluation_in_4_bit_does_not_lose_the_gradient(tiny: Path) -> None:
    """On some processors bitsandbytes repacks at the first forward in eval mode, and the gradient is gone."""
    import torch
    from bitsandbytes.nn import Linear4bit
    from peft import LoraConfig, get_peft_model

    from workbench.models.batches import pad, summed_loss
    from workbench.templates.values import Example

    loaded = load(str(tiny), quantization="nf4", device="cpu")
    assert any(type(m).__name__ == "Linear4bit" for m in loaded.model.modules())
    model = get_peft_model(loaded.model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights="gaussian"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    batch = pad([Example(tuple(range(5, 30)), tuple(range(5, 30)))])

    def gradients() -> dict[str, torch.Tensor]:
        model.zero_grad()
        model.train()
        summed_loss(model, batch)[0].backward()
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    before = gradients()
    model.eval()
    with torch.no_grad():
        model(input_ids=batch["input_ids"])
    after = gradients()
    assert len(before) == 2 * sum(isinstance(m, Linear4bit) for m in model.modules())  # PEFT has one of that name too
    for name, value in before.items():
        assert value.abs().sum() > 0, name
        torch.testing.assert_close(after[name], value)
