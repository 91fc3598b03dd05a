"""``workbench data check`` and ``convert``: options that belong together, rows that a template refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.cli import run

ALPACA = {"instruction": "Hi", "input": "", "output": "Hello"}
TOOLS = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
    "tools": [{"type": "function", "function": {"name": "add"}}],
}


def lines(place: Path, *rows: object) -> str:
    place.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(place)


def test_rows_that_the_template_refuses_are_findings_like_others(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lines(tmp_path / "a.jsonl", TOOLS)
    assert run(["data", "check", file, "--model", str(tiny), "--template", "zephyr", "--json"]) == 0
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["code"], finding["rows"]) == ("template_refuses", [1])
    assert "uses tools" in finding["message"]
    assert "--drop" not in finding["remedy"]  # the rows may be sound


def test_a_named_format_holds_for_the_validation_set_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = ALPACA | {"messages": [{"role": "user", "content": "Ho"}, {"role": "assistant", "content": "Ha"}]}
    file, held = lines(tmp_path / "a.jsonl", two), lines(tmp_path / "b.jsonl", two)
    assert run(["data", "check", file, "--validation", held, "--format", "alpaca", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [f["code"] for f in found] == ["leakage_between_train_and_validation"]
    drop = ["--drop", "leakage_between_train_and_validation"]
    assert run(["data", "convert", file, f"{file}.jsonl", "--validation", held, "--format", "alpaca", *drop]) == 2
    assert "would be left" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--max-length", "9"], ["--template", "zephyr"]])
@pytest.mark.parametrize("command", [["check"], ["convert", "OUT"]])
def test_what_counts_tokens_needs_a_model(
    option: list[str], command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lines(tmp_path / "a.jsonl", ALPACA)
    out = [str(tmp_path / "b.jsonl")] if "OUT" in command else []
    assert run(["data", command[0], file, *out, *option]) == 2
    said = capsys.readouterr().err
    assert option[0] in said
    assert "--model" in said
