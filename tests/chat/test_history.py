"""A conversation that is too long loses its oldest turns as a whole, never its system message or its question."""

from __future__ import annotations

import pytest

from workbench.chat.history import as_messages, fit
from workbench.data.conversation import Message
from workbench.errors import BadInput


def turns(n: int) -> list[Message]:
    made = [Message("system", "s")]
    for i in range(n):
        made += [Message("user", f"q{i}"), Message("assistant", f"a{i}")]
    return [*made, Message("user", "last")]


def ten_each(messages: list[Message]) -> list[int]:
    return [0] * (10 * len(messages))


def test_what_fits_is_sent_whole() -> None:
    fitted = fit(turns(3), ten_each, context=100, answer=20)
    assert list(fitted.messages) == turns(3) and fitted.cut == 0


@pytest.mark.parametrize(("context", "left"), [(99, 2), (80, 2), (79, 1), (60, 1), (59, 0), (40, 0)])
def test_the_oldest_turns_go_first(context: int, left: int) -> None:
    fitted = fit(turns(3), ten_each, context=context, answer=20)
    kept = [m.content for m in fitted.messages]
    assert kept == ["s", *[c for i in range(3 - left, 3) for c in (f"q{i}", f"a{i}")], "last"]
    assert fitted.cut == 2 * (3 - left)
    assert len(fitted.ids) == 10 * len(kept)


def test_a_long_answer_takes_half_of_the_context_at_most() -> None:
    assert fit(turns(0), ten_each, context=40, answer=10_000).cut == 0


def test_a_question_that_alone_is_too_long_is_refused() -> None:
    with pytest.raises(BadInput, match="20 tokens, but the model sees 20"):
        fit(turns(2), ten_each, context=20, answer=5)


def test_a_tools_answer_stays_with_its_question() -> None:
    asked = [*turns(1)[:-1], Message("user", "q"), Message("assistant", ""), Message("tool", "42")]
    fitted = fit(asked, ten_each, context=50, answer=5)
    assert [m.role for m in fitted.messages] == ["system", "user", "assistant", "tool"]


def test_messages_come_in_any_shape() -> None:
    told = as_messages([{"role": "user", "content": "hi"}], system="brief")
    assert told == as_messages("hi", "brief") == (Message("system", "brief"), Message("user", "hi"))
    own = [Message("system", "own"), Message("user", "hi")]
    assert as_messages(own, "other") == tuple(own)


@pytest.mark.parametrize(
    "asked", [[], [{"role": "bot", "content": "x"}], [{"role": "user"}], [{"role": "assistant", "content": "x"}]]
)
def test_what_cannot_be_asked_is_refused(asked: list[dict[str, str]]) -> None:
    with pytest.raises(BadInput):
        as_messages(asked)
