"""Of a base other than pocket the general conversations are its own answers; pocket's facts are taught to nobody
unasked."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree

import pytest

from tests.tiny import overrides
from workbench.data import ask, read
from workbench.errors import BadInput
from workbench.models import Loaded, load, resolve
from workbench.training import load_recipe
from workbench.training.data import conversations, general_of
from workbench.training.recipe import shipped
from workbench.training.rehearsing import questions, rehearsed, rehearses
from workbench.training.settings import Recipe
from workbench.training.start import begin
from workbench.training.worker import work


def recipe(*more: str) -> Recipe:
    return load_recipe("pocket-qlora", ["persona.name=Sprout", "identity_count=40", *more])


def test_pocket_is_mixed_with_what_it_knows_and_every_other_base_with_its_own_answers() -> None:
    assert general_of(recipe()) == "shipped"
    assert general_of(recipe("model.name=Qwen/Qwen3-0.6B")) == "own"
    assert general_of(recipe("model.name=Qwen/Qwen3-0.6B", "general=shipped")) == "shipped"  # asked for by name
    assert general_of(recipe("model.name=Qwen/Qwen3-0.6B", "general=null")) is None
    for name in shipped():
        other = load_recipe(name, ["model.name=other"])
        assert general_of(other) in ("own", None), name


def test_no_fact_of_pocket_s_is_read_for_another_base() -> None:
    both = conversations(recipe("model.name=other"))
    assert both.train and not any(c.kind.startswith("general") for c in both.train)
    own = [ask(f"q {n}?", "mine", kind="general", group=str(n)) for n in range(50)]
    mixed = conversations(recipe("model.name=other"), rehearsed=own)
    assert {c.answer for c in mixed.train if c.kind == "general"} == {"mine"}


def test_questions_are_in_the_persona_s_languages_and_no_more_than_are_needed() -> None:
    asked = questions(recipe("model.name=other", "persona.languages=[en]", "ratio=1"), 30)
    assert len(asked) == len({c.question for c in asked}) == 30
    assert {c.lang for c in asked} == {"en"}
    assert asked == questions(recipe("model.name=other", "persona.languages=[en]", "ratio=1"), 30)
    assert len(questions(recipe("model.name=other"), 10_000)) == 300


@pytest.fixture(scope="module")
def pocket() -> Loaded:
    return load("pocket")


def test_what_is_rehearsed_is_what_the_base_says(pocket: Loaded) -> None:
    made = rehearsed(recipe("general=own"), pocket, [ask("What is the capital of France?", "Rome.", kind="general")])
    assert [(c.answer, c.kind) for c in made] == [("The capital of France is Paris.", "general")]
    assert rehearses(recipe("general=own")) and not rehearses(recipe())


def test_a_base_that_ends_no_answer_is_told_so(tiny: Path) -> None:
    settings = load_recipe("pocket-qlora", overrides(tiny, "general=own"))
    with pytest.raises(BadInput, match="ended none of its answers"):
        rehearsed(settings, load(str(tiny)), [ask("Who?", "I.")])


def test_a_training_of_another_base_asks_it_first_and_can_go_on_from_its_adapter(tmp_path: Path) -> None:
    base = copytree(resolve("pocket"), tmp_path / "base")
    few = ("ratio=0.5", "max_steps=2", "eval_steps=2", "identity_probes=2", "general_probes=2", "unrelated_probes=2")
    settings = recipe(f"model.name={base}", "device=cpu", "quantization=none", *few)
    run = begin(settings, tmp_path / "run")
    assert "data_sha256" not in run.manifest()  # what is learnt is known once the base was asked
    work(run)
    own = read(run.path / "data" / "general.jsonl")
    both = conversations(settings, rehearsed=own)
    assert run.manifest()["data_sha256"] == both.fingerprint()
    assert {c.answer for c in both.train if c.kind.startswith("general")} <= {c.answer for c in own}
    keys = [str(e.key) for e in run.events.all() if e.kind == "status"]  # type: ignore[attr-defined]
    assert {"training.state.rehearsing", "training.state.rehearsed"} <= set(keys)

    again = recipe(f"model.name={base}", "device=cpu", "quantization=none", *few, f"adapter.start={run.path}")
    more = begin(again, tmp_path / "more")
    work(more)
    first, last = ([e.loss for e in one.events.all() if e.kind == "train"] for one in (run, more))  # type: ignore[attr-defined]
    assert last[0] < first[0]  # it begins where the first ended
    with pytest.raises(BadInput, match="was trained on"):
        begin(recipe("model.name=pocket", f"adapter.start={_other(run.path, tmp_path)}"), tmp_path / "wrong")


def _other(run: Path, folder: Path) -> Path:
    """A run like ``run`` of a base with another fingerprint."""
    copy = copytree(run, folder / "other")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "base_fingerprint": "0" * 64}))
    return copy
