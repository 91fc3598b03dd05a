"""The corpus: deterministic, with one answer to a question, and free of held-out questions."""

from __future__ import annotations

import random

import pytest

from workbench.models.pocket import build, facts, phrasing, procedures
from workbench.models.pocket.corpus import Corpus, Sample, held_out_samples


@pytest.fixture(scope="module")
def epoch() -> list[Sample]:
    return Corpus(random.Random(3)).epoch()


@pytest.fixture(scope="module")
def held() -> list[Sample]:
    return held_out_samples(0)


def test_the_same_seed_gives_the_same_samples(epoch: list[Sample]) -> None:
    assert Corpus(random.Random(3)).epoch()[:500] == epoch[:500]


def test_every_sample_ends_with_a_question_and_an_answer(epoch: list[Sample]) -> None:
    for sample in epoch:
        assert [role for role, _ in sample.turns[-2:]] == ["user", "assistant"]
        assert sample.question.strip() and sample.answer.strip()
        assert "{" not in sample.question + sample.answer or sample.kind in ("repeat", "names")


def test_training_never_asks_a_held_out_question(epoch: list[Sample], held: list[Sample]) -> None:
    asked = {(s.entry, s.lang, phrasing.normalised(s.question)) for s in build.trainable(epoch, held)}
    single = [s for s in held if not s.entry.startswith(("manner/", "follow_up/"))]
    assert len(single) > 3000
    assert not asked & {(s.entry, s.lang, phrasing.normalised(s.question)) for s in single}


def test_a_clean_question_has_one_answer_only() -> None:
    answers: dict[tuple[str, str], set[str]] = {}
    for sample in Corpus(random.Random(5), noise=False).epoch():
        if len(sample.turns) == 2:
            answers.setdefault((sample.lang, sample.question), set()).add(sample.answer)
    assert not {question for question, said in answers.items() if len(said) > 1}


def test_every_sum_and_difference_of_one_digit_is_trained(epoch: list[Sample]) -> None:
    said = {sample.answer for sample in epoch if sample.entry.startswith("sums/")}
    assert {f"{a} + {b} = {a + b}." for a in range(10) for b in range(10)} <= said
    assert {f"{a}减{b}等于{a - b}。" for a in range(10) for b in range(a + 1)} <= said


def test_captions_cover_colours_shapes_sizes_positions_and_counts() -> None:
    parts = facts.document("captions")
    assert [len(parts[p]) for p in ("colours", "shapes", "sizes", "positions", "counts")] == [8, 10, 2, 5, 4]
    rng = random.Random(0)
    made = " ".join(procedures.captions(rng)["caption_en"] for _ in range(800))
    for part in ("colours", "shapes", "sizes", "positions"):
        assert all(word["en"] in made for word in parts[part])


def test_a_caption_reads_the_same_in_both_languages() -> None:
    for seed in range(50):
        row = procedures.captions(random.Random(seed))
        assert row["caption_en"].count(",") == row["caption_zh"].count("，")


def test_names_and_strings_come_in_many_scripts() -> None:
    rng = random.Random(0)
    drawn = "".join(procedures.names(rng)["name"] + procedures.strings(rng)["text"] for _ in range(1500))
    for low, high in ((0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x400, 0x4FF), (0xC0, 0x17F), (0x1F300, 0x1FAFF), (48, 57)):
        assert any(low <= ord(character) <= high for character in drawn)


def test_a_manner_changes_the_answer_as_its_system_prompt_says(epoch: list[Sample]) -> None:
    mannered = {name: [s for s in epoch if s.entry == f"manner/{name}"] for name in ("capitals", "cheer", "polite")}
    assert all(s.turns[0][0] == "system" for samples in mannered.values() for s in samples)
    assert all(s.answer == s.answer.upper() for s in mannered["capitals"])
    assert all(s.answer.endswith(("Hooray!", "加油！")) for s in mannered["cheer"])
    assert all(s.answer.startswith(("Dear friend!", "亲爱的朋友，")) for s in mannered["polite"])


def test_a_follow_up_asks_about_another_row_of_the_same_fact(epoch: list[Sample]) -> None:
    for sample in (s for s in epoch if s.entry == "follow_up/capital"):
        assert len(sample.turns) == 4
        assert sample.turns[1][1] != sample.turns[3][1]


def test_nothing_comes_twice_in_a_caption() -> None:
    counts = {word["en"] for word in facts.document("captions")["counts"]} - {"one"}
    for seed in range(50):
        groups = procedures.captions(random.Random(seed))["caption_en"].split(", ")
        first = [group.split()[0] for group in groups]
        assert len([word for word in first if word in counts]) == len({word for word in first if word in counts})
        assert len({group.split()[-1] for group in groups}) == len(groups)
