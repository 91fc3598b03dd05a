"""What a file may take once it is read: each bound is one sentence, and a bomb never reaches this process's memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.cli import run
from workbench.data import apart, limits, read
from workbench.data.limits import SHARED, Limits, serve_others
from workbench.errors import BadData

ROW = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
posix = pytest.mark.skipif(os.name == "nt", reason="pipes and links")


@pytest.fixture(autouse=True)
def own() -> Iterator[None]:
    """What a test puts in force ends with it."""
    yield
    limits._in_force.clear()


def force(**changed: float) -> None:
    values = {"decoded": 10**6, "memory": 10**9, "rows": 1000, "columns": 50, "cell": 10**5, "seconds": 60.0}
    limits._in_force[:] = [Limits(**(values | changed))]  # type: ignore[arg-type]


def key(path: Path) -> str:
    with pytest.raises(BadData) as caught:
        read(path)
    assert path.name in str(caught.value) and "\n" in str(caught.value)
    return caught.value.key


def table(path: Path, rows: int, cell: int) -> Path:
    """A text once in the file, and in every row."""
    import pyarrow as pa
    from pyarrow import parquet

    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["a" * cell]))
    parquet.write_table(pa.table({"text": column}), path, compression="zstd")
    assert path.stat().st_size < 20_000
    return path


def test_a_text_a_million_times_is_not_unpacked_to_the_end(tmp_path: Path) -> None:
    import psutil

    bomb = table(tmp_path / "bomb.parquet", 20_000, 100_000)  # two gigabytes
    before = psutil.Process().memory_info().rss
    serve_others()
    assert key(bomb) == "data.unpacks_too_large"
    assert psutil.Process().memory_info().rss - before < 150_000_000
    long = table(tmp_path / "long.parquet", 20_000, 2_000_000)  # forty gigabytes
    assert key(long) == "data.too_long_text"


def test_what_one_page_unpacks_to_is_refused_by_the_system(tmp_path: Path) -> None:
    serve_others()
    assert key(table(tmp_path / "page.parquet", 1, 300_000_000)) == "data.unpacks_too_large"


def test_unpacking_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    force(seconds=0.01)
    assert key(table(tmp_path / "slow.parquet", 10, 10)) == "data.unpacks_too_long"


def test_on_a_persons_own_machine_a_bomb_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(apart, "ALWAYS", 10_000_000)
    assert run(["data", "check", str(table(tmp_path / "bomb.parquet", 20_000, 100_000))]) == 2
    assert "far more than its size tells" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("large.jsonl", (json.dumps(ROW) + "\n") * 20_000, "data.too_large"),
        ("rows.jsonl", (json.dumps(ROW) + "\n") * 1_001, "data.too_many_rows"),
        ("rows.csv", "text\n" + "a\n" * 1_001, "data.too_many_rows"),
        ("rows.txt", "a\n\n" * 1_001, "data.too_many_rows"),
        ("rows.json", "[" + ",".join(["{}"] * 1_001) + "]", "data.too_many_rows"),
        ("columns.json", json.dumps([{f"c{i}": 1 for i in range(51)}]), "data.too_many_columns"),
        ("columns.csv", ",".join(f"c{i}" for i in range(51)) + "\n" + "1," * 50 + "1", "data.too_many_columns"),
        ("cell.jsonl", json.dumps({"text": "a" * 100_001}), "data.too_long_text"),
        ("inner.jsonl", json.dumps({"messages": [{"role": "user", "content": "a" * 100_001}]}), "data.too_long_text"),
        ("cell.txt", "a" * 100_001, "data.too_long_text"),
        ("deep.json", "[" * 100_000, "data.too_deep"),
        ("deep.jsonl", '{"a":' * 100_000, "data.too_deep"),
    ],
)
def test_each_bound_is_a_sentence(name: str, content: str, expected: str, tmp_path: Path) -> None:
    force()
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert key(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("objects.json", "[" + ",".join(["{}"] * 300_000) + "]"),
        ("lists.jsonl", '{"messages":[' + ",".join(["[]"] * 300_000) + "]}"),
        ("texts.json", '["' + '","'.join(["ab"] * 300_000) + '"]'),
        ("numbers.json", "[" + ",".join(["1000"] * 300_000) + "]"),
        ("keys.json", "{" + ",".join(f'"{i}":1' for i in range(300_000)) + "}"),
        ("cells.csv", "text\n" + "a\n" * 300_000),
        ("lines.txt", "a\n\n" * 300_000),
    ],
)
def test_what_would_fill_the_memory_is_told_before_it_is_made(name: str, content: str, tmp_path: Path) -> None:
    force(decoded=10**8, memory=8_000_000, rows=10**7)
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert key(tmp_path / name) == "data.too_much_memory"


def test_a_row_of_a_million_fields_is_refused_before_it_is_made(tmp_path: Path) -> None:
    serve_others()
    (tmp_path / "wide.jsonl").write_text("{" + ", ".join(f'"{n}": {n}' for n in range(1_000_000)) + "}")
    assert key(tmp_path / "wide.jsonl") == "data.too_much_memory"


def test_what_people_upload_is_well_within_what_a_server_takes(tmp_path: Path) -> None:
    serve_others()
    words = "Well, then, as it is — 好的，没问题 😀. " * 20
    row = {"messages": [{"role": "user", "content": words}, {"role": "assistant", "content": words}] * 3}
    file = tmp_path / "own.jsonl"
    file.write_text((json.dumps(row, ensure_ascii=False) + "\n") * 2_000, encoding="utf-8")
    assert file.stat().st_size > 10_000_000
    limits.check_text(file.read_text(encoding="utf-8"), file.name)
    assert len(read(file, limit=5)) == 5


@posix
@pytest.mark.parametrize("name", ["zero.jsonl", "zero.parquet", "zero.csv", "zero"])
def test_a_device_is_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to("/dev/zero")
    assert key(tmp_path / name) == "data.no_ordinary_file"


@posix
@pytest.mark.parametrize("name", ["pipe.jsonl", "pipe.parquet", "pipe.txt"])
def test_a_pipe_is_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    assert key(tmp_path / name) == "data.no_ordinary_file"


@posix
def test_a_folder_is_read_only_within(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.jsonl", tmp_path / "folder"
    folder.mkdir()
    for file in (outside, folder / "inside.jsonl"):
        file.write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    (folder / "same.jsonl").symlink_to("inside.jsonl")
    assert len(read(folder)) == 2
    (folder / "other.jsonl").symlink_to("../outside.jsonl")
    with pytest.raises(BadData, match="leads out of its folder"):
        read(folder)
    (folder / "other.jsonl").unlink()
    os.mkfifo(folder / "pipe.jsonl")
    with pytest.raises(BadData, match="no ordinary file"):
        read(folder)


def test_a_datasets_folder_names_only_its_own_files(tmp_path: Path) -> None:
    import datasets

    folder = tmp_path / "set"
    datasets.Dataset.from_list([ROW] * 3).save_to_disk(str(folder))
    assert len(read(folder)) == 3
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    state["_data_files"] = [{"filename": "../../elsewhere.arrow"}]
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(BadData, match="leads out of its folder"):
        read(folder)


def test_of_a_wide_table_nothing_is_unpacked(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    serve_others()
    parquet.write_table(pa.table({f"c{i}": ["x"] for i in range(1_001)}), tmp_path / "wide.parquet")
    assert key(tmp_path / "wide.parquet") == "data.too_many_columns"


def test_reading_apart_is_left_off_when_enough_was_heard(tmp_path: Path) -> None:
    import psutil

    file = table(tmp_path / "many.parquet", 50_000, 50)
    assert len(read(file, limit=3)) == 3
    heard = apart.rows("parquet", file, "many", None)
    assert next(heard).value == {"text": "a" * 50}
    heard.close()  # type: ignore[attr-defined]
    assert not [child for child in psutil.Process().children() if "workbench.data.apart" in child.cmdline()]


def test_every_page_reads_within_the_bounds_of_a_server() -> None:
    assert SHARED.decoded <= 50_000_000 and SHARED.memory <= 250_000_000
    apps = Path(__file__).parents[2] / "apps"
    for page in (
        "studio/app.py",
        "assistant_gradio/app.py",
        "assistant_streamlit/app.py",
        "assistant_streamlit/page.py",
    ):
        assert "serve_others()" in (apps / page).read_text(encoding="utf-8"), page
