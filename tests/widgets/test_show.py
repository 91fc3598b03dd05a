"""What ``show`` gives for each kind of value."""

from __future__ import annotations

import pytest

from workbench.chat import Comparison
from workbench.data import Persona, ask, check, drawn, identity_set
from workbench.errors import BadInput
from workbench.models import load_tokenizer
from workbench.runs import Run
from workbench.templates import mask_view
from workbench.widgets.show import show

HOSTILE = "<script>alert(1)</script>"


def test_conversations_are_shown_with_question_answer_and_group() -> None:
    shown = show(identity_set(Persona("Sprout"), 5), lang="en")
    assert shown._repr_html_().count("<tr>") == 6
    assert "Sprout" in shown._repr_html_() and "Sprout" in repr(shown)


def test_a_conversations_pictures_are_shown_in_their_places() -> None:
    rows = drawn.questions(2, seed=11, languages=("en",))
    html, plain = show(rows, lang="en")._repr_html_(), repr(show(rows, lang="en"))
    assert html.count("data:image/png") == 2 and "&lt;image&gt;" not in html and "<image>" in plain


def test_what_learners_write_is_escaped_in_every_table() -> None:
    rows = [ask(HOSTILE, HOSTILE)]
    values = (rows, [Comparison(HOSTILE, {HOSTILE: HOSTILE})], check([ask(f"{HOSTILE}{{{{x}}}}", "a")]))
    assert all("<script>alert" not in show(value)._repr_html_() for value in values)


def test_findings_come_with_reason_and_remedy() -> None:
    found = check([ask("Who are you?", "I am {{NAME}}.")], lang="en")
    html = show(found, lang="en")._repr_html_()
    assert "placeholder_left" in html and "--set" in html


def test_two_masks_stand_beside_each_other() -> None:
    tokenizer = load_tokenizer("pocket")
    one, two = (mask_view(ask("Hi", "Hello."), tokenizer, template=name) for name in (None, "default"))
    assert show(one, two)._repr_html_().count("wb-side") > show(one)._repr_html_().count("wb-side")
    assert "Hello" in repr(show(one)).replace("·", "")


def test_a_run_is_shown_with_its_curves_and_its_answers(tmp_path) -> None:
    run = Run.create(tmp_path / "run", "")
    for step, loss in ((0, 2.0), (10, 1.0)):
        run.events.append("eval", step=step, loss=loss, identity=step / 10)
        run.events.append("sample", step=step, question="Who?", answer=HOSTILE, probe="identity")
    run.events.close()
    html = show(run, lang="en")._repr_html_()
    assert "<svg" in html and "&lt;script&gt;" in html and "2.00" in repr(show(run, lang="en"))


def test_an_empty_list_says_so_and_a_foreign_value_is_refused() -> None:
    assert repr(show([], lang="en")) == "Nothing to show."
    with pytest.raises(BadInput, match="no picture for int"):
        show(3, lang="en")
