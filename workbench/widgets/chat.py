"""The panel of before and after: the same question to several models, side by side, as the answers come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as ipw

from workbench.data.imaging import SUFFIXES
from workbench.data.picture import Picture
from workbench.render import AnswerRow, Answers, answers_html, escape, percent
from workbench.render.markup import answered, call_html, spoken_html, table, thought
from workbench.render.pictures import gallery_html
from workbench.runs import Run
from workbench.steps import ChatStep
from workbench.texts import listed, text
from workbench.widgets.controls import Ticks, folded, grid, key, put_options, row
from workbench.widgets.panel import Panel, area, joined

_MOST_KEPT = 20  # answered questions that stay under the panel


class ChatPanel(Panel):
    """Show before and after.

    Args:
        models: label -> model (``pocket``, a folder, a run, a loaded assistant); or a run, whose base, checkpoints and
            merged model are offered. A :class:`~workbench.steps.ChatStep` is taken as it is.
        question: what stands in the box at first.
        seed, temperature, max_new_tokens: of every answer alike.
        tools: names of the tools that each may call, ``"calculator,weekday"``.
        lang, presenter: as in :class:`Panel`.
    """

    name = "chat"
    hidden_on_stage = ("code", "undo", "sampling")
    open_on_stage = ("question", "suggestion", "shown", "picture")

    def __init__(
        self,
        models: Mapping[str, Any] | Run | str | Path | ChatStep | None = None,
        *,
        question: str = "",
        seed: int = 0,
        temperature: float = 0.0,
        max_new_tokens: int = 64,
        tools: str = "",
        lang: str | None = None,
        presenter: bool = False,
    ) -> None:
        if isinstance(models, ChatStep):
            step = models
        else:
            options: dict[str, Any] = {"seed": seed, "temperature": temperature, "max_new_tokens": max_new_tokens}
            options |= {"tools": tools}
            step = ChatStep(models, lang=lang, **options, **({"question": question} if question else {}))
        self.past: list[tuple[str, dict[str, str]]] = []
        self._progress, self._probing, self._known = (0, 0), False, ""
        super().__init__(step, lang=lang, presenter=presenter)

    # --- commands ---

    def ask(self, question: str | None = None) -> None:
        """Ask every model that is shown, in a thread."""
        if self.busy:
            return
        self._probing = False
        content = self._question.value if question is None else question
        self.attempt(lambda: self._begin(content))

    def _begin(self, question: str) -> None:
        self.step.change(question=question)
        self.step.cancelled.ready()
        self.run_job(self._ask)

    def _ask(self) -> None:
        for _ in self.step.ask():
            pass
        if self.step.asked:  # else a reset has forgotten it
            self.past = [*self.past, (self.step.asked, dict(self.step.answers))][-_MOST_KEPT:]

    def ask_all_probes(self) -> None:
        """Ask every probe of every model that is shown, in a thread."""
        if self.busy:
            return
        self._progress, self._probing = (0, 0), True
        self.step.cancelled.ready()
        self.run_job(lambda: self.step.ask_all_probes(self._count))

    def _count(self, answered: int, total: int) -> None:
        self._progress = (answered, total)

    def stop(self) -> None:
        """Stop answering; what was said stays."""
        self.step.cancel()

    # --- building ---

    def build(self) -> list[Any]:
        """Build question, models, buttons, answers."""
        c = self.controls
        self._models = c.add("shown", Ticks([]), setting=True)
        self._models.add_class("wb-buttons")
        self._models_title = c.html()
        c.say(
            self._models_title,
            "value",
            lambda lang: f'<p class="wb-label">{escape(text("widgets.chat.shown", lang))}</p>',
        )
        self._answers, self._probes, self._words = c.html(), c.html(), c.html(live=True)
        self._earlier = c.html()
        self._bar = ipw.IntProgress(min=0, max=1)
        self._bar.layout.width = "100%"
        buttons = row(
            c.button("ask", "paper-plane", key("chat.ask"), self.ask, main=True),
            c.button("stop", "stop", key("chat.stop"), self.stop),
            c.button("probes", "list-ol", key("chat.probes"), self.ask_all_probes),
            class_="wb-buttons",
        )
        return [
            self._question_fields(),
            c.add("picture", self._picture_field()),
            self._models_title,
            self._models,
            buttons,
            self._sampling(),
            self._words,
            self._bar,
            self._answers,
            self._probes,
            c.add("earlier", folded(self._earlier, c, key("chat.earlier"))),
        ]

    def _question_fields(self) -> Any:
        c = self.controls
        self._question = ipw.Text()  # what Enter asks is what stands there, so every letter is sent
        self._question.on_msg(self._typed)
        self._suggestion = ipw.Dropdown(options=[])
        suggest = c.field("suggestion", self._suggestion, key("chat.suggestion"), self._suggest)
        question = c.field("question", self._question, key("chat.question"), lambda _: None)
        return grid(question, suggest)

    def _picture_field(self) -> Any:
        """The picture that is shown with the question: chosen, dropped on the button, or pasted while it is in
        focus."""
        self._upload = ipw.FileUpload(accept=",".join(SUFFIXES), multiple=False)
        self._upload.observe(self._sent, names="value")
        self._upload.add_class("wb-takes-files")
        self._shown_pictures = self.controls.html()
        clear = self.controls.button("clear_picture", "times", key("chat.no_picture"), lambda: self._show_pictures(()))
        self.controls.say(self._upload, "description", key("chat.picture"))
        return row(self._upload, clear, self._shown_pictures, class_="wb-buttons")

    def _sent(self, change: dict[str, Any]) -> None:
        """What the browser sent, within the limits for strangers."""
        files = tuple(Picture(str(file["name"])[-80:], data=bytes(file["content"])) for file in change["new"])
        if files:
            self._upload.value = ()
            self._show_pictures(files)

    def _show_pictures(self, pictures: Sequence[Picture]) -> None:
        self.attempt(lambda: self.step.show(pictures))

    def _suggest(self, question: str) -> None:
        if question:
            self.change(question=question)

    def _typed(self, _: Any, message: dict[str, Any], __: Any) -> None:
        """Enter in the question's box asks it."""
        if message.get("event") == "submit":
            self.ask()

    def _sampling(self) -> Any:
        c = self.controls
        self._seed = ipw.BoundedIntText(min=0, max=2**31)
        self._temperature = ipw.BoundedFloatText(min=0, max=5, step=0.1)
        self._tokens = ipw.BoundedIntText(min=1, max=4096)
        self._system = ipw.Text(continuous_update=False)
        self._tools = ipw.Text(continuous_update=False)
        fields = grid(
            c.field("seed", self._seed, key("chat.seed"), lambda v: self.change(seed=v)),
            c.field("temperature", self._temperature, key("chat.temperature"), lambda v: self.change(temperature=v)),
            c.field(
                "max_new_tokens", self._tokens, key("chat.max_new_tokens"), lambda v: self.change(max_new_tokens=v)
            ),
            c.field("system", self._system, key("chat.system"), lambda v: self.change(system=v)),
            c.field("tools", self._tools, key("chat.tools"), lambda v: self.change(tools=v)),
        )
        return c.add("sampling", folded(fields, c, key("chat.sampling")))

    # --- filling ---

    def heard(self, what: str) -> None:
        """Show other models in other columns; after a reset nothing that was asked is kept."""
        if what == "reset":
            self.past, self._known = [], ""
        if what in ("models", "shown"):
            self.fill()
        super().heard(what)

    def fill(self) -> None:
        """Fill settings into the controls, answers under them."""
        self.step.refresh()
        self.controls.filled(self._fill_form)
        self._fill_models()
        idle = not self.busy
        self.controls.enable(ask=idle, probes=idle, stop=not idle, clear_picture=bool(self.step.images))
        area(self._shown_pictures, gallery_html(self.step.images, lang=self.lang))
        self._show()
        area(self._probes, self._probes_html())
        area(self._earlier, self._earlier_html())

    def _fill_form(self) -> None:
        s = self.step.settings
        suggested = [("–", ""), *((sample, sample) for sample in self.step.questions(self.lang))]
        put_options(self._suggestion, suggested, self._suggestion.value)
        if s.question != self._known:  # else somebody may be writing the next one
            self._question.value = self._known = s.question
        self._system.value, self._tools.value = s.system, s.tools
        self._seed.value, self._temperature.value, self._tokens.value = s.seed, s.temperature, s.max_new_tokens

    def _fill_models(self) -> None:
        """A box for each model, ticked where it is asked."""
        labels = self.step.labels
        if len(self._models.children) != len(labels):
            self._models.children = [ipw.Checkbox(indent=False) for _ in labels]
            for box in self._models.children:
                box.add_class("wb-tick")
                box.observe(self._ticked, names="value")
        for box, label in zip(self._models.children, labels, strict=True):
            box.description = self.step.label_text(label, self.lang)
            self.controls.put(box, label in self.step.settings.shown)

    def _ticked(self, _: Any) -> None:
        if not self.controls.filling:
            boxes = zip(self._models.children, self.step.labels, strict=True)
            self.change(shown=tuple(label for box, label in boxes if box.value))

    def look(self) -> bool:
        """Return the answers so far."""
        self._show()
        return self.busy

    def _show(self) -> None:
        answered, total = self._progress
        probing = self.busy and self._probing
        self._bar.layout.display = None if probing else "none"
        self._bar.max, self._bar.value = max(1, total), answered
        words = text("widgets.chat.probing", self.lang, done=answered, total=total) if probing and total else ""
        if self.busy and not words:
            words = text(
                "widgets.chat.answering" if any(self.step.answers.values()) else "widgets.chat.loading", self.lang
            )
        area(self._words, f'<p class="wb-soft">{escape(words)}</p>' if words else "")
        area(self._answers, self._answers_html())

    def _answers_html(self) -> str:
        """The question, and each answer under its model's name."""
        if not self.step.asked:
            return ""
        columns = "".join(
            f'<section class="wb-answer"><h4>{escape(self._label(label))}</h4>'
            f"{self._calls(label)}{thought(answer, self.lang)}<p>{answered(answer)}</p>{self._note(label)}</section>"
            for label, answer in self.step.answers.items()
        )
        pictures = gallery_html(self.step.images, lang=self.lang)
        question = f'<p class="wb-asked">{pictures}<strong>{spoken_html(self.step.asked)}</strong></p>'
        return f'{question}<div class="wb-columns">{columns}</div>'

    def _calls(self, label: str) -> str:
        """The calls of an answer, each folded under its tool's name."""
        cards = self.step.cards.get(label, ())
        return "".join(call_html(card.title(self.lang), card.body(self.lang), card.words) for card in cards)

    def _note(self, label: str) -> str:
        note = self.step.notes.get(label, "")
        return f'<p class="wb-soft" role="status">{escape(note)}</p>' if note else ""

    def _earlier_html(self) -> str:
        rows = [
            [
                spoken_html(question),
                "<br>".join(
                    f"<small>{escape(self._label(label))}</small> {answered(a)}" for label, a in answers.items()
                ),
            ]
            for question, answers in reversed(self.past)
        ]
        head = [escape(text(f"widgets.chat.{name}", self.lang)) for name in ("question", "answers")]
        return table(head, rows) if rows else ""

    def _label(self, label: str) -> str:
        return str(self.step.label_text(label, self.lang))

    def _probes_html(self) -> str:
        """The scores of each model, and every question with all answers."""
        rows = self.step.probed
        if not rows:
            return ""
        labels = tuple(rows[0].answers)
        scores = self.step.scores()
        kinds = [k for k in ("identity", "task", "general") if k != "task" or any(k in s for s in scores.values())]
        head = [
            text("widgets.chat.model", self.lang),
            *(text(f"render.kinds.{k}", self.lang) for k in kinds),
        ]
        shares = [
            [escape(self._label(label)), *(percent(scores.get(label, {}).get(k)) for k in kinds)] for label in labels
        ]
        answers = Answers(
            tuple(self._label(label) for label in labels),
            tuple(
                AnswerRow(row.question, tuple(row.answers.values()), row.kind, tuple(row.right.values()))
                for row in rows
            ),
        )
        summary = escape(text("widgets.chat.all_probes", self.lang, count=len(rows)))
        return joined(
            [
                table([escape(cell) for cell in head], shares, class_="wb-numbers"),
                f"<details><summary>{summary}</summary>{answers_html(answers, lang=self.lang)}</details>",
            ]
        )

    def picture(self) -> str:
        """Return the last answers, the probes, and what was asked before; of nothing asked, what would be."""
        return joined([self._answers_html() or self._ready_html(), self._probes_html(), self._earlier_html()])

    def _ready_html(self) -> str:
        s = self.step.settings
        shown = listed(map(self._label, s.shown), self.lang) or "–"
        who = f"{text('widgets.chat.shown', self.lang)}: {shown}"
        return f'<p class="wb-asked"><strong>{spoken_html(s.question)}</strong></p><p class="wb-soft">{escape(who)}</p>'
