"""A run or a checkpoint becomes an adapter that PEFT loads and that says how it was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from workbench.errors import BadInput, OutputExists, UnknownName
from workbench.export import Source, convert, merge, read_note
from workbench.runs import Run, manifest, set_best

FILE = "adapter_model.safetensors"
RECIPE = """
model: {name: BASE, quantization: nf4, template: null}
persona: {name: "芽 `Sprout`", author: "A. <Student>", languages: [zh, en]}
adapter: {r: 4, lora_alpha: 8}
"""


@pytest.fixture
def run(base: Path, adapter: Path, tmp_path: Path) -> Run:
    """A run with three checkpoints, the second of which is the best."""
    from safetensors.torch import load_file, save_file

    made = Run.create(tmp_path / "run", RECIPE.replace("BASE", str(base)), manifest(seed=0, base=str(base)))
    for step in (10, 20, 30):
        checkpoint = Path(shutil.copytree(adapter, made.path / "checkpoints" / f"step-{step:06d}"))
        weights = {name: tensor * step for name, tensor in load_file(adapter / FILE).items()}
        save_file(weights, checkpoint / FILE)
    set_best(made, made.checkpoints()[1], score=0.9, reason="it says its name")
    return made


def same_weights(a: Path, b: Path) -> bool:
    from safetensors.torch import load_file

    one, other = (load_file(folder / FILE) for folder in (a, b))
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def test_a_run_gives_its_best_checkpoint_and_says_so(run: Run, tmp_path: Path) -> None:
    told: list[Source] = []
    out = convert(run.path, tmp_path / "out", chosen=told.append)
    assert same_weights(out, run.path / "checkpoints" / "step-000020")
    assert (told[0].chosen, told[0].step, told[0].reason) == ("best", 20, "it says its name")
    assert read_note(out)["run"] == {"name": "run", "step": 20, "score": 0.9, "reason": "it says its name"}


def test_a_run_without_a_best_gives_its_latest(run: Run, tmp_path: Path) -> None:
    (run.path / "best.json").unlink()
    told: list[Source] = []
    out = convert(run.path, tmp_path / "out", chosen=told.append)
    assert same_weights(out, run.path / "checkpoints" / "step-000030")
    assert (told[0].chosen, told[0].step) == ("latest", 30)


def test_a_checkpoint_gives_itself(run: Run, tmp_path: Path) -> None:
    out = convert(run.path / "checkpoints" / "step-000010", tmp_path / "out")
    assert same_weights(out, run.path / "checkpoints" / "step-000010")
    assert read_note(out)["run"] == {"name": "run", "step": 10}
    assert read_note(out)["persona"]["author"] == "A. <Student>"


def test_the_folder_holds_all_that_serving_needs(run: Run, base: Path, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer, GenerationConfig

    from workbench.templates.registry import get

    out = convert(run.path, tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(out)
    stops = set(tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]))
    assert set(GenerationConfig.from_pretrained(out).eos_token_id) == stops
    assert AutoPeftModelForCausalLM.from_pretrained(out).active_peft_config.base_model_name_or_path == str(base)
    note = read_note(out)
    assert set(note["stop_ids"]) == stops
    assert note["template"] == {"name": None, "fingerprint": get(None, tokenizer).fingerprint(tokenizer)}
    assert note["recipe"]["r"] == 4 and note["recipe"]["quantization"] == "nf4"


def test_the_card_shows_a_persona_as_text(run: Run, tmp_path: Path) -> None:
    card = (convert(run.path, tmp_path / "out") / "README.md").read_text(encoding="utf-8")
    assert "芽 \\`Sprout\\`" in card and "A. &lt;Student&gt;" in card
    assert 'language: ["zh", "en"]' in card and "step 20" in card


def test_the_pocket_models_folder_is_called_pocket(
    tiny: ModuleType, base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import workbench.models.loading

    monkeypatch.setattr(workbench.models.loading, "POCKET", base)
    out = convert(adapter, tmp_path / "out")  # PEFT noted the folder that it had loaded the base from
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == "pocket"
    assert read_note(out)["base"]["name"] == "pocket"


def test_a_converted_adapter_merges_and_keeps_its_story(run: Run, base: Path, tmp_path: Path) -> None:
    merged = merge(str(base), convert(run.path, tmp_path / "adapter"), tmp_path / "merged")
    note = read_note(merged)
    assert note["persona"]["name"] == "芽 `Sprout`"
    assert note["template"] == read_note(tmp_path / "adapter")["template"]
    assert note["run"]["step"] == 20 and note["kind"] == "merged"


def test_a_converted_adapter_converts_again(run: Run, tmp_path: Path) -> None:
    once = convert(run.path, tmp_path / "once")
    again = convert(once, tmp_path / "again")
    assert same_weights(once, again)
    assert read_note(again)["run"] == read_note(once)["run"]


def test_a_named_template_is_kept_with_its_stop_words(run: Run, tmp_path: Path) -> None:
    recipe = run.path / "recipe.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("template: null", "template: qwen_chat"))
    note = read_note(convert(run.path, tmp_path / "out"))
    assert note["template"]["name"] == "qwen_chat"


def test_a_checkpoint_that_does_not_fit_its_base_is_refused(tiny: ModuleType, run: Run, tmp_path: Path) -> None:
    wide = tiny.save_base(tmp_path / "wide", hidden_size=64)
    tiny.save_adapter(wide, tmp_path / "other")
    checkpoint = run.path / "checkpoints" / "step-000020"
    shutil.rmtree(checkpoint)
    shutil.copytree(tmp_path / "other", checkpoint)
    with pytest.raises(BadInput, match="does not fit"):
        convert(run.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_untrained_checkpoint_is_refused(tiny: ModuleType, base: Path, tmp_path: Path) -> None:
    tiny.save_adapter(base, tmp_path / "zero", strength=0.0)
    with pytest.raises(BadInput, match="changes nothing"):
        convert(tmp_path / "zero", tmp_path / "out")


def test_a_run_whose_recipe_is_torn_still_converts(run: Run, tmp_path: Path) -> None:
    (run.path / "recipe.yaml").write_text("model: [", encoding="utf-8")
    (run.path / "manifest.json").write_text('{"bas', encoding="utf-8")
    assert same_weights(convert(run.path, tmp_path / "out"), run.path / "checkpoints" / "step-000020")


def test_what_is_no_checkpoint_is_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="nowhere"):
        convert(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(BadInput, match="neither a run folder nor a checkpoint"):
        convert(tmp_path, tmp_path / "out")
    shutil.rmtree(run.path / "checkpoints")
    with pytest.raises(BadInput, match="no finished checkpoint"):
        convert(run.path, tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises((OutputExists, BadInput)):
        convert(run.path, tmp_path / "full")
