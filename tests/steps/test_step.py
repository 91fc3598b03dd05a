"""What every step has: settings all or none, undo, reset, notices."""

from __future__ import annotations

import threading
from dataclasses import FrozenInstanceError

import pytest

from workbench.errors import BadSetting, Failed
from workbench.steps import DataStep, as_workbench_error


def test_settings_cannot_be_written_past_the_step() -> None:
    with pytest.raises(FrozenInstanceError):
        DataStep().settings.name = "Mallory"  # type: ignore[misc]


def test_a_change_can_be_undone_and_a_reset_goes_back_to_the_first() -> None:
    step = DataStep(name="Sprout")
    step.change(name="Moss", ratio=2.0)
    step.change(name="Fern")
    assert step.undo()
    assert (step.settings.name, step.settings.ratio) == ("Moss", 2.0)
    step.reset()
    assert step.settings.name == "Sprout"
    assert not step.undo()


def test_the_same_values_again_are_no_change() -> None:
    step = DataStep(name="Sprout")
    step.change(name="Sprout")
    assert not step.can_undo


def test_of_a_change_with_one_bad_value_nothing_is_taken() -> None:
    step = DataStep(name="Sprout")
    with pytest.raises(BadSetting, match="plain"):
        step.change(name="Moss", manner="plian")
    assert step.settings.name == "Sprout"


def test_an_unknown_setting_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadSetting, match="author"):
        DataStep().change(autor="Lin")


def test_whoever_subscribed_hears_of_changes_until_they_leave() -> None:
    step, heard = DataStep(), []
    leave = step.subscribe(heard.append)
    step.change(name="Moss")
    step.undo()
    step.reset()
    leave()
    step.change(name="Fern")
    assert heard == ["settings", "settings", "reset"]


def test_changes_from_many_threads_are_all_kept() -> None:
    step = DataStep()

    def work(number: int) -> None:
        for turn in range(10):
            step.change(seed=number * 10 + turn + 1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    undone = 0
    while step.undo():
        undone += 1
    assert undone == 40


def test_any_error_is_told_with_what_to_do() -> None:
    said = BadSetting("steps.not_a_number", key="r", given="x")
    assert as_workbench_error(said) is said
    for error in (OSError(28, "No space left", "/x"), MemoryError(), ZeroDivisionError("by zero")):
        card = as_workbench_error(error)
        assert isinstance(card, Failed)
        assert card.say("zh")
        assert card.do("en")
