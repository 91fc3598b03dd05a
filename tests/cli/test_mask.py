from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from workbench.cli import run

ROWS = [
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]},
    {"messages": [{"role": "user", "content": "你是谁？"}, {"role": "assistant", "content": "我是小芽🌱。"}]},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), encoding="utf-8")
    return path


def test_json_gives_each_token_with_its_label(file: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["mask", str(file), "--row", "2", "--model", str(tiny), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert "".join(group["text"] for group in shown["groups"]) == shown["text"]
    trained = [token for token in shown["tokens"] if token["trained"]]
    assert {token["role"] for token in trained} == {"assistant"}
    assert all(token["label"] == (token["id"] if token["trained"] else -100) for token in shown["tokens"])
    assert shown["counts"]["trained"] == len(trained)
    assert shown["served"]["is_prefix"] is True


def test_a_column_of_the_row_that_is_not_read_is_said(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(json.dumps({**ROWS[0], "rejected": worse}) for worse in ("", "Go away.")))
    for row, lang, expected in (("1", "en", False), ("2", "en", True), ("2", "zh", True)):
        assert run(["mask", str(path), "--row", row, "--model", str(tiny), "--json", "--lang", lang]) == 0
        output = capsys.readouterr()
        assert (". " in output.err) == (expected and lang == "en")
        assert ("rejected" in output.err) == expected and json.loads(output.out)


def test_the_terminal_marks_what_is_trained(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--question", "Hi", "--answer", "Yo", "--model", str(tiny)]
    assert run(["mask", *given]) == 0
    words = "".join(capsys.readouterr().out.split())
    assert "‹Y·o·<|im_end|>›" in words


def test_a_page_is_written_and_stands_alone(file: Path, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "mask.html"
    given = [str(file), "--model", str(tiny), "--html", str(out), "--lang", "zh", "--compare-template", "zephyr"]
    assert run(["mask", *given]) == 0
    page = out.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "两个模板并排对照" in page


def test_rows_are_counted_as_data_check_counts_them(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gaps.jsonl"
    file.write_text("\n\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    assert run(["mask", str(file), "--row", "3", "--model", str(tiny), "--json"]) == 0
    assert "你是谁" in json.loads(capsys.readouterr().out)["text"]
    assert run(["mask", str(file), "--row", "2", "--model", str(tiny)]) == 2
    assert "row 2: the line is empty" in capsys.readouterr().err
    assert run(["mask", str(file), "--row", "4", "--model", str(tiny)]) == 2
    assert "it has 3" in capsys.readouterr().err
    (tmp_path / "other.jsonl").write_text(json.dumps(ROWS[0]), encoding="utf-8")
    assert run(["mask", str(tmp_path), "--row", "2", "--model", str(tiny), "--json"]) == 0
    assert "你是谁" in json.loads(capsys.readouterr().out)["text"]


def test_neither_the_source_nor_another_file_is_written_over_unasked(file: Path, tiny: Path, tmp_path: Path) -> None:
    before, page = file.read_bytes(), tmp_path / "page.html"
    page.write_text("mine")
    assert run(["mask", str(file), "--model", str(tiny), "--html", str(file), "--overwrite"]) == 2
    assert run(["mask", str(file), "--model", str(tiny), "--html", str(page)]) == 2
    assert (file.read_bytes(), page.read_text()) == (before, "mine")
    assert run(["mask", str(file), "--model", str(tiny), "--html", str(page), "--overwrite"]) == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_standard_input_is_read(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = json.dumps(ROWS[0]).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line), encoding="utf-8"))
    assert run(["mask", "-", "--model", str(tiny), "--json"]) == 0
    assert "Hello." in json.loads(capsys.readouterr().out)["text"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "neither a file nor a question"),
        (["--question", "Hi"], "--answer"),
        (["FILE", "--question", "Hi", "--answer", "Yo"], "no file"),
        (["FILE", "--row", "9"], "has no row 9; it has 2"),
        (["FILE", "--template", "zephir"], "zephyr"),
    ],
)
def test_bad_input_is_said_in_a_sentence(
    given: list[str], said: str, file: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(file) if word == "FILE" else word for word in given]
    assert run(["mask", *given, "--model", str(tiny)]) == 2
    assert said in capsys.readouterr().err
