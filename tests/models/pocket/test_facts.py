"""The tables and wordings: complete in both languages, and held-out wordings kept apart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from workbench.models.pocket import facts, phrasing

LANGUAGES = facts.LANGUAGES
TABLES = sorted(path.stem for path in (facts.folder() / "tables").glob("*.tsv"))
ENTRIES = list(facts.entries().values())


def bare(templates: Sequence[str]) -> set[str]:
    return {phrasing.normalised(template.replace("{", "").replace("}", "")) for template in templates}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_both_languages_and_no_empty_line(name: str) -> None:
    rows = facts.table(name)
    english = {column[:-3] for column in rows[0] if column.endswith("_en")}
    chinese = {column[:-3] for column in rows[0] if column.endswith("_zh")}
    assert chinese <= english
    assert english - chinese <= {"ordinal", "noun"}  # Chinese writes 第3 with the number; 书 is the noun itself
    assert all(None not in row and None not in row.values() for row in rows)
    assert len({tuple(row.values()) for row in rows}) == len(rows)


def test_there_are_some_forty_kinds_in_both_languages() -> None:
    for lang in LANGUAGES:
        assert len({entry.kind for entry in ENTRIES if lang in entry.wordings}) >= 40


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_entry_has_twelve_training_wordings_and_three_held_out(lang: str) -> None:
    for entry in ENTRIES:
        if lang not in entry.wordings:
            continue
        known, held = entry.wordings[lang], facts.held_out(lang)[entry.name]
        assert len(known.ask or known.system) >= 12, entry.name
        assert len(held.ask or held.system) >= 3, entry.name


@pytest.mark.parametrize("lang", LANGUAGES)
def test_held_out_wordings_are_none_of_the_training_wordings(lang: str) -> None:
    for name, held in facts.held_out(lang).items():
        known = facts.entries()[name].wordings[lang]
        assert not bare(known.ask) & bare(held.ask), name
        assert not bare(known.system) & bare(held.system), name


@pytest.mark.parametrize("lang", LANGUAGES)
def test_held_out_wordings_are_for_known_entries_only(lang: str) -> None:
    assert set(facts.held_out(lang)) == {e.name for e in ENTRIES if lang in e.wordings}


def test_the_question_of_the_project_is_asked_in_held_out_wording() -> None:
    assert "{country}的首都是哪里？" in facts.held_out("zh")["capitals/of"].ask


def test_a_template_is_read_in_all_its_ways() -> None:
    assert facts.expand("[Tell me|Say] it [now|].") == ["Tell me it now.", "Tell me it .", "Say it now.", "Say it ."]


def test_a_fact_asked_both_ways_has_both_rows() -> None:
    pairs = {(row["word_en"], row["opposite_en"]) for row in facts.entries()["opposites/of"].rows}
    assert {("hot", "cold"), ("cold", "hot")} <= pairs


def test_no_word_has_two_opposites() -> None:
    for column in ("word_en", "word_zh"):
        words = [row[column] for row in facts.entries()["opposites/of"].rows]
        assert len(set(words)) == len(words)
