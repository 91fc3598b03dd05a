"""Parquet and saved datasets: what their cells hold is read as it is, or refused with the row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.cli import run
from workbench.data import read, write

FAR = 2**31 - 1  # days: the year 5 881 580


def parquet(folder: Path, **columns: Any) -> Path:
    import pyarrow
    from pyarrow import parquet as writer

    writer.write_table(pyarrow.table(columns), folder / "a.parquet")
    return folder / "a.parquet"


def refused(place: Path, capfd: pytest.CaptureFixture[str]) -> str:
    assert run(["data", "check", str(place)]) == 2
    return capfd.readouterr().err


def test_binary_columns_of_utf8_are_text(tmp_path: Path) -> None:
    file = parquet(tmp_path, instruction=[b"Hi"], output=["你好".encode()])
    assert [(c.question, c.answer) for c in read(file)] == [("Hi", "你好")]


def test_bytes_that_are_no_text_are_never_trained(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = parquet(tmp_path, text=[b"Once upon a time.", b"\xff\xfe\x00"])
    assert "row 2" in refused(file, capfd)


def test_bytes_beside_the_text_do_not_hinder_it(tmp_path: Path) -> None:
    file = parquet(tmp_path, instruction=["Hi"], output=["Hello"], embedding=[b"\xff\xfe"], group=[b"\xff"])
    made = read(file)
    assert [(c.question, c.answer, c.group) for c in made] == [("Hi", "Hello", "")]
    write(made, tmp_path / "b.jsonl")
    assert read(tmp_path / "b.jsonl")[0].meta["embedding"] == "<2 bytes>"


def test_two_columns_of_one_name_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import pyarrow
    from pyarrow import parquet as writer

    writer.write_table(pyarrow.Table.from_arrays([["a"], ["b"]], names=["text", "text"]), tmp_path / "a.parquet")
    assert "twice" in refused(tmp_path / "a.parquet", capfd)


@pytest.mark.parametrize("kind", ["date", "timestamp", "zone", "utf8"])
def test_a_cell_that_python_cannot_hold_names_its_row(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import pyarrow as pa

    columns = {
        "date": pa.array([0, FAR], pa.int32()).cast(pa.date32()),
        "timestamp": pa.array([0, 2**50], pa.int64()).cast(pa.timestamp("s")),
        "zone": pa.array([None, 0], pa.int64()).cast(pa.timestamp("s", tz="No/Where")),
        "utf8": pa.Array.from_buffers(
            pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")]
        ),
    }
    file = parquet(tmp_path, text=["Once.", "Twice."], more=columns[kind])
    assert "row 2" in refused(file, capfd)


def test_sounds_and_pictures_of_a_saved_dataset_are_left_alone(tmp_path: Path) -> None:
    """Audio needs a library that is not there; a list of pictures need not be pictures at all."""
    import pyarrow

    import datasets

    features = datasets.Features(
        text=datasets.Value("string"), sound=datasets.Audio(), pictures=datasets.Sequence(datasets.Image())
    )
    row = {
        "text": "Once upon a time.",
        "sound": {"bytes": b"no sound", "path": "a.wav"},
        "pictures": [{"bytes": b"no picture", "path": "a.png"}],
    }
    table = pyarrow.Table.from_pylist([row], schema=features.arrow_schema)
    held = datasets.Dataset(table, info=datasets.DatasetInfo(features=features))
    held.save_to_disk(tmp_path / "held")
    assert [c.answer for c in read(tmp_path / "held")] == ["Once upon a time."]


def test_the_rows_of_a_saved_dataset_are_counted_through_its_batches(tmp_path: Path) -> None:
    import datasets

    held = datasets.Dataset.from_dict({"text": [f"Text {n}." for n in range(2001)]})
    held.save_to_disk(tmp_path / "held")
    made = read(tmp_path / "held", limit=2001)
    assert (made[2000].answer, made[2000].source[-5:]) == ("Text 2000.", ":2001")
    assert len(read(tmp_path / "held", limit=1001)) == 1001
