"""Facts about the probes."""

from __future__ import annotations

import json

from workbench import shipped
from workbench.data import identity_set, split
from workbench.data.conversation import Persona
from workbench.evaluation import general_probes, identity_probes, says, unrelated_probes
from workbench.evaluation.scoring import normal

PERSONA = Persona("Sprout", "Ann")


def test_identity_probes_come_from_groups_that_are_never_trained() -> None:
    train, held_out = split(identity_set(PERSONA), validation=0.15)
    trained = {normal(c.question) for c in train if len(c.messages) == 2}
    probes = identity_probes(held_out, PERSONA)
    assert len(probes) == 48
    assert {p.lang for p in probes[:2]} == {"zh", "en"}
    assert not [p.question for p in probes if len(p.messages) == 1 and normal(p.question) in trained]


def test_no_identity_probe_holds_the_name_that_it_asks_for() -> None:
    _, held_out = split(identity_set(PERSONA), validation=0.3)
    for probe in identity_probes(held_out, PERSONA, limit=1000):
        assert probe.expects
        assert not any(says(m.content, words) for m in probe.messages for words in probe.expects)


def test_general_probes_are_no_general_conversations() -> None:
    lines = shipped.path("general/general.jsonl").read_text(encoding="utf-8").splitlines()
    trained = {normal(json.loads(line)["messages"][0]["content"]) for line in lines}
    probes = general_probes(limit=1000)
    assert len(probes) == 200
    assert not [p.question for p in probes if normal(p.question) in trained]


def test_a_smaller_choice_is_even_over_the_languages_and_always_the_same() -> None:
    for choose in (general_probes, unrelated_probes):
        chosen = choose(limit=20)
        assert [p.lang for p in chosen].count("zh") == 10
        assert chosen == choose(limit=20)


def test_without_expected_answers_the_reference_is_left_to_the_base() -> None:
    assert all(p.expects == () for p in general_probes(limit=5, expected=False))
