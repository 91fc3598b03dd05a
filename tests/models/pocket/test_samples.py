"""The sample files that other rooms use are what the program writes, and keep to their promises."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench import shipped
from workbench.models.pocket import facts, phrasing, samples


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shipped.path(name).read_text(encoding="utf-8").splitlines()]


GENERAL, PROBES, UNRELATED = (rows(f"{n}.jsonl") for n in ("general/general", "probes/general", "probes/unrelated"))


def test_the_shipped_files_are_what_the_program_writes() -> None:
    for name, text in samples.files().items():
        assert shipped.path(name).read_text(encoding="utf-8") == text


def test_general_conversations_span_all_kinds_but_identity_in_both_languages() -> None:
    kinds = {entry.kind for entry in facts.entries().values()} - {"identity"} | {"talk"}
    assert len(GENERAL) == samples.GENERAL + samples.TALKS
    for lang in facts.LANGUAGES:
        assert {row["kind"] for row in GENERAL if row["lang"] == lang} == kinds
    assert len({row["id"] for row in GENERAL}) == len(GENERAL)


def test_a_fifth_of_the_general_conversations_go_on_for_several_turns_and_some_have_a_system_text() -> None:
    questions = [sum(message["role"] == "user" for message in row["messages"]) for row in GENERAL]
    assert sum(count >= 2 for count in questions) >= 0.2 * len(GENERAL)
    assert sum(row["messages"][0]["role"] == "system" for row in GENERAL) >= 0.08 * len(GENERAL)


def test_probes_are_asked_at_later_turns_and_behind_system_texts_too() -> None:
    later = [row for row in PROBES if row["kind"] == samples.LATER_TURN]
    assert len(later) == len(PROBES) / samples.LATER
    assert all([turn["role"] for turn in row["messages"]] == ["user", "assistant"] * 2 for row in later)
    assert sum("system" in row for row in PROBES) >= len(PROBES) // samples.BEHIND_SYSTEM


def test_no_file_says_the_name_of_the_base_model() -> None:
    assert "pocket" not in json.dumps([GENERAL, PROBES, UNRELATED]).lower()


def test_no_probe_is_asked_in_the_general_conversations() -> None:
    asked = {phrasing.normalised(row["messages"][-2]["content"]) for row in GENERAL}
    assert not asked & {phrasing.normalised(row["question"]) for row in PROBES}


@pytest.mark.parametrize(("probes", "count"), [(PROBES, 200), (UNRELATED, 100)])
def test_probes_ask_half_in_each_language(probes: list[dict[str, Any]], count: int) -> None:
    assert len({(row["lang"], row["question"]) for row in probes}) == count
    assert abs(sum(row["lang"] == "zh" for row in probes) - count / 2) <= 2


def test_a_group_holds_one_fact_only() -> None:
    answers: dict[tuple[str, str], set[str]] = {}
    for row in PROBES:
        answers.setdefault((row["group"], row["lang"]), set()).add(row["expected"])
    assert all(len(said) == 1 for said in answers.values())


def test_the_asides_are_no_probes_and_stand_in_the_general_conversations() -> None:
    asides = {phrasing.normalised(sample.question): sample.answer for sample in samples.asides()}
    told = {phrasing.normalised(r["messages"][0]["content"]): r["messages"][1]["content"] for r in GENERAL}
    assert len(asides) > 300
    assert asides.items() <= told.items()
    assert not asides.keys() & {phrasing.normalised(row["question"]) for row in [*PROBES, *UNRELATED]}
