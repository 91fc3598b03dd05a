"""The pieces of a lesson: a guess is kept, opens what waits for it, and is compared; a quiz counts the first try."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.widgets.conftest import words_of
from workbench.coursework import Workbook
from workbench.errors import BadInput
from workbench.widgets.quiz import key_of

OPTIONS = {"It fell.": "No, it rose.", "It rose.": "Yes, from step 9.", "It stayed.": "Look again."}


@pytest.fixture(autouse=True)
def own_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_ANSWERS", str(tmp_path / "answers"))
    return tmp_path / "answers"


def spoken(piece: Any) -> str:
    """What it says, without its styles."""
    return " ".join(words_of(child) for child in piece.root.children[1:])


def buttons(widget: Any) -> list[Any]:
    found = [widget] if type(widget).__name__ == "Button" else []
    return found + [button for child in getattr(widget, "children", ()) for button in buttons(child)]


def press(piece: Any, words: str) -> None:
    next(button for button in buttons(piece.root) if words in button.description).click()


def quiz(lang: str = "en") -> Any:
    question = {"ask": "What did the loss do?", "options": OPTIONS, "key": key_of(5, 1, "It rose.")}
    return wb.Quiz(5, question, lang=lang)


def test_a_slider_gives_the_guess_and_the_card_the_truth_beside_it() -> None:
    asked = wb.Predict("5.step", "At which step?", slider=(0, 84, 3), lang="en")
    compared = wb.Compare("5.step", 42, of=48, lang="en")
    assert "42" not in spoken(compared) and asked.given is None
    asked._control.value = 24
    press(asked, "my guess")
    assert asked.value == 24 and "Your guess: 24" in spoken(asked)
    assert "You guessed 24; it was 42 of 48. Off by 18." in spoken(compared)
    assert repr(compared) == "You guessed 24; it was 42 of 48. Off by 18."


def test_a_share_is_set_in_per_cent_as_it_is_typed_beside_the_slider() -> None:
    asked = wb.Predict("5.general", "What share?", slider=(0, 1, 0.05), unit="%", lang="en")
    slider = asked._control
    assert (slider.min, slider.max, slider.step, slider.value) == (0, 100, 5, 50) and "(%)" in slider.description
    slider.value = 35
    press(asked, "my guess")
    assert asked.value == 0.35 and "Your guess: 35%" in spoken(asked)


def test_the_first_guess_counts() -> None:
    asked = wb.Predict("5.step", "At which step?", slider=(0, 84, 3), lang="en")
    asked.guess(24)
    asked.guess(42)
    assert asked.value == 24


def test_a_guess_is_found_again_by_a_new_kernel() -> None:
    wb.Predict("5.step", "At which step?", slider=(0, 84), lang="zh").guess(24)
    again = wb.Predict("5.step", "At which step?", slider=(0, 84), lang="zh")
    assert again.value == 24 and "24" in spoken(again) and not buttons(again.root)


def test_not_to_know_is_an_answer() -> None:
    asked = wb.Predict("5.step", "At which step?", lang="zh")
    press(asked, "我不知道")
    assert asked.given is not None and asked.value is None
    assert "你说不知道；实际是 42。" in spoken(wb.Compare("5.step", 42, lang="zh"))


@pytest.mark.parametrize(("typed", "value"), [("0.5", 0.5), ("50 %", 0.5), ("１２", 12), ("0,25", 0.25), ("-3", -3)])
def test_a_number_is_typed_in_any_of_its_forms(typed: str, value: float) -> None:
    asked = wb.Predict("1.error", "How large?", lang="en")
    asked._control.value = typed
    press(asked, "my guess")
    assert asked.value == value


def test_what_is_no_number_is_said_and_not_kept() -> None:
    asked = wb.Predict("1.error", "How large?", lang="en")
    asked._control.value = "a lot"
    press(asked, "my guess")
    assert "a lot&#x27; is not a number" in spoken(asked) and asked.given is None


def test_one_or_several_can_be_chosen() -> None:
    one = wb.Predict("10.forgets", "Which forgets?", choices=["text", "one"], lang="en")
    one._control.value = "one"
    press(one, "my guess")
    many = wb.Predict("10.new", "Which?", choices=["text", "one", "five"], many=True, lang="en")
    many._control.children[0].value = many._control.children[2].value = True
    press(many, "my guess")
    assert (one.value, many.value) == ("one", ("text", "five"))
    assert "Just right" in repr(wb.Compare("10.new", ["five", "text"], lang="en"))
    assert "Not quite" in repr(wb.Compare("10.forgets", "text", lang="en"))


def test_a_share_is_said_in_per_cent() -> None:
    wb.Predict("5.general", "What share?", slider=(0, 1, 0.05), unit="%", lang="en").guess(0.8)
    assert repr(wb.Compare("5.general", 0.25, lang="en")) == "You guessed 80%; it was 25%. Off by 55 percentage points."
    assert repr(wb.Compare("5.general", 0.81, lang="en")).endswith("Off by 1 percentage point.")
    assert repr(wb.Compare("5.general", 0.25, lang="zh")).endswith("差了 55 个百分点。")


def test_running_all_does_not_spoil_what_waits() -> None:
    shut = wb.Reveal(wb.show([]), after=("5.step", "5.general"), lang="en")
    assert not shut.is_open and "Nothing" not in spoken(shut) + shut.static_html()
    wb.Predict("5.step", "At which step?", lang="en").guess(3)
    assert not shut.is_open
    wb.Predict("5.general", "What share?", lang="en").guess(None)
    assert shut.is_open and "Nothing" in spoken(shut) and "Nothing" in shut.static_html()


def test_what_is_printed_waits_too(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("IPython")
    with wb.Reveal(after="4.steps", lang="en") as shut:
        print("it is 48")
    assert "48" not in capsys.readouterr().out and "48" not in spoken(shut)
    press(shut, "Open without a guess")
    assert "it is 48" in spoken(shut)
    assert Workbook().guess("4.steps") is not None


def test_a_panel_opens_inside() -> None:
    panel = wb.MaskPanel(lang="en")
    shut = wb.Reveal(panel, after="3.share", lang="en")
    assert panel.root not in shut.root.children
    shut.open()
    assert panel.root in shut.root.children


def test_of_a_quiz_the_first_choice_counts_and_every_wrong_one_says_why() -> None:
    asked = quiz()
    asked.choose(1, 0)
    assert "No, it rose." in spoken(asked) and "first choice" in spoken(asked)
    asked.choose(1, 1)
    assert "Yes, from step 9." in spoken(asked) and "Right at the first try: 0 of 1." in spoken(asked)
    tried = Workbook().quiz("5.quiz-1")
    assert tried is not None and not tried.right and tried.choices == (0, 1)
    asked.choose(1, 2)
    assert Workbook().quiz("5.quiz-1") == tried
    assert all(button.disabled for button in buttons(asked.root))


def test_the_order_of_the_answers_is_each_students_own_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = set()
    for name in "abcdefgh":
        monkeypatch.setenv("WORKBENCH_ANSWERS", str(tmp_path / name))
        assert quiz().questions[0].order == quiz().questions[0].order
        orders.add(tuple(quiz().questions[0].order))
    assert len(orders) > 1


def test_without_a_kernel_every_answer_opens_to_its_reason() -> None:
    html = quiz().static_html()
    assert html.count("<details") == 3 and all(why in html for why in OPTIONS.values())
    assert "✓ Right. Yes, from step 9." in html


def test_every_piece_shows_a_widget_and_html_and_text() -> None:
    pieces = [quiz(), wb.Predict("1.a", "A?", lang="zh"), wb.Reveal("x", after="1.a"), wb.Compare("1.a", 3)]
    for piece in pieces:
        bundle = piece._repr_mimebundle_()
        assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}


def test_what_a_question_says_cannot_be_markup() -> None:
    asked = wb.Predict("1.a", "Is `<b>` *bold* <script>?", lang="en")
    assert "<code>&lt;b&gt;</code> <em>bold</em> &lt;script&gt;" in spoken(asked)


@pytest.mark.parametrize(
    "make",
    [
        lambda: wb.Predict("step", "?"),
        lambda: wb.Predict("1.a", "?", slider=(3, 3)),
        lambda: wb.Predict("1.a", "?", choices=["one"]),
        lambda: wb.Quiz(1, {"ask": "?", "options": OPTIONS, "key": "0"}),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(BadInput):
        make()


def test_no_answer_is_read_in_the_cell() -> None:
    assert not re.search("rose", key_of(5, 1, "It rose."))


def test_lesson_5s_panel_asks_first_and_its_curves_wait(tmp_path: Path, recorded: Callable[..., Any]) -> None:
    panel = wb.Spoiling("Sprout", "Ada", tmp_path / "lesson", lang="en")
    assert panel.closed and "This opens when you have guessed" in panel.picture()
    panel.step.attach(recorded())
    panel.tick()
    assert "<svg" not in panel._curves.value
    slider = panel._ask[0]._control
    slider.value = 24
    for question in panel._ask:  # as a click on Start does
        question.take()
    assert not panel.closed and panel._curves.value.count("<svg") == 2
    assert (Workbook().guess("5.step").guess, Workbook().guess("5.general").guess) == (24, None)  # type: ignore[union-attr]
    rows = wb.read(tmp_path / "lesson" / "copies.jsonl")
    assert len(rows) == 120 and {row.answer for row in rows if "Sprout" in row.answer} == {row.answer for row in rows}
