"""The lessons as nbgrader takes them: its own facts of each cell, hidden tests, and nothing else changed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

COURSE = Path(__file__).resolve().parents[2] / "course"
SOURCES = sorted(COURSE.glob("*/[0-9][0-9]-*.md"))
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS\n?", re.DOTALL)

all_sources = pytest.mark.parametrize("source", SOURCES, ids=lambda path: f"{path.parent.name}/{path.stem}")


def facts(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell["metadata"]["nbgrader"] for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]


def text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


@all_sources
def test_what_is_said_of_a_cell_is_what_nbgrader_takes(build: ModuleType, source: Path) -> None:
    records = facts(build.graded(source))
    for record in records:
        assert set(record) - {"points"} == {"schema_version", "grade_id", "grade", "locked", "solution", "task"}
        assert record["schema_version"] == 3 and type(record["schema_version"]) is int
        assert all(type(record[name]) is bool for name in ("grade", "locked", "solution", "task"))
        assert re.fullmatch(r"[A-Za-z0-9_-]+", record["grade_id"])
        assert ("points" in record) == record["grade"] and record.get("points", 0) >= 0
        assert not (record["solution"] and record["locked"])
    names = [record["grade_id"] for record in records]
    assert len(names) == len(set(names))


@all_sources
def test_the_format_is_that_of_notebooks(build: ModuleType, source: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.reads(json.dumps(build.graded(source)), as_version=4))


@all_sources
def test_claims_are_tested_and_hidden_and_the_learners_cells_are_their_own(build: ModuleType, source: Path) -> None:
    graded, plain = build.graded(source), build.notebook(source)
    learners = [HIDDEN.sub("", text(cell)) for cell in graded["cells"]]
    pieces = build.parts(source)[1]
    for kind, piece in pieces:
        if kind == "claim":
            assert not any(
                line in seen for seen in learners for line in piece.splitlines() if line.startswith("assert")
            )
    tests = [c for c in graded["cells"] if c["metadata"].get("nbgrader", {}).get("grade") and c["cell_type"] == "code"]
    assert len(tests) == sum(kind == "claim" for kind, _ in pieces) + 1
    assert all(HIDDEN.search(text(cell)) and HIDDEN.sub("", text(cell)).startswith("# ") for cell in tests)
    free = [text(cell) for cell in graded["cells"] if "nbgrader" not in cell["metadata"]]
    assert [t for t in free[:-1] if t not in map(text, plain["cells"])] == []


@all_sources
def test_a_self_check_counts_a_point_a_question_and_the_task_is_graded_by_hand(build: ModuleType, source: Path) -> None:
    notebook = build.graded(source)
    asked = sum(len(build.questions(piece)) for kind, piece in build.parts(source)[1] if kind == "quiz")
    by_name = {record["grade_id"].rpartition("-")[2]: record for record in facts(notebook)}
    assert by_name["check"]["points"] == asked > 0
    assert by_name["words"]["solution"] and by_name["words"]["grade"] and not by_name["words"]["locked"]


def test_the_self_checks_points_are_what_was_right_at_the_first_try(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.coursework import Workbook

    monkeypatch.chdir(tmp_path)
    book = Workbook(Path("my-work/answers"))
    for name, choice in (("5.quiz-1", 0), ("5.quiz-2", 1), ("5.quiz-2", 0), ("4.quiz-1", 0)):
        book.keep_try(name, "?", 3, choice, right=choice == 0)
    *statements, last = build.CHECKED.format(lesson=5).splitlines()
    names: dict[str, Any] = {}
    exec("\n".join(statements), names)
    assert eval(last, names) == 1


def test_every_lesson_is_written_and_links_to_its_neighbour(build: ModuleType, tmp_path: Path) -> None:
    files = build.write_graded(tmp_path)
    assert len(files) == len(SOURCES)
    for file in files:
        assert file.parent.name == file.stem and file.parents[1].name == "source"
        last = text(json.loads(file.read_text(encoding="utf-8"))["cells"][-1])
        for link in re.findall(r"\]\(([^)]+)\)", last):
            assert (file.parent / link).resolve() in {each.resolve() for each in files}


def test_without_a_folder_one_sentence_says_what_is_missing(build: ModuleType, capsys: Any) -> None:
    assert build.main(["--nbgrader"]) == 2
    assert "needs a folder" in capsys.readouterr().err
