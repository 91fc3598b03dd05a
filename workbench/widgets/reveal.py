"""What opens after a guess, and how far off the guess was. Knows the learner's answers; nothing of what is shown."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import ipywidgets as ipw

from workbench.coursework import Answer, Guess
from workbench.render import escape
from workbench.render.lessons import closed_html, compared_html, compared_text
from workbench.widgets.asking import Piece, give_up, guesses, wait_for, words_of
from workbench.widgets.controls import row
from workbench.widgets.face import Face
from workbench.widgets.panel import Panel


class Reveal(Piece):
    """Keep something closed until it was guessed; "Run all" does not spoil it.

    What is printed can be kept closed too::

        with wb.Reveal(after="4.steps"):
            print(steps)

    Args:
        value: a panel, a value that draws itself as HTML, or a text.
        after: the question, or the questions, after which it opens.
        lang: the language of our own words.
    """

    kind = "reveal"
    scripts = Face.scripts

    def __init__(self, value: Any = None, *, after: str | Sequence[str], lang: str | None = None) -> None:
        super().__init__(lang)
        self.after = (after,) if isinstance(after, str) else tuple(after)
        self._content = value
        self._printed: io.StringIO | None = None
        self._open = False
        self._closed = ipw.HTML()
        self._button = row(self.button("open", self.open), class_="wb-buttons")
        wait_for(self.after, self)
        self.answered()

    @property
    def is_open(self) -> bool:
        """Tell whether all that it waits for was guessed."""
        return guesses(self.after, self.workbook) is not None

    def open(self) -> None:
        """Open it; what was not guessed counts as "I do not know"."""
        give_up(self.after, self.workbook)
        self.answered()

    def answered(self) -> None:
        """Open, where all was guessed."""
        if self.is_open:
            self._unfold()
        else:
            self._closed.value = closed_html(self._asks(), self.lang)
            self.put(self._closed, self._button)

    def _asks(self) -> list[str]:
        return [words_of(name, self.workbook) for name in self.after if self.workbook.guess(name) is None]

    def _unfold(self) -> None:
        if not self._open:
            self._open = True
            self.put(*self._inside())
            self.keep()

    def _inside(self) -> list[Any]:
        if isinstance(self._content, Panel):
            self._content.wake()
            return [self._content.root]
        if isinstance(self._content, Face):
            self._content.root.remove_class("wb-widget")
            return [self._content.root]
        if isinstance(self._content, ipw.Widget):
            return [self._content]
        area = ipw.HTML(self._html())
        area.add_class("wb-area")
        return [area]

    def _html(self) -> str:
        if self._printed is not None:
            return f"<pre>{escape(self._printed.getvalue())}</pre>"
        draw = getattr(self._content, "_repr_html_", None)
        return str(draw()) if draw else f"<pre>{escape(self._content)}</pre>"

    def picture(self) -> str:
        """Return what is inside, or, closed, for what it waits."""
        if not self.is_open:
            return closed_html(self._asks(), self.lang)
        return self._content.picture() if isinstance(self._content, Face) else self._html()

    def __enter__(self) -> Reveal:
        self._printed = io.StringIO()
        self._redirection = redirect_stdout(self._printed)
        self._redirection.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._redirection.__exit__(None, None, None)
        if self.is_open:
            self.put(*self._inside())
        from IPython.display import display

        display(self)


class Compare(Reveal):
    """Say what was guessed and what it was: "You guessed 24; it was 42 of 48." Closed until it was guessed.

    Args:
        name: the question, such as ``"5.step"``.
        truth: what it was; of a question with choices also their places, from 0, so that it holds in every language.
        of: of how many.
        lang: the language of our own words.
    """

    kind = "compare"
    scripts = ()

    def __init__(self, name: str, truth: Any, *, of: float | None = None, lang: str | None = None) -> None:
        self.name, self._of = name, of
        self._stated = truth
        super().__init__(after=name, lang=lang)

    def _truth(self, guess: Guess) -> Answer:
        """What it was, as it is kept: of choices their words."""
        several = isinstance(self._stated, (list, tuple, set))
        values = list(self._stated) if several else [self._stated]
        if guess.choices:
            values = [guess.choices[value] if isinstance(value, int) else str(value) for value in values]
        return tuple(map(str, values)) if several else _plain(values[0])

    def _html(self) -> str:
        guess = self.workbook.guess(self.name)
        assert guess is not None  # noqa: S101 — it is open
        truth = self._truth(guess)
        self.workbook.compare(self.name, truth, self._of)
        return compared_html(
            guess.ask or words_of(self.name, self.workbook), guess.guess, truth, of=self._of, unit=guess.unit,
            span=guess.span, lang=self.lang,
        )  # fmt: skip

    def __repr__(self) -> str:
        guess = self.workbook.guess(self.name)
        if guess is None:
            return f"Compare({self.name!r})"
        return compared_text(guess.guess, self._truth(guess), of=self._of, unit=guess.unit, lang=self.lang)


def _plain(value: Any) -> Any:
    """A number of Python's own for one of torch's or numpy's."""
    return value.item() if hasattr(value, "item") else value
