"""The steps after a real training: export and chat, on the tiny model."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from workbench.errors import BadInput, Interrupted, UnknownName
from workbench.runs import Run
from workbench.steps import ChatStep, ExportStep, Project, TrainStep


def test_what_was_started_is_told_and_judged(trained: Run) -> None:
    step = TrainStep(out=trained.path)
    step.poll()
    assert [at for at, _ in step.history.train] == [1, 2, 3, 4, 5, 6]
    assert step.best_step() in [checkpoint.step for checkpoint in step.checkpoints()]
    assert "小芽" in trained.recipe_text()


@pytest.mark.slow
def test_a_checkpoint_becomes_an_adapter_and_a_model_and_they_are_compared(trained: Run, tmp_path: Path) -> None:
    step = ExportStep(trained, adapter=str(tmp_path / "a"), merged=str(tmp_path / "m"), questions=("Who are you?",))
    told: list[tuple[str, int, int]] = []
    found = step.everything(lambda *at: told.append(at))
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == ["convert", "merge", "honesty"]
    assert max(done for stage, done, _ in told if stage == "merge") == max(total for _, _, total in told) > 0
    assert set(step.made()) == {"adapter", "merged"}
    assert found.reference == found.of("merged").answers or not found.merged_matches_adapter


def test_what_is_merged_is_what_was_chosen_when_it_began(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, seen = ExportStep(trained, adapter=str(tmp_path / "a"), merged=str(tmp_path / "m")), []
    monkeypatch.setattr("workbench.export.convert", lambda *given, **_: seen.append(given[1]))
    monkeypatch.setattr(ExportStep, "base", lambda _: "tiny")
    monkeypatch.setattr("workbench.export.merge", lambda *given, **_: seen.append(given[1:]))
    monkeypatch.setattr(ExportStep, "honesty", lambda one: seen.append((one.adapter, one.merged)))
    step.everything(lambda stage, *_: step.change(adapter=str(tmp_path / stage)))
    places = tmp_path / "a", tmp_path / "m"
    assert seen == [places[0], places, places]
    assert step.honest is None


def test_another_checkpoint_than_the_best_can_be_taken(trained: Run, tmp_path: Path) -> None:
    first = trained.checkpoints()[0]
    step = ExportStep(trained, checkpoint=first.step, adapter=str(tmp_path / "a"))
    step.convert()
    assert step.made()["adapter"]["run"]["step"] == first.step


def test_a_step_that_has_no_checkpoint_is_refused_with_those_there_are(trained: Run) -> None:
    with pytest.raises(BadInput, match="3"):
        ExportStep(trained, checkpoint=5).source()


def test_a_cancelled_merge_leaves_nothing_half_made(trained: Run, tmp_path: Path) -> None:
    step = ExportStep(trained, adapter=str(tmp_path / "a"), merged=str(tmp_path / "m"))
    step.convert()
    with pytest.raises(Interrupted):
        step.merge(lambda *_: step.cancel())
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_without_a_run_the_export_says_what_is_missing() -> None:
    with pytest.raises(BadInput, match="No run"):
        ExportStep().source()


def test_models_of_a_run_are_base_best_and_every_checkpoint(trained: Run) -> None:
    step = ChatStep(trained)
    assert step.labels[:2] == ["base", "best"]
    assert f"step {trained.checkpoints()[0].step}" in step.labels
    assert step.settings.shown == ("base", "best")
    assert step.label_text("step 3", "zh") == "第 3 步的检查点"


def test_a_merged_model_is_no_longer_offered_when_the_training_went_on_to_a_better_checkpoint(
    trained: Run, tmp_path: Path
) -> None:
    run = Run(shutil.copytree(trained.path, tmp_path / "run"))
    best = run.best()
    assert best is not None
    merged = run.path / "merged"
    merged.mkdir()
    came = best.path.stat().st_mtime_ns
    for step, later, offered in ((best.step, -1, True), (best.step - 1, -1, False), (best.step - 1, 1, True)):
        (merged / "workbench.json").write_text(json.dumps({"run": {"step": step}}), encoding="utf-8")
        os.utime(merged / "workbench.json", ns=(came + later, came + later))
        chat = ChatStep(run)
        assert ("merged" in chat.labels) is offered
        assert chat.settings.shown == ("base", "merged" if offered else "best")
    (merged / "workbench.json").write_text('{"run": null}', encoding="utf-8")  # a note of somebody else's
    assert "merged" in ChatStep(run).labels


def test_a_model_that_was_merged_anew_is_loaded_anew(trained: Run, tmp_path: Path) -> None:
    first, last = trained.checkpoints()[0], trained.checkpoints()[-1]
    export = ExportStep(trained, adapter=str(tmp_path / "a"), merged=str(tmp_path / "m"))
    chat = ChatStep({"merged": tmp_path / "m"})
    loaded = []
    for checkpoint in (first, last):
        export.change(checkpoint=checkpoint.step)
        export.convert(), export.merge()
        loaded.append(chat.load("merged"))
        assert chat.load("merged") is loaded[-1]
    assert loaded[0] is not loaded[1]


def test_what_another_step_made_is_taken_over_for_the_same_run_alone(trained: Run, tmp_path: Path) -> None:
    made = ExportStep(trained, checkpoint=3)
    made.honest = object()  # type: ignore[assignment]
    same, other = ExportStep(trained), ExportStep(tmp_path / "other")
    told: list[str] = []
    for step in (same, other):
        step.subscribe(told.append)
        step.adopt(made)
    assert (same.settings, same.honest, told) == (made.settings, made.honest, ["settings", "merged"])
    assert (other.settings.checkpoint, other.honest) == (None, None)


def test_answers_come_in_pieces_of_each_model_in_turn(trained: Run) -> None:
    step = ChatStep(trained, max_new_tokens=6)
    pieces = list(step.ask("Who are you?"))
    assert {label for label, _ in pieces} == {"base", "best"}
    joined = {label: "".join(piece for one, piece in pieces if one == label) for label in ("base", "best")}
    assert joined == step.answers
    assert step.answers["base"] == step.load("base").ask("Who are you?", max_new_tokens=6)


def test_the_same_seed_draws_the_same_answer(trained: Run) -> None:
    step = ChatStep(trained, max_new_tokens=8, temperature=1.0, seed=3)
    assert step.ask_whole("Hi") == step.ask_whole("Hi")


def test_a_cancelled_answer_ends_and_the_next_question_is_free(trained: Run) -> None:
    step = ChatStep(trained, max_new_tokens=32)
    stream = step.ask("Who are you?")
    next(stream)
    assert step.answering
    with pytest.raises(BadInput, match="still"):
        next(step.ask("Another?"))
    step.cancel()
    assert len(list(stream)) <= 2
    assert not step.answering


def test_an_empty_question_and_an_unknown_model_are_refused(trained: Run) -> None:
    step = ChatStep(trained)
    with pytest.raises(BadInput, match="no question"):
        list(step.ask("  "))
    with pytest.raises(UnknownName, match="base"):
        step.change(shown=("bse",))
    step.change(shown=())
    with pytest.raises(BadInput, match="Nobody"):
        step.ask_whole("Who are you?")
    with pytest.raises(BadInput, match="Nobody"):
        step.ask_all_probes()


def test_all_probes_are_those_of_the_run_scored_by_model(trained: Run) -> None:
    step = ChatStep(trained)
    told: list[tuple[int, int]] = []
    rows = step.ask_all_probes(lambda *at: told.append(at))
    assert told[-1] == (len(rows) * 2, len(rows) * 2)
    assert {row.kind for row in rows} == {"identity", "general", "unrelated"}
    known = [row.right["base"] for row in rows if row.kind == "general"]
    assert set(known) <= {True, None}  # what the base does not know tells nothing of what was kept
    assert set(step.scores()) == {"base", "best"}


def test_a_project_finds_its_persona_and_its_run_again(tiny: Path, tmp_path: Path, trained: Run) -> None:
    project = Project(tmp_path / "mine", "zh")
    project.data.change(name="阿青", ratio=2.0)
    project.train.set("learning_rate", 5e-4)
    project.save()
    assert project.train.recipe.persona.name == "阿青"
    again = Project(tmp_path / "mine", "zh")
    assert (again.data.settings.name, again.data.settings.ratio) == ("阿青", 2.0)
    assert again.train.recipe.optimizer.learning_rate == 5e-4
    again.train.attach(trained)
    assert again.export.settings.run == str(trained.path)
    assert again.chat.labels[:2] == ["base", "best"]


def test_a_changed_persona_goes_on_to_the_training(tmp_path: Path) -> None:
    project = Project(tmp_path / "mine")
    project.data.change(name="Moss")
    assert project.train.recipe.persona.name == "Moss"
    project.data.undo()
    assert project.train.recipe.persona.name != "Moss"


@pytest.mark.parametrize("which", ["export", "chat", "train", "data", "template"])
def test_every_step_writes_code_that_python_reads(trained: Run, tmp_path: Path, which: str) -> None:
    project = Project(tmp_path / "mine", "en")
    project.train.attach(trained)
    compile(project.steps[which].code(), which, "exec")
