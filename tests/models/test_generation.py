"""Facts about generating."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.models import Loaded, generate, load, stream

PROMPTS = [[1, 9, 11], [1, 40, 41, 42, 43, 44, 45, 46], [7], [1, 9, 12, 13]]


@pytest.fixture(scope="module")
def loaded(tiny: Path) -> Loaded:
    return load(str(tiny), device="cpu")


def test_a_batch_says_what_each_prompt_alone_says(loaded: Loaded) -> None:
    together = generate(loaded, PROMPTS, max_new_tokens=10)
    assert together == [generate(loaded, [p], max_new_tokens=10)[0] for p in PROMPTS]
    assert together == [list(stream(loaded, p, max_new_tokens=10)) for p in PROMPTS]


def test_it_says_what_the_library_says(loaded: Loaded) -> None:
    import torch

    ids = torch.tensor([PROMPTS[1]])
    theirs = loaded.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=10, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    assert generate(loaded, [PROMPTS[1]], max_new_tokens=10)[0] == theirs[0, len(PROMPTS[1]) :].tolist()


def test_what_was_said_becomes_less_likely_as_in_the_library(loaded: Loaded) -> None:
    import torch

    ids = torch.tensor([PROMPTS[1]])
    how = {"max_new_tokens": 10, "repetition_penalty": 100.0}
    theirs = loaded.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, eos_token_id=None, pad_token_id=0, **how
    )
    assert list(stream(loaded, PROMPTS[1], **how)) == theirs[0, len(PROMPTS[1]) :].tolist()
    assert list(stream(loaded, PROMPTS[1], **how)) != list(stream(loaded, PROMPTS[1], max_new_tokens=10))


def test_it_ends_before_the_stop_token(loaded: Loaded) -> None:
    free = generate(loaded, PROMPTS, max_new_tokens=10)
    stop = free[0][4]
    for answer, ended in zip(free, generate(loaded, PROMPTS, max_new_tokens=10, stop_ids=[stop]), strict=True):
        assert ended == (answer[: answer.index(stop)] if stop in answer else answer)


def test_the_same_seed_draws_the_same_answer(loaded: Loaded) -> None:
    def draw(seed: int) -> list[list[int]]:
        return generate(loaded, PROMPTS, max_new_tokens=12, do_sample=True, temperature=1.5, seed=seed)

    assert draw(1) == draw(1) != draw(2)


def test_generating_leaves_mode_and_random_state_as_they_were(loaded: Loaded) -> None:
    import torch

    loaded.model.train()
    before = torch.get_rng_state()
    generate(loaded, PROMPTS, max_new_tokens=3, do_sample=True)
    assert loaded.model.training
    assert torch.equal(before, torch.get_rng_state())
    loaded.model.eval()


def test_a_top_p_of_nearly_nothing_is_greedy(loaded: Loaded) -> None:
    sampled = list(stream(loaded, PROMPTS[0], max_new_tokens=8, do_sample=True, top_p=1e-6, seed=5))
    assert sampled == list(stream(loaded, PROMPTS[0], max_new_tokens=8))
