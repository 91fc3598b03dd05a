"""A question before something is shown: a slider, a number, or choices. Knows controls and the learner's answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as ipw

from workbench.coursework import Answer, Guess
from workbench.errors import BadInput
from workbench.render.lessons import SHARE, bare, guess_html, inline
from workbench.runs.files import number
from workbench.texts import text
from workbench.widgets.asking import Piece, announce, answered, wait_for
from workbench.widgets.controls import row

_PAIR = 2
_FEW = 4  # a range of whole numbers that is longer is gone through in ones


class Predict(Piece):
    """Ask what somebody expects, and keep it under ``my-work/answers``. "I do not know" is an answer.

    Args:
        name: lesson and question, such as ``"5.step"``.
        ask: the question in words.
        slider: the least and the greatest value, and the step between two; without it a number is typed.
        choices: the answers to choose from, in place of a number.
        many: whether several may be chosen.
        unit: of the number, such as ``"s"``; ``"%"`` shows a number from 0 to 1 in per cent.
        lang: the language of our own words.

    Raises:
        BadInput: no such question can be asked.
    """

    kind = "predict"

    def __init__(
        self,
        name: str,
        ask: str,
        *,
        slider: Sequence[float] | None = None,
        choices: Sequence[str] = (),
        many: bool = False,
        unit: str = "",
        lang: str | None = None,
    ) -> None:
        super().__init__(lang)
        announce(name, ask)
        self.name, self.ask, self.unit = name, ask, unit
        self._span = _checked(name, slider, choices)
        self._choices, self._many = tuple(map(str, choices)), many
        self._control = self._controls(slider)
        self._touched = False
        for control in getattr(self._control, "children", ()) or [self._control]:
            control.observe(self._touch, names="value")
        self._asked = ipw.HTML(f'<p class="wb-ask">{inline(ask)}</p>')
        self._said = ipw.HTML()
        self._said.add_class("wb-live")
        press = self.button("guess", lambda: self.guess(self._value()), main=True)
        pass_ = self.button("do_not_know", lambda: self.guess(None))
        self._buttons = row(press, pass_, class_="wb-buttons")
        wait_for([name], self)
        self.answered()

    @property
    def given(self) -> Guess | None:
        """Return the guess that was given, or None."""
        return self.workbook.guess(self.name)

    @property
    def value(self) -> Answer:
        """Return what was guessed; None where nothing was, or "I do not know"."""
        guess = self.given
        return guess.guess if guess else None

    def guess(self, value: Answer) -> None:
        """Keep a guess; the first one counts."""
        if self.given is None:
            self.workbook.keep_guess(self.name, self.ask, value, unit=self.unit, span=self._span, choices=self._choices)
        answered(self.name)

    def take(self) -> None:
        """Take the controls as they stand for the guess; untouched, they say "I do not know"."""
        if self.given is None:
            self.attempt(lambda: self.guess(self._value() if self._touched else None))

    def _touch(self, _: Any) -> None:
        self._touched = True

    def answered(self) -> None:
        """Show the guess in place of the controls."""
        guess = self.given
        if guess is None:
            self.put(self._asked, self._control, self._buttons, self._said)
            return
        self._said.value = guess_html("", guess.guess, given=True, unit=self.unit, lang=self.lang).replace(
            '<p class="wb-ask"></p>', ""
        )
        self.put(self._asked, self._said)
        self.keep()

    def picture(self) -> str:
        """Return the question and the guess."""
        guess = self.given
        return guess_html(
            self.ask, guess.guess if guess else None, given=guess is not None, unit=self.unit, lang=self.lang
        )

    def _controls(self, slider: Sequence[float] | None) -> Any:
        if self._choices and self._many:
            boxes = [ipw.Checkbox(description=bare(choice), indent=False, value=False) for choice in self._choices]
            return ipw.VBox(boxes)
        if self._choices:
            options = [(bare(choice), choice) for choice in self._choices]
            radio = ipw.RadioButtons(options=options, value=None, description=text("kit.choose", self.lang))
            radio.add_class("wb-above").add_class("wb-radio")
            radio.layout.width = "auto"
            return radio
        if slider is None:
            control = ipw.Text(description=text("kit.number", self.lang), continuous_update=False)
        else:
            control = self._slider(slider)
        control.add_class("wb-above")
        control.layout.width = "auto"
        return control

    def _slider(self, slider: Sequence[float]) -> Any:
        scale = self._scale
        low, high = (round(value * scale, 9) for value in slider[:_PAIR])
        counted = all(float(value).is_integer() for value in (low, high)) and high - low > _FEW
        step = round(slider[_PAIR] * scale, 9) if len(slider) > _PAIR else 1 if counted else (high - low) / 100
        whole = all(float(value).is_integer() for value in (low, high, step))
        label = text("kit.number", self.lang) + (f" ({self.unit})" if self.unit else "")
        middle = low + round((high - low) / 2 / step) * step
        if whole:
            return ipw.IntSlider(int(middle), int(low), int(high), int(step), description=label)
        return ipw.FloatSlider(middle, min=low, max=high, step=step, description=label, readout_format=".3g")

    @property
    def _scale(self) -> int:
        """By how much a slider's number is the greater: a share is set, and typed beside it, in per cent."""
        return 100 if self.unit == SHARE else 1

    def _value(self) -> Answer:
        if self._choices and self._many:
            return tuple(choice for choice, box in zip(self._choices, self._control.children, strict=True) if box.value)
        value = self._control.value
        if self._choices:
            return str(value) if value is not None else None
        return _number(value) if isinstance(value, str) else value / self._scale if self._scale > 1 else value


def _number(typed: str) -> float | int | None:
    """
    Raises:
        BadInput: it is no number.
    """
    line = typed.strip().replace("，", ".").replace(",", ".")
    share = line.endswith(("%", "％"))
    try:
        value = number(float(line.rstrip("%％ ")))
    except ValueError:
        value = None
    if value is None:
        raise BadInput("kit.not_a_number", given=typed)
    value = value / 100 if share else value
    return int(value) if value.is_integer() else value


def _checked(name: str, slider: Sequence[float] | None, choices: Sequence[str]) -> tuple[float, ...]:
    """The span of a slider, empty without one.

    Raises:
        BadInput: neither slider nor choices can be shown.
    """
    if slider is not None and not (len(slider) >= _PAIR and slider[0] < slider[1]):
        raise BadInput("kit.bad_question", name=name, reason=text("kit.reason.slider"))
    if len(choices) == 1:
        raise BadInput("kit.bad_question", name=name, reason=text("kit.reason.choices"))
    return tuple(slider[:_PAIR]) if slider is not None else ()
