"""Mixtures: the counts that the ratio says, nothing lost, nothing more often than need be."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.conversation import Conversation, ask
from workbench.data.mixing import mix, mixture_counts
from workbench.errors import BadInput, BadSetting


def some(kind: str, n: int) -> list[Conversation]:
    return [ask(f"{kind} {i}?", str(i), kind=kind, lang="zh" if i % 4 else "en") for i in range(n)]


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 5), st.integers(0, 3))
def test_a_mixture_has_the_counts_that_are_said(ours: int, theirs: int, ratio: float, seed: int) -> None:
    identity, general = some("identity", ours), some("general", theirs)
    counts = mixture_counts(ours, theirs, ratio=ratio)
    made = Counter(c.question for c in mix(identity, general, ratio=ratio, seed=seed))
    assert all(made[c.question] == 1 for c in identity)
    used = [made[c.question] for c in general]
    assert sum(used) == counts.general
    assert abs(counts.general - ratio * ours) <= 0.5
    assert max(used) == counts.most
    assert max(used) - min(used) <= 1
    assert made.total() == counts.total


def test_a_part_of_the_general_ones_keeps_the_languages_shares() -> None:
    made = mix(some("identity", 40), some("general", 400), ratio=1.0)
    part = Counter(c.lang for c in made if c.kind == "general")
    assert part["zh"] in {29, 30, 31}


def test_a_mixture_is_interleaved_and_follows_its_seed() -> None:
    identity, general = some("identity", 100), some("general", 100)
    one = mix(identity, general, seed=1)
    assert one == mix(identity, general, seed=1)
    assert one != mix(identity, general, seed=2)
    assert 30 <= sum(c.kind == "identity" for c in one[:100]) <= 70


@pytest.mark.parametrize("ratio", [-1.0, float("nan"), float("inf"), 101.0])
def test_a_ratio_out_of_range_is_refused(ratio: float) -> None:
    with pytest.raises(BadSetting, match="from 0 to 100"):
        mix(some("identity", 1), some("general", 1), ratio=ratio)


def test_nothing_to_take_from_is_refused() -> None:
    with pytest.raises(BadInput, match="no identity"):
        mix([], some("general", 1))
    with pytest.raises(BadInput, match="no general"):
        mix(some("identity", 1), [])
    assert len(mix(some("identity", 3), [], ratio=0)) == 3


@pytest.mark.parametrize(
    ("general", "ratio", "said"),
    [(0, 0.0, "will forget"), (500, 1.0, "100 of the 500"), (100, 1.0, "all 100"), (30, 1.0, "some occur 4 times")],
)
def test_the_counts_are_said_in_a_sentence(general: int, ratio: float, said: str) -> None:
    counts = mixture_counts(100, general, ratio=ratio)
    assert said in counts.sentence("en")
    assert str(counts.identity) in counts.sentence("zh")
