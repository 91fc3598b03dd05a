"""What a learner answered is kept in small files, of which the first answer counts, and read back one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.coursework import Guess, QuizTry, Workbook, answers, parted
from workbench.errors import BadInput


@pytest.fixture
def workbook(tmp_path: Path) -> Workbook:
    return Workbook(tmp_path / "my-work" / "answers")


def test_a_guess_is_kept_as_the_format_says(workbook: Workbook) -> None:
    workbook.keep_guess("5.step", "At which step?", 24, span=(0, 84))
    record = json.loads((workbook.folder / "05-step.json").read_text(encoding="utf-8"))
    assert record.pop("time").endswith("+00:00")
    assert record == {
        "version": 1, "kind": "guess", "lesson": 5, "id": "step", "ask": "At which step?", "guess": 24, "unit": "",
        "span": [0, 84],
    }  # fmt: skip


@pytest.mark.parametrize("guess", [None, 0.25, True, "mixed", ("five", "mixed"), 3])
def test_every_kind_of_guess_comes_back_as_it_was(workbook: Workbook, guess: object) -> None:
    workbook.keep_guess("10.new-wording", "Which?", guess)  # type: ignore[arg-type]
    kept = workbook.guess("10.new-wording")
    assert kept is not None and kept.guess == guess and type(kept.guess) is type(guess)


def test_the_truth_is_noted_once_and_only_beside_a_guess(workbook: Workbook) -> None:
    assert workbook.compare("5.step", 42, 48) is None and not workbook.folder.exists()
    workbook.keep_guess("5.step", "At which step?", None)
    workbook.compare("5.step", 42, 48)
    again = workbook.compare("5.step", 7, 8)
    assert again is not None and (again.truth, again.of, again.guess) == (42, 48, None) and again.compared


def test_of_a_quiz_the_first_try_counts(workbook: Workbook) -> None:
    workbook.keep_try("5.quiz-1", "Why?", 3, 2, right=False)
    tried = workbook.keep_try("5.quiz-1", "Why?", 3, 1, right=True)
    assert (tried.choice, tried.choices, tried.tries, tried.right, tried.id) == (2, (2, 1), 2, False, "1")
    record = json.loads((workbook.folder / "05-quiz-1.json").read_text(encoding="utf-8"))
    assert (record["kind"], record["choice"], record["right"], record["tries"]) == ("quiz", 2, False, 2)


def test_all_answers_are_read_in_order_and_what_is_none_is_named(workbook: Workbook, tmp_path: Path) -> None:
    workbook.keep_guess("10.a", "A?", 1)
    workbook.keep_guess("4.b", "B?", 2)
    workbook.keep_try("4.quiz-1", "Q?", 3, 0, right=True)
    workbook.student()
    (workbook.folder / "07-broken.json").write_text("{", encoding="utf-8")
    (workbook.folder / "08-newer.json").write_text(
        '{"version": 2, "kind": "guess", "lesson": 8, "id": "x", "guess": 1}', encoding="utf-8"
    )
    entries, unread = answers(tmp_path / "my-work")
    assert [(entry.lesson, entry.id, type(entry)) for entry in entries] == [
        (4, "b", Guess), (4, "1", QuizTry), (10, "a", Guess)
    ]  # fmt: skip
    assert unread == ["07-broken.json", "08-newer.json"]


def test_a_students_word_is_made_once_and_is_their_own(tmp_path: Path) -> None:
    one, two = Workbook(tmp_path / "one"), Workbook(tmp_path / "two")
    assert one.student() == one.student() != two.student()


@pytest.mark.parametrize("name", ["step", "5.", "5.Step", "5.a/b", "../5.a", "500.a"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=r"5\.step"):
        parted(name)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("05-step", "span", 5), ("05-step", "choices", 5), ("05-step", "of", "all"), ("05-quiz-1", "options", "three")],
)
def test_a_field_of_another_kind_stops_nobody_who_reads(
    workbook: Workbook, name: str, field: str, value: object
) -> None:
    workbook.keep_guess("5.step", "When?", 24)
    workbook.keep_try("5.quiz-1", "Why?", 3, 1, right=True)
    file = workbook.folder / f"{name}.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), field: value}), encoding="utf-8")
    entries, unread = answers(workbook.folder)
    assert len(entries) + len(unread) == 2
