"""The panels after a training: convert and merge, before and after, and all five in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.runs import Run
from workbench.widgets import ChatPanel, ExportPanel, Workbench


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
    assert "Train first" in ExportPanel(lang="en")._results.value


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


def test_the_whole_ways_language_is_every_panels(tmp_path: Path) -> None:
    whole = Workbench(tmp_path / "mine", lang="en")
    whole.controls.named["language"].value = "zh"
    assert whole.panels["data"].lang == "zh"
    assert [words for words, _ in whole._choice.options][1] == "2 掩码"
