"""What all pieces of a lesson have: where answers are kept, and who waits for which. Knows the files of a learner's
answers and ipywidgets; nothing of one kind of question."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as ipw

from workbench.coursework import Guess, Workbook, parted
from workbench.environment import prepare
from workbench.errors import WorkbenchError
from workbench.render import escape, root
from workbench.texts import language, text
from workbench.widgets.face import Face, panel_styles

_waiting: dict[str, weakref.WeakSet[Any]] = {}  # name of a question -> what opens when it is answered
_asks: dict[str, str] = {}  # name of a question -> its words, of those that were asked here


class Piece(Face):
    """Show a piece of a lesson: small, without head and foot.

    Args:
        kind: ``predict``, ``quiz``, ``reveal`` or ``compare``.
        lang: ``en`` or ``zh``; by default as ``WORKBENCH_LANG`` or the system says.
    """

    kind = ""
    scripts: tuple[str, ...] = ()

    def __init__(self, lang: str | None) -> None:
        prepare()
        super().__init__(language(lang))
        self.workbook = Workbook()
        self.root.add_class("wb-piece").add_class(f"wb-{self.kind}")
        self._styles = ipw.HTML(panel_styles())
        self._card = ipw.HTML()

    def put(self, *children: Any) -> None:
        """Show these, under what went wrong, if anything did."""
        self.root.children = [self._styles, *children, self._card]

    @property
    def title(self) -> str:
        """Return what it is called."""
        return text(f"kit.{self.kind}_title", self.lang)

    def picture(self) -> str:
        """Return what there is to see, as HTML for the static view."""
        raise NotImplementedError

    def static_html(self) -> str:
        """Return what the saved notebook shows where no kernel lives."""
        return panel_styles() + root(self.picture(), lang=self.lang, class_=f"wb-piece wb-{self.kind}")

    def attempt(self, work: Callable[[], Any]) -> None:
        """Do something for a person; what goes wrong is shown under it."""
        self._card.value = ""
        try:
            work()
        except WorkbenchError as error:
            say, do = escape(error.say(self.lang)), escape(error.do(self.lang))
            self._card.value = f'<div class="wb-error" role="alert"><p>{say}</p><p>{do}</p></div>'

    def button(self, key: str, press: Callable[[], None], *, main: bool = False) -> Any:
        """Return a button with the words ``kit.key``."""
        button = ipw.Button(description=text(f"kit.{key}", self.lang), button_style="primary" if main else "")
        button.add_class("wb-button")
        button.on_click(lambda _: self.attempt(press))
        return button


def announce(name: str, ask: str) -> None:
    """Note the words of a question, for those that wait for it."""
    parted(name)
    _asks[name] = ask


def words_of(name: str, workbook: Workbook) -> str:
    """Return the words of a question: as asked here, else as kept with its answer; empty where it is not known."""
    if name in _asks:
        return _asks[name]
    guess = workbook.guess(name)
    return guess.ask if guess else ""


def wait_for(names: Sequence[str], waiter: Any) -> None:
    """Have ``waiter.answered()`` called when one of these questions is answered."""
    for name in names:
        _waiting.setdefault(name, weakref.WeakSet()).add(waiter)


def answered(name: str) -> None:
    """Tell all that wait for a question that it was answered."""
    for waiter in list(_waiting.get(name, ())):
        waiter.answered()


def give_up(names: Sequence[str], workbook: Workbook) -> None:
    """Answer what was not guessed with "I do not know"."""
    missing = [name for name in names if workbook.guess(name) is None]
    for name in missing:
        workbook.keep_guess(name, words_of(name, workbook), None)
    for name in missing:
        answered(name)


def guesses(names: Sequence[str], workbook: Workbook) -> list[Guess] | None:
    """Return the guesses of all these questions, or None where one is missing."""
    entries = [workbook.guess(name) for name in names]
    return None if None in entries else [entry for entry in entries if entry is not None]
