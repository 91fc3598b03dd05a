"""The panels after a training: convert and merge, before and after, and all five in one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import pytest

from tests.data.pictured import png
from tests.waiting import until
from workbench.errors import UnknownName
from workbench.runs import Run, checkpoint_writer
from workbench.steps import Project
from workbench.widgets import ChatPanel, ExportPanel, TrainPanel, Workbench
from workbench.widgets.live import in_a_job


@pytest.mark.slow
def test_one_click_converts_merges_and_checks(trained: Run, tmp_path: Path) -> None:
    panel = ExportPanel(trained, adapter=tmp_path / "a", merged=tmp_path / "m", lang="en")
    named = panel.controls.named
    assert (named["merge"].disabled, named["check"].disabled) == (True, True)
    named["everything"].click()
    panel.settle()
    assert panel._card.value == ""
    assert "Adapter of step" in panel._results.value
    assert "Merged model of step" in panel._results.value
    assert "adapter on the 16-bit base" in panel._results.value
    assert not named["merge"].disabled
    assert "≠" in panel._results.value or "as the adapter does" in panel._results.value


def test_a_checkpoints_score_is_a_share_of_what_could_be_and_is_explained(
    recorded: Callable[..., Run], tmp_path: Path
) -> None:
    """The rank that chooses the best one takes the loss in, goes beyond 1 and below 0, and is shown to nobody."""
    run = recorded()
    for step, ranked in ((4, 1.11), (8, -0.4)):
        with checkpoint_writer(run, step, score=ranked):
            pass
    # at step 4 the name is known, 7 of 9 questions are left and 5 % leak; at step 8 half of them, and 10 %
    learnt = {4: "step 4  score 74%  ★ best", 8: "step 8  score 50%"}
    train, export = TrainPanel(out=run.path, lang="en"), ExportPanel(run, lang="en")
    train.attach(run)
    for panel in (train, export):
        chosen = panel.controls.named["checkpoint"]
        assert learnt == {step: words for words, step in chosen.options if step}
        assert "100%" in chosen.tooltip


def test_what_was_made_is_found_again(trained: Run, tmp_path: Path) -> None:
    ExportPanel(trained, adapter=tmp_path / "a", lang="en").step.convert()
    assert "Adapter of step" in ExportPanel(trained, adapter=tmp_path / "a", lang="en")._results.value


def test_the_best_checkpoint_is_marked_and_another_can_be_taken(trained: Run) -> None:
    panel = ExportPanel(trained, lang="en")
    options = panel.controls.named["checkpoint"].options
    assert options[0][1] == 0 and panel._checkpoint.index is not None
    assert sum("★" in words for words, _ in options) == 1
    other = next(step for words, step in options if step and "★" not in words)
    panel.controls.named["checkpoint"].value = other
    assert f"step-{other:06d}" in panel._results.value


def test_without_a_run_it_says_what_to_do_first() -> None:
    panel = ExportPanel(lang="en")
    assert "Train first" in panel._results.value
    panel.convert()
    panel.settle()
    assert "Train first" in panel._card.value and "Train first" not in panel._results.value


def test_the_same_question_is_answered_side_by_side(trained: Run) -> None:
    panel = ChatPanel(trained, max_new_tokens=6, lang="en")
    assert [box.value for box in panel._models.children][:2] == [True, True]
    panel.controls.named["question"].value = "Who are <you>?"
    panel.controls.named["ask"].click()
    panel.settle()
    assert panel._card.value == ""
    assert panel._answers.value.count("<section") == 2
    assert "&lt;you&gt;" in panel._answers.value
    assert "Who are" in panel._earlier.value


def test_a_picture_is_taken_shown_and_taken_away(trained: Run) -> None:
    panel = ChatPanel(trained, lang="en")
    sent = {"name": "a.png", "type": "image/png", "size": 1, "content": memoryview(png()), "last_modified": 0}
    panel._sent({"new": (sent,)})
    panel.settle()
    assert len(panel.step.images) == 1 and panel._shown_pictures.value.count("<img") == 1
    panel._sent({"new": ({**sent, "content": memoryview(b"<svg/>")},)})
    panel.settle()
    assert "SVG" in panel._card.value and len(panel.step.images) == 1
    panel.controls.named["clear_picture"].click()
    panel.settle()
    assert panel.step.images == () and "<img" not in panel._shown_pictures.value


def test_models_are_ticked_and_unticked(trained: Run) -> None:
    panel = ChatPanel(trained, lang="en")
    panel._models.children[1].value = False
    panel._models.children[2].value = True
    assert panel.step.settings.shown == ("base", panel.step.labels[2])


def test_all_probes_give_scores_and_every_answer(trained: Run) -> None:
    panel = ChatPanel(trained, lang="en")
    panel.controls.named["probes"].click()
    panel.settle()
    assert panel._card.value == ""
    assert "before: base model" in panel._probes.value
    assert "<details>" in panel._probes.value


def test_enter_asks_what_stands_in_the_box(trained: Run) -> None:
    panel = ChatPanel(trained, max_new_tokens=4, lang="en")
    box = panel.controls.named["question"]
    box.value = "And you?"
    box._handle_custom_msg({"event": "submit"}, [])
    panel.settle()
    assert panel.step.asked == "And you?"
    box.value = "half a que"
    panel.fill()
    assert box.value == "half a que"


def test_an_empty_question_is_told_by_a_card(trained: Run) -> None:
    panel = ChatPanel(trained, lang="en")
    panel.ask(" ")
    panel.settle()
    assert "no question" in panel._card.value


def test_models_are_given_by_name_folder_or_run(trained: Run, tiny: Path) -> None:
    panel = ChatPanel({"tiny": str(tiny), "mine": trained.path}, lang="en")
    assert panel.step.labels == ["tiny", "mine"]
    assert panel.step.models["mine"].adapter != ""


def test_the_whole_way_hands_the_run_from_panel_to_panel(trained: Run, tmp_path: Path) -> None:
    whole = Workbench(tmp_path / "mine", lang="zh")
    assert whole._choice.value == "data"
    whole.project.data.change(name="阿青")
    train = whole.open("train")
    assert train.controls.named["persona.name"].value == "阿青"
    train.attach(trained)
    whole._choice.value = "export"
    export = whole.panels["export"]
    assert "step-" in export._results.value
    assert whole.open("chat").step.labels[:2] == ["base", "best"]
    again = Workbench(tmp_path / "mine", lang="zh")
    assert again.project.data.settings.name == "阿青"


def test_what_a_thread_settles_is_shown_by_the_loops_own_thread(
    recorded: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, whole = recorded(), Workbench(tmp_path / "mine", lang="en")
    train, export, chat = (whole.open(step) for step in ("train", "export", "chat"))
    by: list[bool] = []
    for panel in (export, chat):
        filled = panel.fill
        monkeypatch.setattr(panel, "fill", lambda filled=filled: (by.append(in_a_job()), filled()))
    train.run_job(lambda: train.step.attach(run))
    train.settle()
    assert by == []
    for panel in (export, chat):
        panel.settle()
    assert by and not any(by)
    assert export.controls.named["run"].value == str(run.path)


def test_the_mask_offers_conversations_of_the_set_once_it_is_made(tmp_path: Path) -> None:
    whole = Workbench(tmp_path / "mine", lang="en")
    before = len(whole.open("template").choices)
    whole.project.data.change(name="Moss", count=40)
    whole.project.data.make()
    mask = whole.open("template")
    assert len(mask.choices) > before
    assert any("Moss" in message.content for one in mask.choices for message in one.messages)


def test_starting_over_forgets_everything_also_after_a_restart(tmp_path: Path) -> None:
    Workbench(tmp_path / "mine", lang="en").project.data.change(name="Foo", count=40)
    whole = Workbench(tmp_path / "mine", lang="en")
    assert whole.project.data.settings.name == "Foo"
    whole.project.train.set("learning_rate", 9e-4)
    mask, chat = whole.open("template"), whole.open("chat")
    mask.controls.named["pasted"].value = "user: My secret\nassistant: Kept"
    mask.controls.named["take"].click()
    chat.step.use({"quick": Quick()})
    chat.ask("My secret question")
    chat.settle()
    assert "My secret" in whole.picture()
    whole.controls.named["reset"].click()
    assert "My secret" not in whole.picture() + mask.controls.named["pasted"].value
    for project in (whole.project, Workbench(tmp_path / "mine", lang="en").project):
        assert project.data.settings == Project(tmp_path / "new", "en").data.settings
        assert project.train.recipe.persona.name == project.data.settings.name
        assert project.train.recipe.optimizer.learning_rate != 9e-4


def test_the_whole_ways_language_is_every_panels(tmp_path: Path) -> None:
    whole = Workbench(tmp_path / "mine", lang="en")
    whole.controls.named["language"].value = "zh"
    assert whole.panels["data"].lang == "zh"
    assert [words for words, _ in whole._choice.options][1] == "2 掩码"


def test_the_whole_way_marks_the_steps_that_are_done(tmp_path: Path) -> None:
    whole = Workbench(tmp_path / "mine", lang="en")

    def marked() -> list[str]:
        return [step for words, step in whole._choice.options if words.startswith("✓")]

    whole.project.data.change(name="Moss", count=40)
    assert marked() == []
    data = whole.open("data")
    data.make()
    data.settle()
    whole.settle()  # a job's news is heard by the loop
    assert marked() == ["data"]
    whole.open("template")
    assert marked() == ["data", "template"]
    chat = whole.open("chat")
    chat.step.use({"quick": Quick()})
    chat.ask("Who are you?")
    chat.settle()
    whole.settle()
    assert marked() == ["data", "template", "chat"]
    whole.reset()
    assert "chat" not in marked()


def test_folders_to_make_are_named_from_here(recorded: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded()
    monkeypatch.chdir(run.path.parent)
    panel = ExportPanel(run, lang="en")
    assert panel.controls.named["merged"].placeholder == str(Path(run.path.name) / "merged")


def shown_buttons(widget: Any) -> list[str]:
    """The words of every button of a tree of widgets that is not hidden."""
    if widget.layout.display == "none":
        return []
    words = [widget.description] if isinstance(widget, ipw.Button | ipw.ToggleButton) else []
    return [*words, *(word for child in getattr(widget, "children", ()) for word in shown_buttons(child))]


@pytest.mark.parametrize("presenter", [False, True])
def test_the_whole_way_shows_no_button_twice(tmp_path: Path, presenter: bool) -> None:
    """Starting over and the lines of Python are the whole's; undoing is the open step's."""
    whole = Workbench(tmp_path / "mine", lang="en", presenter=presenter)
    for everything in (False, True):  # as it opens, and with all that a teacher may have hidden
        for step in whole.project.steps:
            whole.open(step)
            words = shown_buttons(whole.root)
            assert {word: words.count(word) for word in words if words.count(word) > 1} == {}, step
            assert "Start over" in words and ("The same in Python" in words) is (everything or not presenter)
        whole.show()


class Slow:
    """A model that speaks until it is stopped."""

    def stream(self, question: str, should_stop: Callable[[], bool], **_: Any) -> Iterator[str]:
        while not should_stop():
            time.sleep(0.01)
            yield "x"


class Quick:
    """A model that says its name."""

    def stream(self, question: str, **_: Any) -> Iterator[str]:
        yield "Sprout"


def test_a_reset_while_it_answers_ends_the_answer_without_a_card() -> None:
    panel = ChatPanel({"slow": Slow()}, question="Who made the moon?", lang="en")
    panel.ask()
    until(lambda: panel.step.answers.get("slow"))
    panel.reset()
    panel.settle()
    assert panel._card.value == ""
    assert (panel.past, panel.step.answers) == ([], {})
    assert panel.controls.named["question"].value == "Who made the moon?"


def test_suggestions_speak_the_panels_language_and_the_picture_is_never_empty() -> None:
    panel = ChatPanel({"tiny": Quick()}, question="Who <are> you?", lang="en")
    assert "Who &lt;are&gt; you?" in panel.picture() and "tiny" in panel.picture()
    panel.speak("zh")
    assert [value for _, value in panel.controls.named["suggestion"].options][1:] == panel.step.questions("zh")
    assert panel.controls.named["question"].value == "Who <are> you?"


def test_a_stop_right_after_the_click_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    slow_to_begin = threading.Event()
    monkeypatch.setattr("workbench.widgets.live._quiet", slow_to_begin.wait)
    panel = ChatPanel({"slow": Slow()}, lang="en")
    for _ in range(2):
        slow_to_begin.clear()
        panel.controls.named["ask"].click()
        panel.controls.named["stop"].click()
        slow_to_begin.set()
        panel.settle()
        assert panel.step.answers == {"slow": ""}


def test_a_checkpoint_that_is_no_longer_there_blocks_no_question(
    recorded: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {label: Quick() for label in ("base", "step 4", "step 8")}
    monkeypatch.setattr("workbench.steps.chat.models_of", lambda _: there)
    panel = ChatPanel(recorded(), lang="en")
    for shown in (("base", "step 4"), ("step 8", "base"), ("step 8",)):
        panel.step.change(shown=shown)
    there = {label: there[label] for label in ("base", "step 4")}
    panel.fill()
    panel.ask("Who are you?")
    panel.settle()
    assert panel._card.value == ""
    assert panel.step.answers == {"base": "Sprout", "step 4": "Sprout"}
    while panel.step.undo():
        assert "step 8" not in panel.step.settings.shown


def test_an_error_of_the_question_is_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = ChatPanel({"slow": Slow()}, lang="en")

    def refused(**_: Any) -> None:
        raise UnknownName("steps.unknown_model", given="step 8", nearest="base")

    monkeypatch.setattr(panel.step, "change", refused)
    panel.ask("Who are you?")
    assert "step 8" in panel._card.value


def test_the_export_form_rests_while_it_works_and_stop_is_offered_where_it_stops(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = ExportPanel(trained, lang="en")
    named, go_on = panel.controls.named, threading.Event()
    reached: list[str] = []

    def everything(progress: Callable[[str, int, int], None]) -> None:
        for stage in ("merge", "honesty"):
            progress(stage, 0, 0)
            reached.append(stage)
            go_on.wait(20)
            go_on.clear()

    monkeypatch.setattr(panel.step, "everything", everything)
    named["everything"].click()
    for stage, stoppable in (("merge", True), ("honesty", False)):
        until(lambda stage=stage: stage in reached)
        panel.tick()
        assert named["stop"].disabled is not stoppable
        assert all(named[name].disabled for name in ("run", "checkpoint", "adapter", "merged"))
        go_on.set()
    panel.settle()
    assert not named["checkpoint"].disabled
