"""A self-check: questions with answers to choose, each with its reason; the first choice counts. Knows controls and
the learner's answers; the right answer is known by its hash, so that it is not read in the cell."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as ipw

from workbench.coursework import QuizTry
from workbench.errors import BadInput
from workbench.render import escape
from workbench.render.lessons import Option, bare, inline, quiz_html
from workbench.texts import text
from workbench.widgets.asking import Piece

_DIGITS = 8


def key_of(lesson: int, number: int, option: str) -> str:
    """Return the key of a question whose right answer is ``option``."""
    return hashlib.sha256(f"{lesson}.{number}.{option}".encode()).hexdigest()[:_DIGITS]


class Quiz(Piece):
    """Ask the questions of a self-check, in an order of the answers that is each student's own.

    Args:
        lesson: the lesson's number.
        *questions: ``ask``, ``options`` (answer -> why it is right or wrong) and ``key``, which tells the right one.
        lang: the language of our own words.

    Raises:
        BadInput: a question without a right answer.
    """

    kind = "quiz"

    def __init__(self, lesson: int, *questions: Mapping[str, Any], lang: str | None = None) -> None:
        super().__init__(lang)
        student = self.workbook.student()
        self.questions = [
            _Question(self, lesson, number, question, student) for number, question in enumerate(questions, 1)
        ]
        self._score = ipw.HTML()
        self._score.add_class("wb-live")
        self.put(*(question.box for question in self.questions), self._score)
        self.show_score()

    def show_score(self) -> None:
        """Say how many were right at the first try, once each was tried."""
        tries = [question.tried for question in self.questions]
        if all(tries):
            right = sum(bool(entry and entry.right) for entry in tries)
            said = text("kit.score", self.lang, right=right, count=len(tries))
            self._score.value = f'<p class="wb-compared">{escape(said)}</p>'
        self.keep()

    def choose(self, number: int, option: int) -> None:
        """Choose an answer, by the question's number from 1 and the option's place in the source from 0."""
        self.attempt(lambda: self.questions[number - 1].choose(option))

    def picture(self) -> str:
        """Return all questions; each answer opens to its reason."""
        return "".join(question.picture() for question in self.questions) + str(self._score.value)


class _Question:
    """One question, its buttons, and what was chosen."""

    def __init__(self, quiz: Quiz, lesson: int, number: int, question: Mapping[str, Any], student: str) -> None:
        self._quiz, self.name, self.ask = quiz, f"{lesson}.quiz-{number}", str(question["ask"])
        self.options = [Option(str(say), str(why)) for say, why in question["options"].items()]
        keys = [key_of(lesson, number, option.say) for option in self.options]
        if question["key"] not in keys:
            raise BadInput("kit.bad_question", name=self.name, reason=text("kit.reason.key"))
        self.right = keys.index(question["key"])
        self.order = list(range(len(self.options)))
        random.Random(f"{student}.{self.name}").shuffle(self.order)
        self._buttons = {
            place: self._button(letter, place) for letter, place in zip("ABCDEF", self.order, strict=False)
        }
        self._reasons = {place: ipw.HTML() for place in self.order}
        for reason in self._reasons.values():
            reason.add_class("wb-live").add_class("wb-area")
        title = ipw.HTML(f'<p class="wb-ask">{inline(self.ask)}</p>')
        rows: list[Any] = [title]
        for place in self.order:
            rows += [self._buttons[place], self._reasons[place]]
        self.box = ipw.VBox(rows)
        self.box.add_class("wb-question")
        self._fill()

    @property
    def tried(self) -> QuizTry | None:
        """Return what was chosen so far."""
        return self._quiz.workbook.quiz(self.name)

    def _button(self, letter: str, place: int) -> Any:
        button = ipw.Button(description=f"{letter}.  {bare(self.options[place].say)}")
        button.add_class("wb-option")
        button.on_click(lambda _: self._quiz.attempt(lambda: self.choose(place)))
        return button

    def choose(self, place: int) -> None:
        """Choose the option; nothing more is counted once the right one was chosen."""
        before = self.tried
        if before is None or self.right not in before.choices:
            ask, count = self.ask, len(self.options)
            self._quiz.workbook.keep_try(self.name, ask, count, place, right=place == self.right)
        self._fill()
        self._quiz.show_score()

    def _fill(self) -> None:
        """Show the reason of each answer that was chosen."""
        tried = self.tried
        choices: Sequence[int] = tried.choices if tried else ()
        solved = self.right in choices
        for place, button in self._buttons.items():
            button.disabled = solved or place in choices
            for class_ in ("wb-is-right", "wb-is-wrong"):
                button.remove_class(class_)
            if place in choices:
                button.add_class("wb-is-right" if place == self.right else "wb-is-wrong")
                self._reasons[place].value = self._reason(place, solved=solved)

    def _reason(self, place: int, *, solved: bool) -> str:
        lang = self._quiz.lang
        mark = text("kit.right" if place == self.right else "kit.wrong", lang)
        more = "" if solved or place == self.right else f" {escape(text('kit.try_on', lang))}"
        return f'<p class="wb-why"><strong>{escape(mark)}</strong> {inline(self.options[place].why)}<em>{more}</em></p>'

    def picture(self) -> str:
        """Return it without a kernel."""
        tried = self.tried
        return quiz_html(self.ask, self.options, self.right, tried.choices if tried else (), self._quiz.lang)
