"""The five steps over one folder: what one hands to another, what is kept, what stays where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recordings import record
from workbench.data import Persona, ask, identity_set, read, write
from workbench.errors import BadSetting
from workbench.steps import DataStep, Project
from workbench.steps.step import Further
from workbench.training import load_recipe


def test_mending_leaves_the_file_alone_and_can_be_taken_back(tmp_path: Path) -> None:
    project = Project(tmp_path, "en")
    for name in ("own", "mended"):
        source = tmp_path / "data" / f"{name}.jsonl"
        source.parent.mkdir(exist_ok=True)
        write([*identity_set(Persona("Sprout"), 21), ask("Who?", "")], source, overwrite=True)
        project.data.change(file=str(source))
        project.data.mend("empty_turn")
        handed = project.train.recipe.data.train
        assert len(read(handed)) == 21 and handed != str(source)
        assert len(read(source)) == 22
        project.data.undo()
        assert (len(project.data.make().own), project.train.recipe.data.train) == (22, str(source))


def test_undo_and_reset_of_the_training_keep_the_persona_and_the_mixture(tmp_path: Path) -> None:
    project = Project(tmp_path, "en")
    project.data.change(name="One")
    project.train.set("learning_rate", 5e-4)
    project.data.change(name="Two", ratio=2.0)
    project.train.undo()
    recipe = project.train.recipe
    assert (recipe.persona.name, recipe.data.ratio) == ("Two", 2.0)
    assert recipe.optimizer.learning_rate != 5e-4
    assert not project.train.can_undo
    project.train.reset()
    assert (project.train.recipe.persona.name, project.train.recipe.data.ratio) == ("Two", 2.0)


def test_undo_and_reset_of_the_export_keep_the_run_that_was_handed_over(tmp_path: Path) -> None:
    project = Project(tmp_path, "en")
    run = record(tmp_path / "runs" / "first")
    project.export.change(max_shard_size="1GB")
    project.train.attach(run)
    project.export.change(merged=str(tmp_path / "m"))
    for _ in range(2):
        assert project.export.undo()
        assert project.export.settings.run == str(run.path)
    assert not project.export.undo()
    project.export.reset()
    assert project.export.settings.run == str(run.path)


def test_the_recipe_and_what_the_trainings_form_says_are_found_again(tmp_path: Path) -> None:
    project = Project(tmp_path, "en")
    project.train.change(recipe="pocket-overfit")
    for key, value in {"data.ratio": 1.0, "persona.name": "Changed", "learning_rate": 5e-4}.items():
        project.train.set(key, value)
    project.data.change(seed=7)
    project.save()
    for one in (project, Project(tmp_path, "en")):
        recipe = one.train.recipe
        assert one.train.settings.recipe == "pocket-overfit"
        assert (recipe.data.ratio, recipe.persona.name, recipe.runtime.seed) == (1.0, "Changed", 7)
        assert recipe.optimizer.learning_rate == 5e-4
        assert one.data.settings.ratio == 0.0  # the recipe's; the form says otherwise
    project.data.change(name="Latest")
    assert project.train.recipe.persona.name == "Latest"


def test_what_cannot_be_read_again_is_as_at_first(tmp_path: Path) -> None:
    (tmp_path / "project.json").write_text('{"data": {"colour": 1}, "train": {"recipe": "gone", "settings": {"r": 4}}}')
    project = Project(tmp_path, "en")
    assert project.train.settings.recipe == "pocket-qlora"
    assert project.train.recipe.adapter.r == 4


def test_what_training_would_refuse_is_refused_where_it_is_given(tmp_path: Path) -> None:
    project = Project(tmp_path, "en")
    before = project.data.settings
    for bad in ({"ratio": -1.0}, {"seed": -1}, {"count": 0}):
        with pytest.raises(BadSetting, match=r"seed|ratio|identity_count"):
            project.data.change(name="Moss", **bad)
        assert project.data.settings == before
        assert project.train.recipe.persona.name == before.name


def test_the_recipe_says_where_general_conversations_come_from(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("model: {name: pocket}\ndata: {general: null}\n", encoding="utf-8")
    for recipe, source in ((str(file), None), ("pocket-qlora", "auto")):
        project = Project(tmp_path / "project", recipe=recipe)
        assert project.data.settings.general == source == project.train.recipe.data.general


def test_the_conversations_begin_as_the_recipe_says(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "model: {name: pocket}\npersona: {name: Sprout, author: Lin, languages: [en]}\n"
        f"data: {{train: {rows}, ratio: 1.5, identity_count: 70}}\nruntime: {{seed: 3}}\n",
        encoding="utf-8",
    )
    project = Project(tmp_path / "project", recipe=str(file))
    s, recipe = project.data.settings, load_recipe(str(file))
    assert (s.name, s.author, s.languages, s.file) == ("Sprout", "Lin", ("en",), str(rows))
    assert (s.ratio, s.count, s.seed) == (1.5, 70, 3)
    assert project.train.recipe == recipe == project.train.chosen
    shipped = load_recipe("pocket-qlora").data
    assert Project(tmp_path / "shipped").train.recipe.data == shipped


def test_another_recipe_brings_its_mixture_but_keeps_what_was_changed(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.data.change(name="Moss", count=90)
    project.train.change(recipe="pocket-llava-finetune")
    first, second = load_recipe("pocket-qlora").data, load_recipe("pocket-llava-finetune").data
    assert (project.data.settings.count, project.data.settings.ratio) == (90, second.ratio)
    assert project.train.recipe.data.ratio == second.ratio != first.ratio
    assert project.train.recipe.data.identity_count == 90 and project.train.recipe.persona.name == "Moss"
    project.save()
    again = Project(tmp_path / "project")
    assert again.data.settings == project.data.settings and again.train.recipe == project.train.recipe
    again.train.change(recipe="pocket-qlora")
    assert (again.data.settings.count, again.train.recipe.data.ratio) == (90, first.ratio)
    again.train.set("data.ratio", 2.5)
    again.train.change(recipe="pocket-llava-finetune")
    assert (again.data.settings.ratio, again.train.recipe.data.ratio) == (second.ratio, 2.5)
    again.train.undo()
    assert (again.data.settings.ratio, again.train.recipe.data.ratio) == (first.ratio, 2.5)
    again.train.undo()
    assert again.train.recipe.data.ratio == first.ratio
    project.train.undo()
    assert project.data.settings.ratio == first.ratio == project.train.recipe.data.ratio
    project.train.change(recipe="pocket-overfit")
    project.reset()
    assert project.data.settings.ratio == first.ratio and project.train.recipe.data == first


def test_one_more_step_stands_where_it_wants_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (
        Further("again", "train", lambda project: DataStep(lang=project.lang)),
        Further("look", "again", lambda _: DataStep()),
    )
    monkeypatch.setattr("workbench.steps.project._further", lambda: steps)
    project = Project(tmp_path, "en")
    assert list(project.steps) == ["data", "template", "train", "again", "look", "export", "chat"]
    project.steps["again"].change(name="One")
    project.reset()
    assert project.steps["again"].settings.name != "One"
