"""Templates written out: slots, articles, plurals, noise."""

from __future__ import annotations

import random

import pytest

from workbench.models.pocket import phrasing


def test_a_slot_takes_the_column_of_its_language() -> None:
    row = {"country_en": "France", "country_zh": "法国", "n": "1"}
    assert phrasing.fill("{country}{n}", phrasing.view(row, "zh")) == "法国1"
    assert phrasing.fill("{country}{country_zh}", phrasing.view(row, "en")) == "France法国"


@pytest.mark.parametrize(("noun", "text"), [("owl", "an owl"), ("cat", "a cat")])
def test_an_article_fits_its_noun(noun: str, text: str) -> None:
    assert phrasing.fill("{a animal}", {"animal": noun}) == text
    assert phrasing.fill("{A animal}", {"animal": noun}) == text.capitalize()


def test_a_capital_slot_capitalises_the_first_letter_only() -> None:
    assert phrasing.fill("{Thing}", {"thing": "the sky of Rome"}) == "The sky of Rome"


@pytest.mark.parametrize(
    ("one", "many"), [("cherry", "cherries"), ("peach", "peaches"), ("key", "keys"), ("fish", "fish")]
)
def test_a_plural_is_regular(one: str, many: str) -> None:
    assert phrasing.plural(one) == many


def test_a_missing_slot_is_an_error() -> None:
    with pytest.raises(KeyError):
        phrasing.fill("{nothing}", {})


@pytest.mark.parametrize("other", ["what is 3+4", "What is 3 + 4 ?", "ＷＨＡＴ is 3＋4？", "what is 3+4 ="])
def test_case_width_and_marks_do_not_make_another_question(other: str) -> None:
    assert phrasing.normalised(other) == phrasing.normalised("What is 3+4?")


def test_a_slip_of_the_pen_never_touches_a_slot() -> None:
    rng = random.Random(0)
    for _ in range(300):
        assert "{country}" in phrasing.framed("What about {country} then", ["Hey, "], [" Thanks."], "en", rng)
