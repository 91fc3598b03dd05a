"""Every recipe for the embedded model really trains, and its checkpoint really converts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workbench.data import write
from workbench.export import convert, read_note
from workbench.models import sight
from workbench.runs import claim
from workbench.steps import ChatStep
from workbench.tools.rows import tool_rows
from workbench.training import load_recipe, train
from workbench.training.recipe import shipped

FEW = ["max_steps=3", "eval_steps=3", "identity_probes=2", "general_probes=2", "unrelated_probes=2"]
FEW += ["identity_count=40"]
POCKET = [name for name in shipped() if name.startswith("pocket-")]


def kind(name: str) -> tuple[str, ...]:
    """What of a recipe decides which code runs; the sizes of one family have it in common."""
    r = load_recipe(name)
    return family(r.model.name), r.adapter.method, r.model.quantization, r.optimizer.optim, r.data.loss_on


def family(model: str) -> str:
    """The architecture in transformers; InternLM's in the Llama format."""
    return "qwen2" if "Qwen2" in model else "qwen3" if "Qwen3" in model else "llama"


SEEING = ("-llava-", "smolvlm", "-vl-")  # tried with towers and models of their own in test_ready_runs.py
WORDS = [name for name in shipped() if name not in POCKET and not any(part in name for part in SEEING)]
LARGE = list({kind(name): name for name in WORDS}.values())
# of what the large ones say: where they look for weights and words, and what takes a small model long
SMALL = ["model.template=null", "data.general=null", "max_length=200", "max_new_tokens=4", "device=cpu"]
SMALL += ["per_device_train_batch_size=2", "gradient_accumulation_steps=2", "max_steps=2", "eval_steps=1"]


def texts(folder: Path) -> Path:
    file = folder / "texts.txt"
    words = [f"The {n}th garden has a wall of stone and a gate of oak, and {n} apple trees." for n in range(1, 40)]
    file.write_text("\n\n".join(words), encoding="utf-8")
    return file


def test_the_kinds_of_training_are_all_there() -> None:
    recipes = [load_recipe(name) for name in shipped()]
    assert {r.adapter.method for r in recipes} == {"lora", "adalora", "full", "none"}
    assert {r.model.quantization for r in recipes} == {"none", "nf4"}
    assert {"all", "assistant"} <= {r.data.loss_on for r in recipes}
    families = ("internlm2-", "internlm2_5", "Qwen2.5", "Qwen3", "Llama-3", "pocket")
    assert all(any(family in r.model.name for r in recipes) for family in families)


@pytest.mark.slow
@pytest.mark.parametrize("name", POCKET)
def test_a_pocket_recipe_trains_talks_and_converts(name: str, tmp_path: Path) -> None:
    data = [f"data.train={texts(tmp_path)}"] if name == "pocket-pretrain" else ["persona.name=Sprout"]
    if name == "pocket-agent":
        write(tool_rows("calculator", 60), tmp_path / "calls.jsonl")
        data = [f"data.train={tmp_path / 'calls.jsonl'}"]
    if "-llava-" in name:
        if not (sight.WEIGHTS / "config.json").is_file():
            pytest.skip("the embedded tower is not built: python -m workbench.models.sight.build")
        data = ["persona.name=Sprout", "vision.drawn=60"]
    run = train(name, tmp_path / "run", overrides=[*FEW, *data])
    losses = [e.loss for e in run.events.all() if e.kind == "train"]  # type: ignore[attr-defined]
    assert len(losses) == 3 and all(loss is not None and loss < 12 for loss in losses)
    said = ChatStep(run, shown=("base", "step 3"), max_new_tokens=8).ask_whole("Who are you?")
    assert all(said.values()), said
    out = convert(run.path, tmp_path / "out")
    full = load_recipe(name).adapter.method == "full"
    assert read_note(out)["kind"] == ("merged" if full else "adapter")
    assert (out / ("model.safetensors" if full else "adapter_model.safetensors")).exists()


@pytest.fixture(scope="module")
def bases(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny model of each architecture that the large recipes train."""
    from transformers import AutoConfig, AutoModelForCausalLM, Qwen2Config, Qwen3Config

    settings = AutoConfig.from_pretrained(tiny).to_dict()
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "max_position_embeddings")
    shape = {name: settings[name] for name in (*names, "eos_token_id", "pad_token_id")}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
    made = {"llama": tiny}
    for name, kind in (("qwen2", Qwen2Config), ("qwen3", Qwen3Config)):
        folder = made[name] = Path(shutil.copytree(tiny, tmp_path_factory.mktemp(name) / "base"))
        AutoModelForCausalLM.from_config(kind(**shape, **heads)).save_pretrained(folder)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_large_recipe_trains_stops_and_goes_on_with_a_small_model(
    name: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    """With its own adapter, optimizer, schedule and checkpointing."""
    base = bases[family(load_recipe(name).model.name)]
    data = [f"data.train={texts(tmp_path)}"] if "pretrain" in name else ["persona.name=Sprout", "identity_count=40"]
    overrides = [f"model.name={base}", *SMALL, *FEW[2:5], *data]
    run = train(name, tmp_path / "run", overrides=overrides)
    losses = [e.loss for e in run.events.all() if e.kind == "train"]  # type: ignore[attr-defined]
    assert run.state().status == "ended" and len(losses) == 2
    for file in (run.path / "checkpoints").glob("step-*2"):
        shutil.rmtree(file)
    with claim(run, resume_from=1) as worker:  # as one that was killed before its last step
        worker.finish("stopped")
    again = train(name, run.path, overrides=overrides, resume=True)
    assert [e.loss for e in again.events.all() if e.kind == "train"] == losses  # type: ignore[attr-defined]
    assert (convert(again.path, tmp_path / "out") / "workbench.json").exists()
