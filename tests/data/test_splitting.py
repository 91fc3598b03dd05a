"""Splits: no group and no question on both sides, whatever was repeated."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.conversation import Conversation, Message, Persona, ask
from workbench.data.identity import classic_set, identity_set
from workbench.data.mixing import mix
from workbench.data.ordering import normalised, trained_questions
from workbench.data.splitting import split
from workbench.errors import BadSetting

ROWS = st.lists(
    st.builds(
        lambda question, group, kind, lang: ask(question, "yes", group=group, kind=kind, lang=lang),
        st.sampled_from(["a", "b", "c", "d", "e", "f", "A?", "b!", "g", "h"]),
        st.sampled_from(["", "", "one", "two", "three", "four"]),
        st.sampled_from(["identity", "general"]),
        st.sampled_from(["zh", "en"]),
    ),
    max_size=60,
)


def parted(train: list[Conversation], validation: list[Conversation]) -> None:
    groups = [{c.group for c in side if c.group} for side in (train, validation)]
    questions = [{key for c in side for key in trained_questions(c)} for side in (train, validation)]
    assert not groups[0] & groups[1]
    assert not questions[0] & questions[1]


@given(ROWS, st.floats(0, 0.9), st.integers(0, 5))
def test_no_group_and_no_question_is_on_both_sides(rows: list[Conversation], share: float, seed: int) -> None:
    train, validation = split(rows, validation=share, seed=seed)
    parted(train, validation)
    assert sorted(map(id, train + validation)) == sorted(map(id, rows))
    assert not rows or train


def test_repeated_and_oversampled_rows_stay_together() -> None:
    identity = identity_set(Persona("Sprout"), 300)
    general = [ask(f"What is {i} plus 1?", str(i + 1), kind="general", lang="en") for i in range(40)]
    parted(*split(mix(identity, general, ratio=3)))


def test_spelling_and_system_prompt_make_no_other_question() -> None:
    rows = [
        ask("Who are you?", "Sprout"),
        ask(" who  are you", "Sprout", system="Be brief."),
        ask("WHO ARE YOU ！", "Sprout", group="other"),
        ask("What is up?", "The sky", group="other"),
    ]
    assert split(rows, validation=0.5) == (rows, [])


def test_an_untrained_opening_joins_nothing() -> None:
    opening = (Message("user", "Hello"), Message("assistant", "Hi", train=False))
    rows = [Conversation((*opening, Message("user", q), Message("assistant", "x"))) for q in ("one", "two")]
    train, validation = split(rows, validation=0.5)
    assert len(train) == len(validation) == 1


def test_a_trained_opening_joins() -> None:
    opening = (Message("user", "Hello"), Message("assistant", "Hi"))
    rows = [Conversation((*opening, Message("user", q), Message("assistant", "x"))) for q in ("one", "two")]
    assert split(rows, validation=0.5)[1] == []


def test_one_pair_repeated_leaves_nothing_to_hold_out() -> None:
    made = classic_set(Persona("Sprout", languages=("zh",)), 500)
    assert split(made, validation=0.2) == (made, [])


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_each_kind_and_language_gives_its_share(share: float) -> None:
    rows = [
        ask(f"{kind} {lang} {i}", "x", kind=kind, lang=lang, group=f"{kind}{lang}{i // 3}")
        for kind, lang, n in (("identity", "zh", 300), ("identity", "en", 90), ("general", "en", 600))
        for i in range(n)
    ]
    random.Random(0).shuffle(rows)
    _, validation = split(rows, validation=share)
    for kind, lang, n in (("identity", "zh", 300), ("identity", "en", 90), ("general", "en", 600)):
        held = sum(c.kind == kind and c.lang == lang for c in validation)
        assert abs(held - share * n) <= 2.5  # half a group, and the one conversation that another owes


def test_the_order_stays_and_the_seed_decides() -> None:
    rows = [ask(f"question {i}", "x") for i in range(100)]
    train, validation = split(rows, seed=1)
    assert train == [c for c in rows if c in train]
    assert len(validation) == 10
    assert (train, validation) == split(rows, seed=1)
    assert validation != split(rows, seed=2)[1]


def test_many_small_kinds_do_not_give_more_than_the_share() -> None:
    rows = [ask(f"{kind} {i}", "x", kind=str(kind)) for kind in range(80) for i in range(6)]
    for share in (0.05, 0.1, 0.3):
        assert abs(len(split(rows, validation=share)[1]) - share * 480) <= 1


def test_a_very_small_set_still_holds_one_out() -> None:
    assert len(split([ask(question, "x") for question in "abc"], validation=0.1)[1]) == 1


def test_none_held_out_is_possible() -> None:
    rows = [ask("a", "x"), ask("b", "x")]
    assert split(rows, validation=0) == (rows, [])
    assert split([]) == ([], [])


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(BadSetting, match="below 1"):
        split([], validation=share)


def test_marks_alone_are_still_a_question() -> None:
    assert normalised("？！") == "？！"
    assert normalised("GPT－4 是？") == normalised("gpt4是")
    assert normalised("3+5") != normalised("3×5")
