"""The panel of templates and the mask: which tokens are trained, and what serving sends."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from workbench.data.conversation import Conversation
from workbench.errors import WorkbenchError
from workbench.render import compare_html, escape, mask_html
from workbench.render.boxes import template_text
from workbench.steps import TemplateStep
from workbench.steps.template import LOSS_ON, samples
from workbench.templates.thoughts import THINKING
from workbench.texts import text
from workbench.widgets.controls import Ticks, folded, grid, key, put_options, row
from workbench.widgets.panel import Panel, area


class MaskPanel(Panel):
    """Show a conversation, token by token.

    Args:
        conversation: what is looked at first; a short one without it. A :class:`~workbench.steps.TemplateStep` is
            taken as it is.
        model: whose tokenizer.
        template: a named template; None for the tokenizer's own.
        other: a second one to set beside it; ``chat_template`` is the tokenizer's own.
        loss_on: what is trained: ``assistant``, ``last`` or ``all``.
        max_length: tokens to cut to.
        conversations: more to choose from.
        lang, presenter: as in :class:`Panel`.
    """

    name = "mask"
    hidden_on_stage = ("code", "undo", "paste")
    open_on_stage = ("conversation", "template", "other", "loss_on")

    def __init__(
        self,
        conversation: Conversation | TemplateStep | None = None,
        *,
        model: str = "pocket",
        template: str | None = None,
        other: str | None = None,
        loss_on: str = "assistant",
        max_length: int | None = None,
        conversations: list[Conversation] | None = None,
        lang: str | None = None,
        presenter: bool = False,
    ) -> None:
        if isinstance(conversation, TemplateStep):
            step = conversation
        else:
            options: dict[str, Any] = {
                "template": template,
                "other": other,
                "loss_on": loss_on,
                "max_length": max_length,
            }
            step = TemplateStep(conversation, model=model, lang=lang, **options)
        first = step.settings.conversation
        self._first = [*([] if first in step.samples else [first]), *(conversations or [])]
        self._given = list(self._first)
        self.choices: list[Conversation] = []
        super().__init__(step, lang=lang, presenter=presenter)

    def offer(self, conversations: list[Conversation]) -> None:
        """Offer other conversations to choose from, in the place of those that were given at first."""
        pasted = self._given[len(self._first) :]
        self._first = list(conversations)
        self._given = [*self._first, *pasted]
        self.controls.filled(self._fill_choices)

    # --- building ---

    def build(self) -> list[Any]:
        """Build choices, the answers to toggle, the view."""
        self._view = self.controls.html()
        self._toggles = self.controls.add("toggles", Ticks([]), setting=True)
        self._toggles.layout.flex_flow = "column"
        return [self._choose(), self._paste(), self._toggles, self._view]

    def _choose(self) -> Any:
        c = self.controls
        self._conversation = ipw.Dropdown(options=[])
        self._model = ipw.Text(continuous_update=False)
        self._template, self._other = ipw.Dropdown(), ipw.Dropdown()
        self._loss_on = ipw.Dropdown()
        self._max_length = ipw.Text(continuous_update=False, placeholder="–")
        self._system, self._thinking = ipw.Text(continuous_update=False, placeholder="keep"), ipw.Dropdown()
        return grid(
            c.field("conversation", self._conversation, key("mask.conversation"), self._pick),
            c.field("model", self._model, key("mask.model"), lambda v: self.change(model=v.strip() or "pocket")),
            c.field("template", self._template, key("mask.template"), lambda v: self.change(template=v)),
            c.field("other", self._other, key("mask.other"), lambda v: self.change(other=v or None)),
            c.field("loss_on", self._loss_on, key("mask.loss_on"), lambda v: self.change(loss_on=v)),
            c.field("max_length", self._max_length, key("mask.max_length"), self._cut),
            c.field("system", self._system, key("mask.system"), lambda v: self.change(system=v.strip() or "keep")),
            c.field("thinking", self._thinking, key("mask.thinking"), lambda v: self.change(thinking=v)),
        )

    def _paste(self) -> Any:
        self._pasted = ipw.Textarea(rows=4)
        c = self.controls
        wording = key("mask.paste")
        c.say(self._pasted, "placeholder", key("mask.paste_example"))
        box = c.field("pasted", self._pasted, key("mask.pasted"), lambda _: None)
        button = c.button("take", "check", key("mask.take"), self._take)
        return c.add("paste", folded(ipw.VBox([box, row(button, class_="wb-buttons")]), c, wording))

    # --- commands ---

    def _pick(self, index: int) -> None:
        self.change(conversation=self.choices[index])

    def _take(self) -> None:
        self.attempt(lambda: self._add(self.step.paste(self._pasted.value)))

    def _add(self, conversation: Conversation) -> None:
        if conversation not in self._given:
            self._given.append(conversation)
        self.controls.filled(self.fill)

    def _cut(self, limit: str) -> None:
        from workbench.steps import field

        self.attempt(lambda: self.step.change(max_length=field("max_length").read(limit) if limit.strip() else None))

    # --- filling ---

    def heard(self, what: str) -> None:
        """Note that a reset forgets what was pasted too."""
        if what == "reset":
            self._pasted.value, self._given = "", list(self._first)
        super().heard(what)

    def fill(self) -> None:
        """Fill settings into the controls, and the view."""
        self.controls.filled(self._fill_choices)
        self._fill_toggles()
        try:
            area(self._view, self._drawn())
        except WorkbenchError as error:
            area(self._view, "")
            self.fail(error)

    def _fill_choices(self) -> None:
        s = self.step.settings
        names = self.step.choices()
        options = [(template_text(name, self.lang), name) for name in names]  # a choice of None would be shown empty
        put_options(self._template, options, s.template or "chat_template")
        put_options(self._other, [(text("widgets.mask.no_other", self.lang), ""), *options], s.other or "")
        put_options(
            self._loss_on, [(text(f"render.mask.loss_on.{choice}", self.lang), choice) for choice in LOSS_ON], s.loss_on
        )
        self._model.value, self._max_length.value = s.model, str(s.max_length or "")
        self._system.value = "" if s.system == "keep" else s.system
        thoughts = [(text(f"widgets.mask.thinking_as.{choice}", self.lang), choice) for choice in THINKING]
        put_options(self._thinking, thoughts, s.thinking)
        conversations, bare = [*self._given, *samples(self.lang)], _untrained(s.conversation)
        conversations = [
            conversation
            for number, conversation in enumerate(conversations)
            if conversation not in conversations[:number]
        ]
        self.choices = conversations if bare in map(_untrained, conversations) else [s.conversation, *conversations]
        options = [(_short(conversation, self.lang), number) for number, conversation in enumerate(self.choices)]
        index = next(i for i, conversation in enumerate(self.choices) if _untrained(conversation) == bare)
        put_options(self._conversation, options, index)

    def _fill_toggles(self) -> None:
        """A button for each answer, pressed where it is trained; none where every token is trained anyhow."""
        s, answers = self.step.settings, self._answers()
        if s.loss_on == "all" or not answers:
            self._toggles.children = []
            return
        if len(self._toggles.children) != len(answers):
            self._toggles.children = [ipw.Checkbox(indent=False) for _ in answers]
            for number, box in enumerate(self._toggles.children):
                box.observe(lambda change, number=number: self._toggle(number, change["new"]), names="value")
        for number, (box, index) in enumerate(zip(self._toggles.children, answers, strict=True), 1):
            opening = _begun(s.conversation.messages[index].content, 48)
            box.description = text("widgets.mask.toggle", self.lang, number=number, words=opening)
            self.controls.put(box, self.step.trained(index))

    def _answers(self) -> list[int]:
        """Where in the conversation the answers stand."""
        return [index for index, m in enumerate(self.step.settings.conversation.messages) if m.role == "assistant"]

    def _toggle(self, number: int, checked: bool) -> None:
        """The same box may stand for another message by now."""
        if not self.controls.filling:
            self.attempt(lambda: self.step.toggle(self._answers()[number], checked))

    def _drawn(self) -> str:
        compared = self.step.comparison()
        if compared is not None:
            return compare_html(compared, lang=self.lang, embedded=True)
        return mask_html(self.step.view(), lang=self.lang, embedded=True)

    def picture(self) -> str:
        """Return the view itself: it needs no kernel."""
        try:
            return self._drawn()
        except WorkbenchError as error:
            return f"<p>{escape(error.say(self.lang))}</p>"


def _short(conversation: Conversation, lang: str) -> str:
    """A conversation as an item to choose: its question, and what it has beyond a question and an answer."""
    roles = [m.role for m in conversation.messages]
    answers = roles.count("assistant")
    parts = [text(f"widgets.mask.has_{role}", lang) for role in ("system", "tool") if role in roles]
    parts += [] if answers == 1 else [text("widgets.mask.has_answers", lang, count=answers)]
    return " · ".join([_begun(conversation.question, 36), *parts])


def _begun(content: str, most: int) -> str:
    """Words on one line, cut at a sign that says so."""
    line = " ".join(content.split())
    return line if len(line) <= most else line[:most] + "…"


def _untrained(conversation: Conversation) -> tuple[tuple[str, str], ...]:
    return tuple((m.role, m.content) for m in conversation.messages)
