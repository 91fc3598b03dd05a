"""Every recipe for the embedded model really trains, and its checkpoint really converts."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.export import convert, read_note
from workbench.steps import ChatStep
from workbench.training import load_recipe, train
from workbench.training.recipe import shipped

FEW = ["max_steps=3", "eval_steps=3", "identity_probes=2", "general_probes=2", "unrelated_probes=2"]
FEW += ["identity_count=40"]
POCKET = [name for name in shipped() if name.startswith("pocket-")]


def texts(folder: Path) -> Path:
    file = folder / "texts.txt"
    words = [f"The {n}th garden has a wall of stone and a gate of oak, and {n} apple trees." for n in range(1, 40)]
    file.write_text("\n\n".join(words), encoding="utf-8")
    return file


def test_the_kinds_of_training_are_all_there() -> None:
    recipes = [load_recipe(name) for name in shipped()]
    assert {r.adapter.method for r in recipes} == {"lora", "adalora", "full"}
    assert {r.model.quantization for r in recipes} == {"none", "nf4"}
    assert {"all", "assistant"} <= {r.data.loss_on for r in recipes}
    families = ("internlm2-", "internlm2_5", "Qwen2.5", "Qwen3", "Llama-3", "pocket")
    assert all(any(family in r.model.name for r in recipes) for family in families)


@pytest.mark.slow
@pytest.mark.parametrize("name", POCKET)
def test_a_pocket_recipe_trains_talks_and_converts(name: str, tmp_path: Path) -> None:
    data = [f"data.train={texts(tmp_path)}"] if name == "pocket-pretrain" else ["persona.name=Sprout"]
    run = train(name, tmp_path / "run", overrides=[*FEW, *data])
    losses = [e.loss for e in run.events.all() if e.kind == "train"]  # type: ignore[attr-defined]
    assert len(losses) == 3 and all(loss is not None and loss < 12 for loss in losses)
    said = ChatStep(run, shown=("base", "step 3"), max_new_tokens=8).ask_whole("Who are you?")
    assert all(said.values()), said
    out = convert(run.path, tmp_path / "out")
    full = load_recipe(name).adapter.method == "full"
    assert read_note(out)["kind"] == ("merged" if full else "adapter")
    assert (out / ("model.safetensors" if full else "adapter_model.safetensors")).exists()
