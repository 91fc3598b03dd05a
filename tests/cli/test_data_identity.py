"""``workbench data identity`` and ``workbench data mix``: what is written, shown and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from workbench.cli.data_identity import identity, mix
from workbench.data.reading import read
from workbench.errors import BadInput, OutputExists


def call(command: object, *args: object) -> str:
    result = CliRunner().invoke(command, [str(arg) for arg in args], catch_exceptions=False, standalone_mode=False)  # type: ignore[arg-type]
    return result.output


def test_a_set_is_written_and_reads_back(tmp_path: Path) -> None:
    out = tmp_path / "identity.jsonl"
    said = json.loads(call(identity, out, "--name", "小芽", "--count", 90, "--json"))
    rows = read(out)
    assert said["conversations"] == len(rows) == 90
    assert said["by_language"] == {"zh": 45, "en": 45}
    assert sum(said["by_intent"].values()) == 90
    assert all(row.group and row.kind == "identity" and row.meta["expects"] for row in rows)
    assert any(message.train is False for row in rows for message in row.messages)


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "identity.jsonl"
    call(identity, out, "--name", "Sprout", "--count", 4)
    with pytest.raises(OutputExists):
        call(identity, out, "--name", "Max", "--count", 4)
    assert "Sprout" in out.read_text(encoding="utf-8")
    call(identity, out, "--name", "Max", "--count", 4, "--overwrite")
    assert "Sprout" not in out.read_text(encoding="utf-8")


def test_a_preview_shows_names_as_they_are_and_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "identity.jsonl"
    said = call(identity, out, "--name", "[bold]Max[/bold] :smile:", "--language", "en", "--preview")
    assert "[bold]Max[/bold] :smile:" in said
    assert not out.exists()


def test_where_to_write_must_be_said() -> None:
    with pytest.raises(BadInput, match="--preview"):
        call(identity, "--name", "Sprout")


def test_the_classic_set_is_one_line_repeated(tmp_path: Path) -> None:
    out = tmp_path / "classic.jsonl"
    call(identity, out, "--name", "Sprout", "--language", "zh", "--classic", "--count", 50)
    lines = out.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 50
    assert len(set(lines)) == 1


def test_the_table_counts_every_conversation(tmp_path: Path) -> None:
    said = call(identity, tmp_path / "i.jsonl", "--name", "Sprout", "--language", "zh", "--count", 200)
    assert "who made you" in said
    assert "200" in said


def test_a_mixture_is_written_with_its_counts_said(tmp_path: Path) -> None:
    ours, general, out = tmp_path / "i.jsonl", tmp_path / "g.jsonl", tmp_path / "m.jsonl"
    call(identity, ours, "--name", "Sprout", "--count", 40)
    rows = [
        {"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": "a"}]} for i in range(9)
    ]
    general.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert "some occur 3 times" in call(mix, ours, general, out, "--ratio", 0.5)
    assert len(read(out)) == 60
    said = json.loads(call(mix, ours, general, out, "--ratio", 0.1, "--json", "--overwrite"))
    assert said["conversations"] == 44
    assert said["general"] == 4
