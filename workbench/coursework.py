"""What a learner answered in the lessons: guesses and self-checks, small JSON files under ``my-work/answers``.

Knows the files, which a hand-in reads; nothing of how a question is asked. Each file is written whole or not at all.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.runs import read_json, saving, write_json

VERSION = 1
GUESS, QUIZ, STUDENT = "guess", "quiz", "student"
_NAME = re.compile(r"(\d{1,2})\.([a-z0-9][a-z0-9_-]*)")

Answer = float | int | bool | str | tuple[str, ...] | None  # None: "I do not know"


@dataclass(frozen=True, slots=True)
class Guess:
    """Hold what somebody expected, and, once it was compared, what it was.

    Args:
        lesson: the lesson's number.
        id: the question's name in it.
        ask: the question in words.
        guess: a number, a choice, several choices, or None for "I do not know".
        unit: of the number; empty for none.
        time: when it was given: ISO 8601, UTC.
        span: the least and the greatest that could be given; empty where there was no such range.
        choices: the answers there were to choose from; empty for a number.
        truth: what it was.
        of: of how many; None where that says nothing.
        compared: when the truth was seen; empty until then.
    """

    lesson: int
    id: str
    ask: str
    guess: Answer
    unit: str = ""
    time: str = ""
    span: tuple[float, ...] = ()
    choices: tuple[str, ...] = ()
    truth: Answer = None
    of: float | None = None
    compared: str = ""


@dataclass(frozen=True, slots=True)
class QuizTry:
    """Hold what somebody chose in one question of a self-check; only the first choice counts.

    Args:
        lesson: the lesson's number.
        id: the question's number in it.
        ask: the question in words.
        options: how many there are.
        choices: every choice in order, each the option's place in the lesson's source, from 0.
        right: whether the first choice was right.
        time: when it was made: ISO 8601, UTC.
    """

    lesson: int
    id: str
    ask: str
    options: int
    choices: tuple[int, ...]
    right: bool
    time: str = ""

    @property
    def choice(self) -> int:
        """Return the first choice."""
        return self.choices[0]

    @property
    def tries(self) -> int:
        """Count the choices."""
        return len(self.choices)


@dataclass(frozen=True, slots=True)
class Workbook:
    """Represent the folder of one learner's answers.

    Args:
        folder: where the files are; ``WORKBENCH_ANSWERS``, or ``my-work/answers`` of the current folder.
    """

    folder: Path = field(default_factory=lambda: Path(os.environ.get("WORKBENCH_ANSWERS") or "my-work/answers"))

    def guess(self, name: str) -> Guess | None:
        """Return the guess ``5.step``, or None where none was given.

        Raises:
            BadInput: no such name can be.
        """
        entry = read_json(self._file(name))
        return _guess(entry) if entry is not None else None

    def keep_guess(
        self,
        name: str,
        ask: str,
        guess: Answer,
        *,
        unit: str = "",
        span: tuple[float, ...] = (),
        choices: tuple[str, ...] = (),
    ) -> Guess:
        """Keep a guess; what was compared before is forgotten.

        Raises:
            Failed: no space, no permission.
        """
        lesson, id_ = parted(name)
        kept_guess = Guess(lesson, id_, ask, guess, unit, _now(), span, choices)
        self._write(name, _guess_record(kept_guess))
        return kept_guess

    def compare(self, name: str, truth: Answer, of: float | None = None) -> Guess | None:
        """Note what it was, the first time; None where nothing was guessed."""
        guess = self.guess(name)
        if guess is None or guess.compared:
            return guess
        record = {**_guess_record(guess), "truth": truth, "of": of, "compared": _now()}
        self._write(name, record)
        return _guess(record)

    def quiz(self, name: str) -> QuizTry | None:
        """Return what was chosen in the question ``5.quiz-1``."""
        entry = read_json(self._file(name))
        return _quiz(entry) if entry is not None else None

    def keep_try(self, name: str, ask: str, options: int, choice: int, *, right: bool) -> QuizTry:
        """Keep one more choice.

        Args:
            right: whether ``choice`` is right; only that of the first choice is kept.
        """
        before = self.quiz(name)
        lesson, id_ = parted(name)
        if before is None:
            before = QuizTry(lesson, id_.removeprefix("quiz-"), ask, options, (), right, _now())
        record = QuizTry(before.lesson, before.id, ask, options, (*before.choices, choice), before.right, before.time)
        self._write(name, _quiz_record(record))
        return record

    def student(self) -> str:
        """Return a random word of this learner's, made once."""
        file = self.folder / "student.json"
        entry = read_json(file)
        if entry is not None and isinstance(entry.get("id"), str):
            return str(entry["id"])
        word = secrets.token_hex(8)
        self._put(file, {"version": VERSION, "kind": STUDENT, "id": word})
        return word

    def _file(self, name: str) -> Path:
        lesson, id_ = parted(name)
        return self.folder / f"{lesson:02d}-{id_}.json"

    def _write(self, name: str, record: Mapping[str, Any]) -> None:
        self._put(self._file(name), record)

    def _put(self, file: Path, record: Mapping[str, Any]) -> None:
        with saving(file):
            file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, record)


