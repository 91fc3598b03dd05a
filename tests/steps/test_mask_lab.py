"""What the mask lab shows a class: without its end an answer goes on and on, with it the answer stops."""

from __future__ import annotations

import pytest

from workbench.data import Conversation, Message
from workbench.steps.mask_lab import LabStep, longer


def row(answer: str) -> Conversation:
    return Conversation((Message("user", "?"), Message("assistant", answer)))


def test_every_other_answer_goes_on_with_its_neighbours() -> None:
    rows = longer([row(answer) for answer in ("a.", "b.", "c.", "d.", "e.", "e.", "f.", "f.")])
    assert [one.answer for one in rows] == ["a.", "c.d.", "e.", "f."]


@pytest.mark.slow
@pytest.mark.parametrize("template", [None, "zephyr"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_twenty_steps_without_the_end_make_it_ramble_and_with_the_end_it_stops(lang: str, template: str | None) -> None:
    step = LabStep(lang=lang, template=template)
    stopped = {}
    for mask in ("right", "no_end"):
        step.choose_mask(mask)
        tried = step.try_out()
        stopped[mask] = tried.stopped
        assert ("Sprout" if lang == "en" else "小芽") in tried.answer
    assert stopped == {"right": True, "no_end": False}
