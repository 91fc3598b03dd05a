"""The step of the training: settings, the run in its folder, events in bounded memory, recordings."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.data import Persona
from workbench.errors import BadInput, BadSetting, UnknownName
from workbench.runs import Run, State
from workbench.steps import History, TrainStep, fields
from workbench.steps.train import latest, next_free
from workbench.training.recipe import setting_names

Recorded = Callable[..., Run]


def test_every_setting_of_a_recipe_has_a_field_with_words_in_both_languages() -> None:
    assert [one.key for one in fields()] == setting_names()
    assert all(one.words("en")["does"] and one.words("zh")["does"] for one in fields())


def test_what_a_field_writes_it_reads_again() -> None:
    recipe = TrainStep().recipe.model_dump()
    for one in fields():
        value = recipe[one.group][one.name]
        if one.kind not in ("yes_no", "choice") and value is not None:
            read = one.read(one.write(value))
            assert read == value or (one.kind == "list" and read == [value]), one.key


def test_settings_are_given_short_in_full_by_group_or_as_a_persona() -> None:
    step = TrainStep(settings={"learning_rate": 2e-3, "adapter.r": 4, "persona": Persona("小芽", languages=("zh",))})
    assert (step.recipe.optimizer.learning_rate, step.recipe.adapter.r) == (2e-3, 4)
    assert (step.recipe.persona.name, step.recipe.persona.languages) == ("小芽", ["zh"])


def test_a_wrong_setting_leaves_the_others_as_they_were() -> None:
    step = TrainStep(settings={"r": 4})
    with pytest.raises(BadSetting, match="learning_rate"):
        step.set("learning_rat", 1.0)
    with pytest.raises(BadSetting, match="learning_rate"):
        step.set("learning_rate", -1.0)
    assert dict(step.settings.values) == {"adapter.r": 4}


def test_an_unknown_recipe_is_refused_at_once() -> None:
    with pytest.raises(UnknownName, match="pocket-qlora"):
        TrainStep("pocket-qlor")


def test_a_step_finds_the_latest_run_of_its_folder_again(recorded: Recorded, tmp_path: Path) -> None:
    recorded("first")
    recorded("first-2")
    step = TrainStep(out=tmp_path / "first")
    assert step.run is not None
    assert step.run.name == "first-2"
    assert next_free(tmp_path / "first").name == "first-3"
    assert latest(tmp_path / "other") is None


def test_polling_brings_each_event_once_into_the_history(recorded: Recorded) -> None:
    run = recorded()
    step = TrainStep(out=run.path)
    assert step.poll() != []
    assert step.poll() == []
    assert step.history.train[0] == (1, 3.0)
    assert step.history.held_out == [(0, 3.1), (4, 1.9), (8, 2.4)]
    assert step.history.total_steps == 8
    assert step.history.verdict is not None
    assert step.history.verdict.verdict == "overfitting"


def test_what_a_resumed_run_takes_back_is_taken_back_here(recorded: Recorded) -> None:
    step = TrainStep(out=recorded().path)
    step.poll()
    assert step.run is not None
    step.run.events.append("status", state="resumed", step=4)
    step.poll()
    assert step.history.step == 4
    assert list(step.history.samples) == [0, 4]


def test_nothing_is_resumed_where_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        TrainStep(out=tmp_path / "none").resume()


def test_a_reset_looks_away_from_the_run_and_keeps_its_folder(recorded: Recorded) -> None:
    step = TrainStep(out=recorded().path)
    step.poll()
    step.reset()
    assert (step.run, step.history, step.state().status) == (None, History(), "new")
    assert step.attach().events.all()


def test_a_reset_keeps_the_run_that_still_works(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded()
    monkeypatch.setattr(Run, "state", lambda _: State("running", 3, 8))
    step = TrainStep(out=run.path)
    step.reset()
    assert step.run is not None and step.run.path == run.path
    assert step.busy
    with pytest.raises(BadInput, match="already works"):
        step.start()


def test_a_recording_is_played_in_its_order_and_ends(recorded: Recorded, tmp_path: Path) -> None:
    step = TrainStep(out=tmp_path / "none")
    run = step.replay(recorded(), speed=1e9)
    assert step.replaying
    seen = [event for _ in range(3) for event in step.poll()]
    assert seen == run.events.all()
    assert step.state().status == "ended"
    assert step.best_step() == 4


def test_a_speed_that_is_none_is_refused_and_nothing_is_shown(recorded: Recorded, tmp_path: Path) -> None:
    step = TrainStep(out=tmp_path / "none")
    with pytest.raises(BadSetting, match="above 0"):
        step.replay(recorded(), speed=0)
    assert step.run is None


def test_a_recording_can_be_stopped(recorded: Recorded, tmp_path: Path) -> None:
    step = TrainStep(out=tmp_path / "none")
    step.replay(recorded(), speed=1e-9)
    step.poll()
    assert step.busy
    step.stop()
    assert not step.busy


def test_a_long_run_takes_bounded_memory() -> None:
    from workbench.runs.events import EvalEvent, SampleEvent, TrainEvent

    history = History()
    tracemalloc.start()
    for step in range(1, 15_001):  # an hour at four steps a second
        history.add([TrainEvent(kind="train", time=0.0, seq=step, step=step, loss=1.0)])
        if step % 10 == 0:
            answers = [
                SampleEvent(kind="sample", time=0.0, seq=step, step=step, question=f"q{i}", answer="a" * 200)
                for i in range(10)
            ]
            history.add([EvalEvent(kind="eval", time=0.0, seq=step, step=step, loss=1.0, identity=0.5), *answers])
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 5e6
    assert history.train[0][0] == 1
    assert history.train[-1][0] == 15_000


def test_the_parts_of_a_score_are_gathered_and_taken_back_by_a_resumed_run() -> None:
    from workbench.runs.events import EvalEvent, StatusEvent

    history = History()
    for step, share in ((0, 0.0), (10, 0.5), (20, 0.75)):
        more = {"formed": share, "calls": share / 2, "picture": None, "title": "?"}
        history.add([EvalEvent(kind="eval", time=0.0, seq=step, step=step, more=more)])
    assert history.parts == {"formed": [(0, 0.0), (10, 0.5), (20, 0.75)], "calls": [(0, 0.0), (10, 0.25), (20, 0.375)]}
    history.add([StatusEvent(kind="status", time=0.0, seq=30, step=10, state="resumed")])
    assert history.parts["formed"] == [(0, 0.0), (10, 0.5)]


def test_its_code_says_what_differs_from_the_recipe(tmp_path: Path) -> None:
    step = TrainStep("pocket-qlora", tmp_path / "first", settings={"r": 4, "persona": Persona("小芽")})
    code = step.code()
    assert "adapter={'r': 4}" in code
    assert "小芽" in code
    compile(code, "code", "exec")
    assert TrainStep("pocket-qlora", tmp_path / "x").code().count("load_recipe") == 0


def test_settings_written_as_on_a_command_line_get_their_types() -> None:
    written = {"learning_rate": "5e-3", "num_train_epochs": "6", "languages": "[zh]", "eval_steps": "null"}
    recipe = TrainStep(settings=written).recipe
    assert (recipe.optimizer.learning_rate, recipe.schedule.num_train_epochs) == (5e-3, 6)
    assert (recipe.persona.languages, recipe.evaluation.eval_steps) == (["zh"], None)