def answers(work: str | Path = "my-work") -> tuple[list[Guess | QuizTry], list[str]]:
    """Return all that a learner answered, by lesson and name, and the files that could not be read as answers.

    Args:
        work: the folder ``my-work``, or the folder of the answers itself.
    """
    folder = Path(work)
    folder = folder / "answers" if (folder / "answers").is_dir() else folder
    entries: list[Guess | QuizTry] = []
    unread: list[str] = []
    for file in sorted(folder.glob("[0-9][0-9]-*.json")):
        record = read_json(file)
        entry = _entry(record) if record is not None else None
        if entry is None:
            unread.append(file.name)
        else:
            entries.append(entry)
    return entries, unread


def parted(name: str) -> tuple[int, str]:
    """Return the lesson and the question of a name such as ``5.step``.

    Raises:
        BadInput: it is no such name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise BadInput("kit.bad_name", given=name)
    return int(match[1]), match[2]


def _entry(record: Mapping[str, Any]) -> Guess | QuizTry | None:
    return _guess(record) or _quiz(record)


def _guess(record: Mapping[str, Any]) -> Guess | None:
    """The guess of a file, or None where it holds none of a version that is known."""
    if not _ours(record, GUESS) or "guess" not in record:
        return None
    span, of = record.get("span"), record.get("of")
    choices = record.get("choices")
    return Guess(
        int(record["lesson"]),
        str(record["id"]),
        str(record.get("ask", "")),
        _answer(record["guess"]),
        unit=str(record.get("unit", "")),
        time=str(record.get("time", "")),
        span=tuple(span) if isinstance(span, list) else (),
        choices=tuple(map(str, choices)) if isinstance(choices, list) else (),
        truth=_answer(record.get("truth")),
        of=of if isinstance(of, (int, float)) else None,
        compared=str(record.get("compared", "")),
    )


def _quiz(record: Mapping[str, Any]) -> QuizTry | None:
    choices, options = record.get("choices"), record.get("options", 0)
    if not _ours(record, QUIZ) or not isinstance(choices, list) or not choices or not isinstance(options, int):
        return None
    if not all(isinstance(choice, int) for choice in choices):
        return None
    return QuizTry(
        int(record["lesson"]), str(record["id"]), str(record.get("ask", "")), options,
        tuple(choices), bool(record.get("right")), str(record.get("time", "")),
    )  # fmt: skip


def _ours(record: Mapping[str, Any], kind: str) -> bool:
    named = isinstance(record.get("lesson"), int) and isinstance(record.get("id"), str)
    return named and record.get("kind") == kind and record.get("version") == VERSION


def _answer(value: Any) -> Answer:
    if isinstance(value, list):
        return tuple(map(str, value))
    return value if isinstance(value, (bool, int, float, str)) else None


def _guess_record(guess: Guess) -> dict[str, Any]:
    record: dict[str, Any] = {
        "version": VERSION, "kind": GUESS, "lesson": guess.lesson, "id": guess.id, "ask": guess.ask,
        "guess": guess.guess, "unit": guess.unit, "time": guess.time,
    }  # fmt: skip
    more = {"span": list(guess.span), "choices": list(guess.choices)}
    return {**record, **{key: value for key, value in more.items() if value}}


def _quiz_record(tried: QuizTry) -> dict[str, Any]:
    return {
        "version": VERSION, "kind": QUIZ, "lesson": tried.lesson, "id": tried.id, "ask": tried.ask,
        "options": tried.options, "choice": tried.choice, "choices": list(tried.choices), "tries": tried.tries,
        "right": tried.right, "time": tried.time,
    }  # fmt: skip


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
