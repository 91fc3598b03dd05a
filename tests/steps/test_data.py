"""The step of the conversations: what it makes is what training learns from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.data import Persona, read, write
from workbench.errors import BadInput, OutputExists
from workbench.steps import DataStep
from workbench.training.data import conversations


def small(**settings: object) -> DataStep:
    return DataStep(Persona("小芽", "林老师"), **{"count": 60, "ratio": 1.0, **settings})


def test_the_set_is_the_one_that_training_makes_of_the_same_settings() -> None:
    step = small()
    made, trained = step.make(), conversations(step.recipe())
    assert (made.train, made.held_out) == (trained.train, trained.held_out)


def test_the_set_is_made_once_and_again_after_a_change() -> None:
    step = small()
    first = step.make()
    assert step.make() is first
    step.change(seed=1)
    assert step.made is None
    assert step.make().train != first.train


def test_groups_tell_identity_from_general_and_the_languages() -> None:
    groups = small().make().groups()
    assert list(groups) == ["identity en", "identity zh", "general en", "general zh"]
    assert all(c.kind == "identity" and c.lang == "zh" for c in groups["identity zh"])


def test_the_counts_follow_the_ratio_without_making_the_set() -> None:
    step = small(ratio=3.0)
    assert (step.counts().identity, step.counts().general) == (60, 180)
    assert step.made is None


def test_a_generated_set_has_nothing_to_mend() -> None:
    assert small().findings() == []


def test_placeholders_of_a_file_are_found_mended_and_undone(tmp_path: Path) -> None:
    rows = [{"instruction": f"Who are you, {i}?", "output": "I am {{NAME}}, made by {{AUTHOR}}."} for i in range(8)]
    (tmp_path / "own.json").write_text(json.dumps(rows), encoding="utf-8")
    step = small(file=str(tmp_path / "own.json"), general=None)
    assert "placeholder_left" in [finding.code for finding in step.findings()]
    step.mend("placeholder_left")
    assert "placeholder_left" not in [finding.code for finding in step.findings()]
    assert step.make().own[0].answer == "I am 小芽, made by 林老师."
    step.undo()
    assert "{{NAME}}" in step.make().own[0].answer


def test_saving_writes_three_files_and_replaces_none_unasked(tmp_path: Path) -> None:
    step = small()
    files = step.save(tmp_path / "data")
    assert len(read(files["train"])) == len(step.make().train)
    with pytest.raises(OutputExists):
        step.save(tmp_path / "data")
    step.save(tmp_path / "data", overwrite=True)


def test_its_code_makes_the_same_own_conversations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    step = small()
    space: dict[str, object] = {}
    exec(compile(step.code(), "code", "exec"), space)
    assert space["own"] == list(step.make().own)
    assert (tmp_path / "train.jsonl").exists()


def test_the_check_of_a_generated_set_is_clean_whatever_is_mixed_in() -> None:
    step = DataStep(Persona("Sprout", "Lin"), ratio=4.0)
    assert step.findings("en") == []
    assert len(step.make().train) > 4 * len(step.make().own) * 0.8


def test_saving_never_overwrites_what_the_set_is_read_from(tmp_path: Path) -> None:
    source = tmp_path / "train.jsonl"
    write(list(small().make().own), source)
    before = source.read_bytes()
    for kind in ("file", "general"):
        step = small(**{kind: str(tmp_path / "." / "train.jsonl")})
        with pytest.raises(BadInput, match=r"train\.jsonl"):
            step.save(tmp_path, overwrite=True)
    assert source.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]
