"""Facts about recipes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from workbench.cli import run as command
from workbench.errors import BadSetting, UnknownName
from workbench.runs import Run
from workbench.texts import lookup
from workbench.training import check_recipe, load_recipe, recipe_yaml
from workbench.training.batches import plan_batches
from workbench.training.recipe import describe, recipe_of, setting_names, shipped
from workbench.training.worker import work


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_setting_is_described(lang: str) -> None:
    for name in setting_names():
        assert len(describe(name, lang)) > 5
    groups = {name.split(".")[0] for name in setting_names()}
    described = {f"{g}.{n}" for g in groups for n in lookup(f"settings.{g}", lang)} - {f"{g}.about" for g in groups}
    assert described == set(setting_names())


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_written_recipe_reads_back_the_same(name: str, lang: str) -> None:
    recipe = load_recipe(name)
    assert check_recipe(yaml.safe_load(recipe_yaml(recipe, lang))) == recipe


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("learnin_rate=1", "optimizer.learning_rate"),
        ("schedule.epochs=1", "num_train_epochs"),
        ("learning_rate=-1", "greater than 0"),
        ("learning_rate=nan", "finite"),
        ("r=abc", "integer"),
        ("name=x", "persona.name"),
        ("quantization=int8", "nf4"),
        ("seed", "key=value"),
    ],
)
def test_a_wrong_override_is_refused_and_the_right_one_named(override: str, said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        load_recipe("pocket-qlora", [override])


def test_a_number_in_scientific_notation_is_a_number() -> None:
    assert load_recipe("pocket-qlora", ["learning_rate=5e-4"]).optimizer.learning_rate == 5e-4


def test_a_name_that_looks_like_a_number_stays_a_name() -> None:
    assert load_recipe("pocket-qlora", ["persona.name='3000'"]).persona.name == "3000"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        *(("2024-13-45", "2024-13-45"), ("2024-12-24", "2024-12-24"), ("Ann #1", "Ann #1"), ("3000", "3000")),
        *(
            ("yes", "yes"),
            ("1e3", "1e3"),
            ("[x]", "[x]"),
            ("null", "null"),
            ('"a: b"', "a: b"),
            ("'quoted' so", "'quoted' so"),
        ),
    ],
)
def test_a_name_is_taken_as_it_stands(given: str, name: str) -> None:
    assert load_recipe("pocket-qlora", [f"persona.name={given}"]).persona.name == name


def test_null_stays_nothing_where_nothing_may_be() -> None:
    recipe = load_recipe("pocket-qlora", ["data.general=null", "data.train=my #1.jsonl", "model.template=~"])
    assert (recipe.data.general, recipe.data.train, recipe.model.template) == (None, "my #1.jsonl", None)


def test_a_group_that_is_no_group_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("adapter: lora\n")
    for overrides in ([], ["r=8"]):
        with pytest.raises(BadSetting, match="adapter") as caught:
            load_recipe(tmp_path / "a.yaml", overrides)
        assert "a.yaml" in str(caught.value)


@pytest.mark.parametrize(("content", "said"), [("", "empty"), ("model: [", "not YAML"), ("- a", "no settings")])
def test_a_run_whose_recipe_is_lost_says_so(tmp_path: Path, content: str, said: str) -> None:
    run = Run.create(tmp_path / "run", content)
    with pytest.raises(BadSetting, match=said) as caught:
        recipe_of(run)
    assert str(run.path / "recipe.yaml") in str(caught.value)
    for arguments in (["train", "--resume", "--out"], ["quickstart", "--resume", "--out"]):
        assert command([*arguments, str(run.path)]) == 2
    with pytest.raises(BadSetting, match=said):
        work(run)
    assert run.state().status == "failed"


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="pocket-qlora"):
        load_recipe("pocket-qora")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("model: [", "not YAML"),
        ("persona: {name: 2024-13-45}", "not YAML"),
        ("- a\n- b", "no settings"),
        ("modle: {}", "model"),
        ("model: {nam: x}", "model.name"),
    ],
)
def test_a_broken_file_is_one_clear_error(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(content)
    with pytest.raises(BadSetting, match=said) as caught:
        load_recipe(file)
    assert "broken.yaml" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 20_000,
        "model: " + "[" * 20_000 + "]" * 20_000,
        "a: " * 20_000,
        "model: {name: '" + "x" * 5_000_000 + "'}",
        "persona: {name: " + "x" * 900_000 + "}",
        "\n".join(f"k{i}: 1" for i in range(30_000)),
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]",
        "model: !!python/object/apply:os.system [true]",
        "data: {max_length: 2024-13-45}",
    ],
    ids=range(9),
)
def test_a_recipe_beyond_all_measure_is_a_sentence(text: str, tmp_path: Path, capsys) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    assert command(["train", str(file), "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "recipe.yaml" in said and len(said) < 2_000 and not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", ["/dev/zero", "pipe", "."])
def test_a_recipe_that_is_no_file_is_not_waited_for(place: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnknownName):
        load_recipe(tmp_path / place)


@pytest.mark.parametrize(
    "override",
    [
        "num_train_epochs=1e30", "num_train_epochs=1e5", "max_steps=1000000000000",
        "per_device_train_batch_size=1000000000",
        "gradient_accumulation_steps=1000000000", "identity_count=1000000000000", "max_new_tokens=1000000000000000",
        "identity_probes=1000000", "lora_alpha=1e12", "max_grad_norm=1e30", "eval_steps=1000000000000", "nproc=1000000",
        "save_total_limit=1000000000000", "early_stopping_patience=1000000000000", "max_length=1" + "0" * 400,
        "persona.name=" + "x" * 5_000, "max_steps=" + "[" * 20_000, "logging_steps=1000000000000",
    ],
)  # fmt: skip
def test_a_number_that_cannot_be_meant_is_refused_by_name(override: str) -> None:
    with pytest.raises(BadSetting) as caught:
        load_recipe("pocket-qlora", [override])
    assert override.split("=", maxsplit=1)[0].rpartition(".")[2] in str(caught.value) and len(str(caught.value)) < 1_000


def test_a_plan_of_more_batches_than_memory_holds_is_refused() -> None:
    with pytest.raises(BadSetting, match="cannot be meant"):
        plan_batches([10] * 1000, batch_size=1, epochs=1_000_000)
