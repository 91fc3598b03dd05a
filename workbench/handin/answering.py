"""What a learner answered in the lessons, as a card has it. Knows how the lessons keep it; writes none of it."""

from __future__ import annotations

from pathlib import Path

from workbench import coursework
from workbench.coursework import Guess, QuizTry
from workbench.handin.values import Answered
from workbench.runs import read_json


def answers(work: Path) -> tuple[list[Answered], list[str]]:
    """Return all answers in a learner's folder, by lesson and name, and the files that could not be read.

    Args:
        work: the folder ``my-work``, or that of the answers itself.
    """
    entries, unread = coursework.answers(work)
    return sorted(map(_answered, entries), key=lambda entry: (entry.lesson, entry.kind, entry.id)), unread


def student(work: Path) -> str:
    """Return the random word of the learner's folder, which the lessons made once; empty where there is none."""
    record = read_json(work / "answers" / "student.json") or read_json(work / "student.json") or {}
    word = record.get("id")
    return word if isinstance(word, str) else ""


def _answered(entry: Guess | QuizTry) -> Answered:
    if isinstance(entry, Guess):
        truth = entry.truth if entry.compared else None
        return Answered(entry.lesson, entry.id, coursework.GUESS, entry.ask, entry.guess, truth, time=entry.time)
    return Answered(
        entry.lesson, entry.id, coursework.QUIZ, entry.ask, entry.choice, None, entry.right, entry.tries, entry.time
    )
