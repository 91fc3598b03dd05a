"""The hand-written banks: enough wordings, each its own, all of one shape."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from workbench.data.bank import bank
from workbench.data.conversation import Persona
from workbench.data.identity import identity_set
from workbench.data.ordering import trained_questions
from workbench.data.splitting import split

LANGUAGES = ("zh", "en")
PLACEHOLDERS = {"name", "author", "purpose", "other", "other2", "maker", "wrong", "person", "self", "self2"}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_bank_has_over_sixty_groups_of_four_spellings(lang: str) -> None:
    groups = bank(lang).groups
    assert len({group.name for group in groups}) == len(groups) >= 60
    assert min(len(set(group.asks)) for group in groups) >= 4


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_spelling_stands_twice_in_a_bank(lang: str) -> None:
    held = bank(lang)
    counted = Counter((group.after, ask) for group in held.groups for ask in group.asks)
    assert [ask for ask, times in counted.items() if times > 1] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_key_that_a_group_names_is_there(lang: str) -> None:
    held = bank(lang)
    for group in held.groups:
        assert {"plain"} <= held.answers[group.answer].keys()
        assert group.form in held.prefixes
        assert not group.after or group.after in held.openers
        assert group.expects in {"name", "author", "name_and_author", "none"}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_answer_has_two_forms(lang: str) -> None:
    for by_manner in bank(lang).answers.values():
        assert all(len(set(said)) >= 2 for said in by_manner.values())


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_bank_knows_only_its_placeholders(lang: str) -> None:
    held = bank(lang)
    said = [sentence for by in held.answers.values() for forms in by.values() for sentence in forms]
    found = re.findall(r"\{(\w*)\}", "".join([*said, *(ask for group in held.groups for ask in group.asks)]))
    assert set(found) <= PLACEHOLDERS


@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_answer_that_names_the_author_has_a_form_for_a_persona_without_one(lang: str) -> None:
    held = bank(lang)
    for key, by_manner in held.answers.items():
        if "{author}" in str(by_manner):
            assert f"{key}_alone" in held.answers
        assert not key.endswith("_alone") or "{author}" not in str(by_manner)
    assert not any("{author}" in by["alone"] for one in held.selves.values() for by in one.values())


def test_no_question_belongs_to_two_groups() -> None:
    home: dict[str, str] = {}
    for conversation in identity_set(Persona("Sprout", "Ann Lee"), 6000):
        for key in trained_questions(conversation):
            assert home.setdefault(key, conversation.group) == conversation.group


@pytest.mark.parametrize("lang", LANGUAGES)
def test_over_forty_groups_train_and_each_held_out_intent_is_trained_too(lang: str) -> None:
    made = identity_set(Persona("小芽", "李雷", languages=(lang,)))
    train, validation = split(made, validation=0.3)
    assert len({conversation.group for conversation in train}) >= 40
    assert len({conversation.group for conversation in validation}) >= 15
    assert {c.meta["intent"] for c in validation} <= {c.meta["intent"] for c in train}
