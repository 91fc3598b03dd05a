"""Calls on a page: a card for each, kept with the turn, sent again with the next question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.chat.desk import Desk, Wish
from workbench.chat.face import Face
from workbench.chat.loading import Opened, Serving
from workbench.chat.serving import serving
from workbench.chat.turns import Turn, to_messages
from workbench.tools import Call, Card, End
from workbench.tools.cards import card_of


class Calling:
    """Says a word, calls, and answers with the result; or ends without."""

    def __init__(self, *, ends: bool = False) -> None:
        self.asked: list[Any] = []
        self.ends = ends

    def stream(self, asked: Any, *, tools: str, on_card: Any, on_end: Any, **_: Any) -> Iterator[str]:
        self.asked = list(asked)
        yield "Let me see."
        card = card_of(1, 1, Call("calculator", {"expression": "6*7"}), "Let me see.")
        on_card(card)
        yield ""
        from dataclasses import replace

        on_card(replace(card, result="42", seconds=0.1))
        yield ""
        if self.ends:
            on_end(End("repeated"))
        else:
            yield "It is 42."


def desk(answers: Calling) -> Desk:
    return Desk(lambda: Opened(answers), Face("Sprout"), tools="calculator")


def test_a_turn_keeps_its_cards_and_the_words_before_them() -> None:
    at = desk(Calling())
    turns = list(at.ask("a", "6*7?", Wish()))
    assert any(turn.cards and turn.cards[0].result is None for turn in turns)
    assert turns[-1].answer == "It is 42." and turns[-1].cards[0].words == "Let me see."
    assert at.session("a").turns[0].cards[0].result == "42"


def test_the_next_question_is_asked_with_the_calls_before_it() -> None:
    answers = Calling()
    at = desk(answers)
    for question in ("6*7?", "Sure?"):
        list(at.ask("a", question, Wish()))
    roles = [message.role for message in answers.asked]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]
    assert answers.asked[1].tool_calls and answers.asked[1].content == "Let me see."


def test_an_end_without_an_answer_is_told_in_a_sentence() -> None:
    (*_, last) = desk(Calling(ends=True)).ask("a", "6*7?", Wish(), "en")
    assert "same call" in last.note and last.cards


def test_a_card_speaks_both_languages_and_never_trusts_a_name() -> None:
    card = Card(1, 1, Call("<b>x</b>", {}).json, result="error: unknown", trouble="unknown")
    for lang in ("en", "zh"):
        assert "<b>" not in card.title(lang) and card.body(lang)
    assert Card(1, 1, raw='{"na').body("en").startswith('{"na')


def test_a_turn_without_calls_is_as_it_was() -> None:
    assert [m.role for m in to_messages((Turn("a", "b"),), "s")] == ["system", "user", "assistant"]


def test_the_pages_take_tools_by_name() -> None:
    assert serving(["pocket", "--tools", "calculator"], "x") == Serving("pocket", tools="calculator")
