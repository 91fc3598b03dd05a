"""Facts about recipes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from workbench.errors import BadSetting, UnknownName
from workbench.texts import lookup
from workbench.training import check_recipe, load_recipe, recipe_yaml
from workbench.training.recipe import describe, setting_names, shipped


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


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="pocket-qlora"):
        load_recipe("pocket-qora")


@pytest.mark.parametrize(
    ("content", "said"),
    [("model: [", "not YAML"), ("- a\n- b", "no settings"), ("modle: {}", "model"), ("model: {nam: x}", "model.name")],
)
def test_a_broken_file_is_one_clear_error(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(content)
    with pytest.raises(BadSetting, match=said) as caught:
        load_recipe(file)
    assert "broken.yaml" in str(caught.value)
