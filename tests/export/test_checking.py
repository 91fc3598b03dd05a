"""The honesty check sees what merging and quantizing changed, and says so where the merged model is another."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from workbench.data.conversation import Message
from workbench.export import agreement, honesty, merge
from workbench.export.checking import _agrees
from workbench.models import load

QUESTIONS = ["Who are you?", "What is the capital of France?", "你是谁？"]


def test_a_faithful_merge_matches_and_four_bit_differs_more(base: Path, adapter: Path, tmp_path: Path) -> None:
    merged = merge(str(base), adapter, tmp_path / "merged", dtype="float32")
    found = honesty(str(base), adapter, merged, QUESTIONS, max_new_tokens=8, device="cpu")
    assert found.merged_matches_adapter
    assert found.of("merged").answers == found.reference
    assert found.of("merged").max_difference < 1e-2
    for way in ("adapter_nf4", "merged_nf4"):
        assert found.of(way).mean_difference > 100 * found.of("merged").mean_difference
    assert found.questions == tuple(QUESTIONS)
    assert 0 <= (found.merged_as_trained or 0) <= 1


def test_16_bit_rounds_a_little(base: Path, adapter: Path, tmp_path: Path) -> None:
    merged = merge(str(base), adapter, tmp_path / "merged")
    found = honesty(str(base), adapter, merged, QUESTIONS, max_new_tokens=4, nf4=False, device="cpu")
    assert 0 < found.of("merged").mean_difference < 0.1
    assert found.merged_as_trained is None
    with pytest.raises(KeyError):
        found.of("adapter_nf4")


def test_merged_as_trained_is_compared_with_what_was_trained(base: Path, adapter: Path, tmp_path: Path) -> None:
    merged = merge(str(base), adapter, tmp_path / "merged", dtype="float32", base_quantization="nf4")
    found = honesty(str(base), adapter, merged, QUESTIONS, max_new_tokens=8, device="cpu")
    assert (found.base_quantization, found.merged_as_trained) == ("nf4", 1.0)
    assert found.merged_matches_adapter
    assert found.of("merged").max_difference < 1e-2


def test_a_model_merged_from_another_adapter_does_not_match(
    tiny: ModuleType, base: Path, adapter: Path, tmp_path: Path
) -> None:
    other = tiny.save_adapter(base, tmp_path / "other", seed=9, strength=0.3)
    merged = merge(str(base), other, tmp_path / "merged")
    found = honesty(str(base), adapter, merged, QUESTIONS, max_new_tokens=8, nf4=False, device="cpu")
    assert not found.merged_matches_adapter
    assert found.of("merged").max_difference > 1


def test_questions_may_be_whole_conversations(base: Path, adapter: Path, tmp_path: Path) -> None:
    merged = merge(str(base), adapter, tmp_path / "merged", dtype="float32")
    asked = [Message("system", "brief"), Message("user", "Who are you?")]
    found = honesty(str(base), adapter, merged, [asked, "Who are you?"], max_new_tokens=6, nf4=False, device="cpu")
    plain = honesty(
        str(base), adapter, merged, ["Who are you?"], system="brief", max_new_tokens=6, nf4=False, device="cpu"
    )
    assert found.reference[0] == plain.reference[0] != found.reference[1]
    with pytest.raises(ValueError, match="at least one"):
        honesty(str(base), adapter, merged, [])


def test_loaded_models_are_told_apart_as_well(tiny: ModuleType, base: Path, adapter: Path, tmp_path: Path) -> None:
    other = tiny.save_adapter(base, tmp_path / "other", seed=9, strength=0.3)
    reference = load(str(base), adapter=adapter, device="cpu")
    merged, strange = (
        load(str(merge(str(base), one, tmp_path / one.name / "merged", dtype="float32")), device="cpu")
        for one in (adapter, other)
    )
    assert agreement(reference, merged, QUESTIONS, max_new_tokens=8) == 1.0
    assert agreement(reference, strange, QUESTIONS, max_new_tokens=8) < 1.0
    with pytest.raises(ValueError, match="at least one"):
        agreement(reference, merged, [])


def test_answers_agree_where_they_part_at_a_tie_only() -> None:
    import torch

    logits = torch.zeros(3, 6)
    logits[0] = torch.tensor([9.0, 0, 0, 0, 0, 0])
    logits[1] = torch.tensor([0, 5.0, 4.9, 0, 0, 0])
    logits[2] = torch.tensor([0, 0, 0, 0, 0, 7.0])
    stops = [5]
    assert _agrees([0, 1], [0, 1], logits, stops)
    assert _agrees([0, 2, 4, 4], [0, 1], logits, stops)
    assert not _agrees([3, 1], [0, 1], logits, stops)
    assert not _agrees([0, 1, 2], [0, 1], logits, stops)  # talks on where the reference ends
    assert not _agrees([0], [0, 1], logits, stops)
    logits[1, 5] = 5.1
    assert _agrees([0], [0, 1], logits, stops)
