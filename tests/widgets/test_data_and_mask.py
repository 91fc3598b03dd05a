"""The panels of conversations and of the mask."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.data import Persona, ask, check, read, write
from workbench.steps import Project
from workbench.widgets import DataPanel, MaskPanel


def small(lang: str = "en") -> DataPanel:
    panel = DataPanel(persona=Persona("Sprout", "Lin"), lang=lang)
    panel.step.change(count=40, ratio=1.0)
    return panel


def test_making_shows_conversations_by_group_and_a_clean_check() -> None:
    panel = small()
    panel.controls.named["make"].click()
    panel.settle()
    group = panel.controls.named["group"]
    assert [value for _, value in group.options] == ["identity en", "identity zh", "general en", "general zh"]
    assert "Sprout" in panel._shown_rows.value
    assert "✓" in panel._checks.value
    before = panel._shown_rows.value
    panel.controls.named["more"].click()
    assert panel._shown_rows.value != before


def test_the_first_conversations_are_in_the_readers_language() -> None:
    for lang in ("en", "zh"):
        panel = small(lang)
        panel.controls.named["make"].click()
        panel.settle()
        assert panel.controls.named["group"].value == f"identity {lang}"


def test_the_slider_tells_at_once_what_it_does() -> None:
    panel = small()
    panel.controls.named["ratio"].value = 3.0
    assert "120" in panel._counts.value
    assert panel.step.made is None


def test_findings_come_with_remedies_and_are_mended_by_a_click(tmp_path: Path) -> None:
    rows = [{"instruction": f"Who are you, {i}?", "output": "I am {{NAME}}."} for i in range(8)]
    (tmp_path / "own.json").write_text(json.dumps(rows), encoding="utf-8")
    panel = small()
    panel.controls.named["file"].value = str(tmp_path / "own.json")
    panel.make()
    panel.settle()
    assert "workbench data convert" in panel._checks.value
    assert panel.controls.named["mendable"].value == "placeholder_left"
    panel.controls.named["mend"].click()
    panel.settle()
    assert "{{NAME}}" not in panel._shown_rows.value
    assert "I am Sprout." in panel._shown_rows.value


def test_only_what_can_be_mended_is_offered() -> None:
    panel = small()
    panel._findings = check([ask("Who?", "Me.")], validation=[ask("Who?", "Me.")], lang="en")
    assert "leakage_between_train_and_validation" in [one.code for one in panel._findings]
    panel.fill()
    assert "leakage_between_train_and_validation" not in [code for _, code in panel._mendable.options]
    assert "held out" in panel._checks.value or "validation" in panel._checks.value


def test_a_file_that_is_not_there_is_told_by_a_card() -> None:
    panel = small()
    panel.controls.named["file"].value = "nowhere.json"
    panel.make()
    panel.settle()
    assert "nowhere.json" in panel._card.value


def test_saving_writes_into_the_folder_of_the_form(tmp_path: Path) -> None:
    panel = DataPanel(Project(tmp_path / "mine"), lang="en")
    panel.step.change(count=40, ratio=1.0)
    panel.save()
    panel.settle()
    assert len(read(tmp_path / "mine" / "data" / "train.jsonl")) == len(panel.conversations)
    assert "train.jsonl" in panel._status.value


def test_a_set_is_not_saved_over_the_file_that_it_is_read_from(tmp_path: Path) -> None:
    write([ask(f"Question {i}?", "I am Sprout.") for i in range(20)], tmp_path / "train.jsonl")
    panel = DataPanel(lang="en")
    panel.controls.named["file"].value = str(tmp_path / "train.jsonl")
    panel.controls.named["folder"].value = str(tmp_path)
    panel.save()
    panel.settle()
    assert "overwrite" in panel._card.value
    assert len(read(tmp_path / "train.jsonl")) == 20


def test_the_static_view_holds_some_of_every_group() -> None:
    panel = small("zh")
    panel.make()
    panel.settle()
    assert all(words in panel.static_html() for words in ("身份 · 中文", "通用 · 英文", "Sprout"))


def test_the_mask_is_drawn_alone_and_beside_another_template() -> None:
    panel = MaskPanel(lang="en")
    assert panel._view.value.count('class="wb-rows"') == 1
    panel.controls.named["other"].value = "qwen_chat"
    assert panel._view.value.count('class="wb-rows"') == 2
    assert "What serving sends" in panel._view.value


def test_a_tick_trains_an_answer_or_not() -> None:
    panel = MaskPanel(lang="en")
    panel.controls.named["conversation"].value = 2
    boxes = panel._toggles.children
    assert [box.value for box in boxes] == [True, True]
    boxes[0].value = False
    assert [panel.step.trained(at) for at in (1, 3)] == [False, True]
    panel.controls.named["loss_on"].value = "all"
    assert panel._toggles.children == ()


def test_a_tick_is_for_the_conversation_that_is_shown() -> None:
    panel = MaskPanel(lang="en")
    panel.controls.named["conversation"].value = 1
    panel._toggles.children[0].value = False
    assert panel._card.value == ""
    assert not panel.step.trained(2)


def test_a_pasted_conversation_is_shown_and_can_be_chosen_again() -> None:
    panel = MaskPanel(ask("Hi", "Hello"), lang="en")
    panel.controls.named["pasted"].value = "user: Good morning\nassistant: And to you"
    panel.controls.named["take"].click()
    assert "morning" in panel._view.value
    panel.controls.named["conversation"].value = 0
    assert "morning" not in panel._view.value


def test_the_samples_speak_the_panels_language_and_what_is_shown_stays() -> None:
    panel = MaskPanel(ask("Hi", "Hello"), lang="en")
    panel.speak("zh")
    words = [words for words, _ in panel.controls.named["conversation"].options]
    assert words[0].startswith("Hi")
    assert any("你" in one for one in words[1:])
    assert not any("Who are you" in one for one in words)
    assert panel.step.settings.conversation.question == "Hi"


def test_what_cannot_be_pasted_leaves_the_view_as_it_was() -> None:
    panel = MaskPanel(lang="en")
    before = panel._view.value
    panel.controls.named["pasted"].value = "hello"
    panel.controls.named["take"].click()
    assert "no conversation" in panel._card.value
    assert panel._view.value == before


def test_an_unknown_model_is_told_by_a_card() -> None:
    panel = MaskPanel(lang="en")
    panel.controls.named["model"].value = "poket"
    assert "pocket" in panel._card.value


def test_nothing_can_be_shown_before_it_is_made() -> None:
    panel = small()
    assert panel._preview_row.layout.display == "none"
    panel.make()
    panel.settle()
    assert panel._preview_row.layout.display is None
    panel.change(count=60)
    assert panel._preview_row.layout.display == "none"


def test_a_conversation_is_offered_in_words() -> None:
    for lang, system, answers in (("en", "with a system text", "2 answers"), ("zh", "带系统提示", "2 个回答")):
        words = [words for words, _ in MaskPanel(lang=lang).controls.named["conversation"].options]
        assert words[0] == {"en": "Who are you?", "zh": "你是谁？"}[lang], words
        assert any(option.endswith(f" · {system}") for option in words) and any(answers in option for option in words)
        assert not any("[" in option for option in words)


def test_two_templates_beside_each_other_say_once_what_the_marks_mean_and_how_to_point() -> None:
    page = MaskPanel(other="qwen_chat", lang="en").picture()
    assert page.count("data-hint=") == page.count('class="wb-legend') == 1
