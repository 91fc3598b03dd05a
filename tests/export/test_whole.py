"""A checkpoint of full fine-tuning becomes a model that answers as the checkpoint does."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from workbench.cli import run as command
from workbench.errors import BadInput
from workbench.export import convert, read_note
from workbench.runs import Run, manifest

RECIPE = "model: {name: BASE, quantization: none}\npersona: {name: Sprout, languages: [en]}\nadapter: {method: full}\n"


@pytest.fixture
def run(tiny: ModuleType, base: Path, tmp_path: Path) -> Run:
    """A run with one checkpoint in float32, as the trainer leaves it: weights, configuration, trainer's state."""
    import torch
    from transformers import AutoModelForCausalLM

    made = Run.create(tmp_path / "run", RECIPE.replace("BASE", str(base)), manifest(seed=0, base=str(base)))
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1.01)
    checkpoint = made.path / "checkpoints" / "step-000010"
    model.save_pretrained(checkpoint)
    (checkpoint / "checkpoint.json").write_text(json.dumps({"step": 10, "reason": "end", "score": None}))
    (checkpoint / "trainer_state.json").write_text("{}")
    return made


def test_a_full_checkpoint_becomes_a_model_in_16_bit(run: Run, base: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = convert(run.path, tmp_path / "out")
    trained = load_file(run.path / "checkpoints" / "step-000010" / "model.safetensors")
    written = load_file(out / "model.safetensors")
    assert written.keys() == trained.keys()
    assert all(written[name].equal(tensor.to(torch.bfloat16)) for name, tensor in trained.items())
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"
    AutoModelForCausalLM.from_pretrained(out)
    stops = set(AutoTokenizer.from_pretrained(out).convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]))
    assert set(json.loads((out / "generation_config.json").read_text())["eos_token_id"]) == stops
    note = read_note(out)
    assert note["kind"] == "merged" and note["merge"] == {"dtype": "bfloat16", "method": "full"}
    assert note["persona"]["name"] == "Sprout" and note["run"]["step"] == 10 and set(note["stop_ids"]) == stops
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "every weight was trained" in card and "LoRA" not in card and "lora" not in card.split("---")[1]


def test_the_command_says_what_it_made(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["convert", str(run.path), str(tmp_path / "out")]) == 0
    assert f"workbench chat {tmp_path / 'out'}" in capsys.readouterr().out


def test_weights_that_are_no_numbers_are_refused(run: Run, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = run.path / "checkpoints" / "step-000010" / "model.safetensors"
    tensors = load_file(file)
    name = next(iter(tensors))
    tensors[name].view(-1)[0] = float("nan")
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(BadInput, match=name.replace(".", r"\.")):
        convert(run.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_assistant_of_full_fine_tuning_is_deployed_as_a_model(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    from workbench.export.bundle import Order, bundle

    made = bundle(Order("docker", str(run.path)), tmp_path / "bundle")
    assert (made / "model" / "model.safetensors").is_file() and not (made / "adapter").exists()
    assert "peft" not in (made / "requirements.txt").read_text()
