"""Facts about batches and the loss at trained tokens."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from workbench.models import Loaded, load
from workbench.models.batches import by_length, mean_loss, pad, summed_loss
from workbench.templates.packing import in_one_row
from workbench.templates.values import IGNORE_INDEX, Example


def example(length: int, trained: int, seed: int) -> Example:
    chance = random.Random(seed)
    ids = tuple(chance.randrange(5, 300) for _ in range(length))
    return Example(ids, (IGNORE_INDEX,) * (length - trained) + ids[length - trained :])


EXAMPLES = [example(12, 5, 1), example(30, 9, 2), example(7, 6, 3), example(21, 1, 4)]


@pytest.fixture(scope="module")
def loaded(tiny: Path) -> Loaded:
    return load(str(tiny), device="cpu")


def reference(loaded: Loaded, row: Example) -> float:
    """The library's own loss: the mean over the row's labels, with all logits."""
    import torch

    ids, labels = torch.tensor([row.input_ids]), torch.tensor([row.labels])
    with torch.no_grad():
        return float(loaded.model(input_ids=ids, labels=labels).loss) * row.trained


def test_the_loss_at_labels_only_is_the_library_s(loaded: Loaded) -> None:
    total, count = summed_loss(loaded.model, pad(EXAMPLES))
    assert count == sum(e.trained for e in EXAMPLES)
    assert float(total) == pytest.approx(sum(reference(loaded, e) for e in EXAMPLES), rel=1e-5)


def test_a_packed_row_has_the_loss_of_its_parts(loaded: Loaded) -> None:
    """No token attends across conversations: else the later ones' losses would change."""
    total, count = summed_loss(loaded.model, pad([in_one_row(EXAMPLES)]))
    assert count == sum(e.trained for e in EXAMPLES)
    assert float(total) == pytest.approx(sum(reference(loaded, e) for e in EXAMPLES), rel=1e-5)


def test_a_pad_token_that_is_the_end_of_turn_is_still_trained() -> None:
    """T1: padding is told by length, so a label with the pad's id stays."""
    batch = pad([Example((5, 0), (IGNORE_INDEX, 0)), Example((5, 6, 7), (IGNORE_INDEX, 6, 7))])
    assert batch["labels"].tolist() == [[IGNORE_INDEX, 0, IGNORE_INDEX], [IGNORE_INDEX, 6, 7]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]


def test_the_mean_loss_does_not_depend_on_how_it_is_cut(loaded: Loaded) -> None:
    whole = mean_loss(loaded.model, EXAMPLES)
    assert mean_loss(loaded.model, EXAMPLES, batch_tokens=1) == pytest.approx(whole, rel=1e-5)
    assert sum(reference(loaded, e) for e in EXAMPLES) / 21 == pytest.approx(whole, rel=1e-5)


def test_batches_by_length_hold_everything_once() -> None:
    batches = list(by_length(EXAMPLES, 40))
    assert sorted(len(e.input_ids) for b in batches for e in b) == [7, 12, 21, 30]
    assert all(len(b) == 1 or len(b) * max(len(e.input_ids) for e in b) <= 40 for b in batches)
