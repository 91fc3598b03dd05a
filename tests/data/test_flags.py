"""What a row says of its own training is done, or refused by name; never is it overlooked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.data import check, read
from workbench.errors import BadInput


def talk(place: Path, flag: dict, other: dict | None = None, **row: object) -> Path:
    answers = [
        {"role": "assistant", "content": "bad", **flag},
        {"role": "assistant", "content": "good", **(other or {})},
    ]
    turns = [{"role": "user", "content": "q1"}, answers[0], {"role": "user", "content": "q2"}, answers[1]]
    (place / "a.jsonl").write_text(json.dumps({"messages": turns, **row}))
    return place / "a.jsonl"


@pytest.mark.parametrize(
    "flag",
    [
        {"loss_weight": 0.0},
        {"lossWeight": 0},
        {"training": False},
        {"mask": True},
        {"masked": 1},
        {"loss": False},
        {"weight": 0},
        {"weight": "0"},
        {"loss": "false"},
        {"loss_scale": 0.0},
        {"train_on_turn": False},
        {"loss_mask": 0},
        {"trainable": "False"},
        {"ignore_loss": True},
        {"do-not-train": True},
        {"skip": "true"},
        {"是否训练": False},
        {"掩码": True},
    ],
)
def test_a_flag_of_any_usual_name_keeps_an_answer_from_training(flag: dict, tmp_path: Path) -> None:
    messages = read(talk(tmp_path, flag))[0].messages
    assert [message.train for message in messages] == [None, False, None, None]


@pytest.mark.parametrize("flag", [{"loss_weight": 1.0}, {"mask": False}, {"training": True}, {"skip": 0}])
def test_the_same_names_may_say_that_it_is_trained(flag: dict, tmp_path: Path) -> None:
    assert read(talk(tmp_path, flag))[0].messages[1].train is True


@pytest.mark.parametrize(
    "flag",
    [
        {"loss_weight": 0.5},
        {"mask": [[0, 4]]},
        {"loss_multiplier": 0.0},
        {"is_masked_out": True},
        {"train_detail": [{"begin": 0}]},
        {"loss": True, "mask": True},
        {"train": "no"},
        {"sft": False},
        {"gradient": 0},
        {"损失权重": 0.0},
    ],
)
def test_a_flag_that_cannot_be_done_is_refused_by_its_name(flag: dict, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"row 1: .*messages\[1\]") as caught:
        read(talk(tmp_path, flag))
    assert list(flag)[-1] in str(caught.value)


@pytest.mark.parametrize("field", [{"id": 0}, {"name": "x"}, {"loss_type": "sum"}, {"training_data": "v1"}])
def test_what_is_no_flag_is_kept(field: dict, tmp_path: Path) -> None:
    made = read(talk(tmp_path, field))[0]
    assert (made.messages[1].train, made.meta["message_extras"]) == (None, {"1": field})


def test_that_a_question_is_not_masked_asks_nothing(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "q", "mask": False}, {"role": "assistant", "content": "a", "mask": False}]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": turns}))
    assert [message.train for message in read(tmp_path / "a.jsonl")[0].messages] == [None, True]


@pytest.mark.parametrize("row", [{"train": False}, {"loss_weight": 0.0}, {"mask": "true"}])
def test_a_flag_of_the_row_holds_for_its_answers_that_say_nothing_themselves(row: dict, tmp_path: Path) -> None:
    made = read(talk(tmp_path, {}, {"train": True}, **row))
    assert [message.train for message in made[0].messages] == [None, False, None, True]
    silent = read(talk(tmp_path, {}, **row))
    assert "no_trained_token" in {finding.code for finding in check(silent)}


def test_a_row_that_is_to_be_trained_changes_nothing(tmp_path: Path) -> None:
    made = read(talk(tmp_path, {}, weight=1))[0]
    assert ([m.train for m in made.messages], made.meta) == ([None] * 4, {"weight": 1})
