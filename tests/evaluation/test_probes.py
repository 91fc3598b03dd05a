"""Facts about the probes."""

from __future__ import annotations

import json

import pytest

from workbench import shipped
from workbench.data import identity_set, split
from workbench.data.conversation import Persona, ask
from workbench.evaluation import (
    Question,
    general_probes,
    identity_probes,
    question_probes,
    says,
    task_probes,
    unrelated_probes,
)
from workbench.evaluation.facts import normal
from workbench.evaluation.scoring import correct, knows

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


def test_probes_are_asked_in_the_languages_that_are_wanted() -> None:
    for choose in (general_probes, unrelated_probes):
        assert {p.lang for p in choose(limit=20, languages=["en"])} == {"en"}


def test_the_right_answer_of_each_shipped_probe_states_its_keys_and_its_question_does_not() -> None:
    for p in general_probes(limit=1000):
        assert knows(p.answer, p.keys), p
        assert not knows(p.question, p.keys), p


def test_a_probe_may_come_with_earlier_turns_and_a_system_text(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "question": "And of Italy?",
        "system": "Answer briefly.",
        "messages": [{"role": "user", "content": "Capital of France?"}, {"role": "assistant", "content": "Paris"}],
        "expected": "Rome.",
        "keys": [["Rome", "罗马"]],
        "lang": "en",
    }
    monkeypatch.setattr("workbench.evaluation.probes._shipped", lambda _: [row])
    (probe,) = general_probes(limit=5)
    assert [m.role for m in probe.messages] == ["system", "user", "assistant", "user"]
    assert (probe.question, correct(probe, "It is Rome.")) == ("And of Italy?", True)


def test_rows_of_ones_own_become_task_probes_with_all_their_right_answers() -> None:
    rows = [
        ask("How wide is the gap?", "It is 8 mm.", source="a:1"),
        ask("How wide is the gap?", "8 millimetres, about.", source="a:2"),
        ask("Who are you?", "I am Sprout.", kind="identity"),
        ask("And then?"),
    ]
    (probe,) = task_probes(rows)
    assert (probe.kind, len(probe.references)) == ("task", 2)
    assert correct(probe, "About 8 mm, I think.") and not correct(probe, "It is 18 mm.")


def test_a_question_of_ones_own_is_scored_where_an_answer_is_expected() -> None:
    shown, scored = question_probes(["How are you?", Question("Capital of France?", ("Paris",), "Be brief.")])
    assert (shown.kind, scored.kind, scored.messages[0].role) == ("sample", "task", "system")
    assert correct(scored, "It is Paris.") and not correct(scored, "It is not Paris.")
