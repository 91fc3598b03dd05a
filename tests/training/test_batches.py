"""Facts about which conversations are in which step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workbench.training.batches import Plan, plan_batches

LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=120)


def steps(plan: Plan) -> list[list[int]]:
    return [
        sorted(i for batch in plan.batches[s * plan.parts : (s + 1) * plan.parts] for i in batch)
        for s in range(plan.steps)
    ]


@given(LENGTHS, st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_an_epoch_holds_each_example_once(lengths: list[int], size: int, parts: int, seed: int) -> None:
    plan = plan_batches(lengths, batch_size=size, parts=parts, epochs=2, seed=seed)
    seen = steps(plan)
    for epoch in (seen[: plan.steps_per_epoch], seen[plan.steps_per_epoch :]):
        assert sorted(i for step in epoch for i in step) == list(range(len(lengths)))
    assert all(len(batch) <= size for batch in plan.batches)


@given(LENGTHS, st.integers(0, 3))
def test_steps_are_the_same_however_they_are_cut(lengths: list[int], seed: int) -> None:
    whole = plan_batches(lengths, batch_size=16, parts=1, epochs=2, seed=seed)
    cut = plan_batches(lengths, batch_size=2, parts=8, epochs=2, seed=seed)
    assert steps(whole) == steps(cut)


def test_each_epoch_has_another_order_and_the_seed_decides_it() -> None:
    def order(seed: int) -> list[list[int]]:
        return steps(plan_batches([5] * 64, batch_size=4, epochs=2, seed=seed))

    assert order(0) == order(0) != order(1)
    assert order(0)[:16] != order(0)[16:]


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    short = plan_batches(list(range(1, 50)), batch_size=4, max_steps=7)
    long = plan_batches(list(range(1, 50)), batch_size=4, max_steps=40)
    assert short.steps == 7
    assert long.batches[: len(short.batches)] == short.batches


def test_a_step_is_drawn_at_random_and_cut_by_length() -> None:
    """Steps of like length would each teach one kind of answer; the batches of a step may be of like length."""
    lengths = [1 + (i * 37) % 100 for i in range(512)]
    plan = plan_batches(lengths, batch_size=8, parts=4)
    for start in range(0, len(plan.batches), 4):
        ordered = [lengths[i] for batch in plan.batches[start : start + 4] for i in batch]
        assert ordered == sorted(ordered)
        assert max(ordered) - min(ordered) > 50
