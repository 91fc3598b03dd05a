"""The mask lab: the class paints what it would train, reveals, and tries a wrong mask on the spot. Knows controls."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from workbench.data.conversation import Conversation
from workbench.errors import WorkbenchError
from workbench.render import escape
from workbench.render.boxes import template_text
from workbench.render.mask_lab import Expected, Ramble, lab_html
from workbench.steps.mask_lab import MASKS, STEPS, LabStep
from workbench.steps.template import samples
from workbench.texts import text
from workbench.widgets.controls import key, put_options, row
from workbench.widgets.panel import Panel, area

_SHORT = 34  # letters of a question in the list


class MaskLab(Panel):
    """Show a conversation's tokens to paint; the truth; the loss of each; and what twenty steps make of the base.

    Args:
        conversation: what to look at; a short one without it.
        template: a named template; by default the tokenizer's own.
        other: a second one, whose tokens stand under the first's.
        lang, presenter: as in :class:`Panel`; on stage there is one row of controls, and all fits a screen.
    """

    name = "lab"
    hidden_on_stage = ("code", "undo", "reset")
    open_on_stage = ("conversation", "template", "other", "mask")

    def __init__(
        self,
        conversation: Conversation | None = None,
        template: str | None = None,
        other: str | None = None,
        *,
        lang: str | None = None,
        presenter: bool = False,
    ) -> None:
        step = LabStep(conversation, lang=lang, template=template, other=other)
        self._given = [conversation] if conversation is not None else []
        self._progress = (0, 0.0)
        super().__init__(step, lang=lang, presenter=presenter)
        self.root.add_class("wb-lab-panel")
        if presenter:
            self.root.add_class("wb-stage")

    # --- commands ---

    def try_out(self) -> None:
        """Train twenty steps with the chosen mask, in a thread."""
        self._progress = (0, 0.0)
        self.run_job(lambda: self.step.try_out(self._stepped))

    def look_at_base(self) -> None:
        """Compute what the base expects, in a thread."""
        self.run_job(self.step.look_at_base)

    def _stepped(self, step: int, loss: float) -> None:
        self._progress = (step, loss)

    # --- building ---

    def build(self) -> list[Any]:
        """Build one row of controls, and the tokens."""
        c = self.controls
        self._conversation, self._template, self._other = (ipw.Dropdown(options=[]) for _ in range(3))
        self._mask = ipw.Dropdown(options=[])
        self._words = c.html(live=True)
        self._view = c.html()
        bar = row(
            c.field("conversation", self._conversation, key("mask.conversation"), self._pick),
            c.field("template", self._template, key("mask.template"), lambda v: self.change(template=v)),
            c.field("other", self._other, key("lab.other_short"), lambda v: self.change(other=v or None)),
            c.field("mask", self._mask, key("lab.mask"), self._choose_mask),
            c.button("look", "bar-chart", key("lab.look"), self.look_at_base),
            c.button("try", "play", key("lab.try"), self.try_out, main=True),
            class_="wb-lab-controls",
        )
        return [bar, self._words, self._view]

    def _pick(self, index: int) -> None:
        self.change(conversation=self.choices[index])

    def _choose_mask(self, mask: str) -> None:
        self.attempt(lambda: self.step.choose_mask(mask))

    # --- filling ---

    def fill(self) -> None:
        """Fill settings into the controls, and draw."""
        self.controls.filled(self._fill_choices)
        self.controls.enable(**{"look": not self.busy, "try": not self.busy})
        try:
            area(self._view, self.picture_of())
        except WorkbenchError as error:
            area(self._view, "")
            self.fail(error)

    def _fill_choices(self) -> None:
        s = self.step.settings
        names = [(template_text(name, self.lang), name) for name in self.step.choices()]
        put_options(self._template, names, s.template or "chat_template")
        put_options(self._other, [(text("widgets.mask.no_other", self.lang), ""), *names], s.other or "")
        put_options(
            self._mask, [(text(f"widgets.lab.masks.{mask}", self.lang), mask) for mask in MASKS], self.step.mask
        )
        offered = [*self._given, *samples(self.lang), s.conversation]
        self.choices = [one for number, one in enumerate(offered) if one not in offered[:number]]
        options = [(one.question[:_SHORT], number) for number, one in enumerate(self.choices)]
        put_options(self._conversation, options, self.choices.index(s.conversation))

    def look(self) -> bool:
        """Say how far the steps are."""
        step, loss = self._progress
        said = ""
        if self.busy:
            counted = text("widgets.lab.trying", self.lang, step=step, of=STEPS, loss=loss)
            said = counted if step else text("widgets.lab.begun", self.lang)
        area(self._words, f"<p>{escape(said)}</p>" if said else "")
        return self.busy

    def picture_of(self) -> str:
        """Return the tokens, with what the models expect of each."""
        step, tried = self.step, self.step.tried.get(self.step.mask)
        rambles = []
        if step.tried:
            rambles = [Ramble(text("widgets.lab.untrained", self.lang), *step.base_answer)]
            rambles += [Ramble(self._trained(mask), one.answer, one.stopped) for mask, one in step.tried.items()]
        return lab_html(
            step.views(),
            base=self._expected(step.base),
            tuned=self._expected(tried.peek if tried else None),
            rambles=rambles,
            lang=self.lang,
        )

    def _trained(self, mask: str) -> str:
        return text("widgets.lab.answered", self.lang, mask=text(f"widgets.lab.masks.{mask}", self.lang))

    def _expected(self, peek: Any) -> Expected | None:
        if peek is None:
            return None
        decode = self.step.tokenizer().decode
        likely = [[(decode([id_]), share) for id_, share in row] for row in peek.likely]
        return Expected(peek.losses, likely)

    def picture(self) -> str:
        """Return the lab itself: it needs no kernel."""
        try:
            return self.picture_of()
        except WorkbenchError as error:
            return f"<p>{escape(error.say(self.lang))}</p>"
