"""A thought is folded wherever an answer is shown, and is never taken for the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from workbench.cli.terminal import Terminal
from workbench.render.markup import answered, thought
from workbench.templates.thoughts import MARKS, begun, parted


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_thought_and_answer_are_told_apart(opening: str, closing: str) -> None:
    whole = parted(f"{opening}\nTwo and <two>.\n{closing}\n\n4")
    assert (whole.thought, whole.answer, whole.going) == ("Two and <two>.", "4", False)
    part = parted(f"{opening}\nTwo")
    assert (part.thought, part.answer, part.going) == ("Two", "", True)
    assert begun(f"<|im_start|>assistant\n{opening}\n") == opening


def test_an_answer_that_speaks_of_marks_is_an_answer() -> None:
    text = "A thought stands between <think> and </think>."
    assert parted(text).answer == text and not parted(text).thought
    assert begun("<|im_start|>assistant\n") == ""


def test_on_a_page_a_thought_is_folded_and_escaped() -> None:
    text = "<think>\n<b>hm</b>\n</think>\n\nyes"
    assert thought(text, "en").startswith("<details") and "&lt;b&gt;hm" in thought(text, "en")
    assert "hm" not in answered(text) and "yes" in answered(text)
    assert thought("yes", "en") == ""


def said(*pieces: str, as_json: bool = False) -> Terminal:
    def stream(_: str) -> Iterator[str]:
        return iter(pieces)

    chat = SimpleNamespace(stream=stream, cut=0, messages=[], box=None, assistant=SimpleNamespace(name="Sprout"))
    terminal = Terminal(chat, as_json=as_json)  # type: ignore[arg-type]
    terminal.once("2 + 2?")
    return terminal


def test_in_the_terminal_the_answer_comes_without_its_thought(capsys: pytest.CaptureFixture[str]) -> None:
    said("<think>", "\nTwo", " and two.\n</think>", "\n\nIt is", " 4.")
    out, err = capsys.readouterr()
    assert out == "It is 4.\n"
    assert err.count("thinking") == 1
    said("It is", " 4.")
    assert capsys.readouterr() == ("It is 4.\n", "")
    said("<think>", "\nTwo")
    assert "--max-new-tokens" in capsys.readouterr().err


def test_for_programs_both_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    said("<think>\nTwo.\n</think>\n\n4", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"answer": "4", "thinking": "Two."}
