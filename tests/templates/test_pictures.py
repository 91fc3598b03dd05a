"""A text model is never trained on the place of a picture, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.cli import run

TURNS = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat."}]
ROWS = [{"image": "a.jpg", "conversations": TURNS}, {"conversations": [{"from": "human", "value": "Hi"}, TURNS[1]]}]


@pytest.mark.parametrize("options", [[], ["--template", "zephyr"]])
def test_a_row_with_a_picture_is_left_out_and_counted(
    options: list[str], tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    assert run(["encode", str(tmp_path / "a.json"), "--model", str(tiny), *options]) == 0
    assert "1 left out: it has pictures, which a text model cannot see (row 1)" in capsys.readouterr().err


def test_where_all_have_pictures_nothing_is_left(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ROWS[:1]))
    assert run(["encode", str(tmp_path / "a.json"), "--model", str(tiny)]) == 2
    assert "pictures" in capsys.readouterr().err


def test_the_mask_of_a_picture_is_refused_in_one_sentence(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    assert run(["mask", str(tmp_path / "a.json"), "--model", str(tiny), "--row", "1"]) == 2
    assert "has pictures" in capsys.readouterr().err


def test_the_check_counts_them_for_a_model(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    assert run(["data", "check", str(tmp_path / "a.json"), "--model", str(tiny), "--json"]) == 0
    found = {finding["code"]: finding["rows"] for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert found["pictures_unseen"] == [1]
