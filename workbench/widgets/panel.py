"""What all panels have: a head, an error card, a static view, two languages, a presenter's mode. Knows ipywidgets and
the shape of a step; nothing of any one step.

A panel has two faces: the live widget, and the HTML that the saved notebook shows where no kernel lives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as ipw

from workbench.environment import prepare
from workbench.errors import Interrupted
from workbench.render import escape, root
from workbench.steps import as_workbench_error
from workbench.texts import language, text
from workbench.widgets.controls import Controls, folded, key, row
from workbench.widgets.face import Face, panel_styles
from workbench.widgets.live import Job, Ticker, in_a_job

_PATIENCE = 10  # looks in a row that may fail before a panel gives up


class Panel(Face):
    """Show a step's face in a notebook; show it by making it the last line of a cell.

    Args:
        step: the step; whatever the panel does, the step can do without it.
        lang: ``en`` or ``zh``; by default as ``WORKBENCH_LANG`` or the system says. There is a switch in the panel.
        presenter: large type, and settings that cannot be changed by accident.
    """

    name = ""
    hidden_on_stage: tuple[str, ...] = ("code", "undo")
    open_on_stage: tuple[str, ...] = ()  # settings that a presenter may still change

    def __init__(self, step: Any, *, lang: str | None = None, presenter: bool = False) -> None:
        prepare()
        super().__init__(language(lang))
        self.step = step
        self.controls = Controls(language(lang))
        self.presenter = presenter
        self.ticker = Ticker(self.tick)
        self.job: Job | None = None
        self._unheard: deque[str] = deque()
        self._failed: list[BaseException] = []  # of the last looks, in a row
        self._error: BaseException | None = None
        self._card = self.controls.html()
        self._code = ipw.HTML()
        self.body = ipw.VBox([])
        self.root.children = [ipw.HTML(panel_styles()), self._head(), self._card, self.body, self._foot()]
        if presenter:
            self.root.add_class("wb-large")
        self.body.children = self.build()
        self.step.subscribe(self._heard)
        self.fill()
        if presenter:
            self.controls.lock(but=self.open_on_stage)
            self.controls.hide(self.hidden_on_stage)
        self.wake()

    # --- what a panel of a step defines ---

    def build(self) -> list[Any]:
        """Return the widgets between head and foot."""
        raise NotImplementedError

    def fill(self) -> None:
        """Put the step's settings and results into the controls."""

    def look(self) -> bool:
        """Show what is new of something that is under way; whether more is to come."""
        return False

    def picture(self) -> str:
        """Return what there is to see, as HTML for the static view."""
        raise NotImplementedError

    # --- for teachers ---

    @property
    def title(self) -> str:
        """Return what it is called."""
        return text(f"widgets.{self.name}.title", self.lang)

    @property
    def lang(self) -> str:
        """Return the language that it speaks."""
        return self.controls.lang

    def speak(self, lang: str) -> None:
        """Speak another language."""
        self.controls.speak(language(lang))
        self._turn(self.lang)
        self.controls.put(self.controls.named["language"], self.lang)
        self.fill()
        if self._card.value and self._error is not None:
            self.fail(self._error)

    def lock(self, *names: str) -> None:
        """Lock controls: they are seen but cannot be changed; without names all settings."""
        self.controls.lock(names or None)

    def unlock(self, *names: str) -> None:
        """Undo :meth:`lock`."""
        self.controls.unlock(names or None)

    def hide(self, *names: str) -> None:
        """Take controls away."""
        self.controls.hide(names)

    def show(self, *names: str) -> None:
        """Undo :meth:`hide`; without names, for all."""
        self.controls.show(names or None)

    def reset(self) -> None:
        """Go back to how it was at first; what lies on the disk stays."""
        self.attempt(self.step.reset)

    # --- doing ---

    def attempt(self, work: Callable[[], Any]) -> None:
        """Do something for a person; what goes wrong is shown as a card, and the controls show what holds."""
        self.clear()
        try:
            work()
        except Exception as error:  # the panel's edge: a person sees a card, never a traceback
            self.controls.filled(self.fill)
            self.fail(error)

    def change(self, **values: Any) -> None:
        """Change settings of the step for a person."""
        self.attempt(lambda: self.step.change(**values))

    def run_job(self, work: Callable[[], Any]) -> None:
        """Do something that takes long in a thread; its error becomes a card. One at a time."""
        if self.busy:
            return
        self.clear()
        self.job = Job(work)
        self.fill()
        self.wake()

    def settle(self) -> None:
        """Wait until what was begun is done, and show it; for code that goes on from there."""
        if self.job is not None:
            self.job.wait()
        self.tick()

    @property
    def busy(self) -> bool:
        """Tell whether a job is under way."""
        return self.job is not None and not self.job.over

    def fail(self, error: BaseException) -> None:
        """Show an error as a card."""
        self._error = error
        sentence = as_workbench_error(error)
        lang = self.lang
        word = text("widgets.stopped" if isinstance(sentence, Interrupted) else "widgets.error", lang)
        do = f"<p>{escape(sentence.do(lang))}</p>" if sentence.do(lang) else ""
        say = f"<p><strong>{escape(word)}</strong> {escape(sentence.say(lang))}</p>"
        self._card.value = f'<div class="wb-error" role="alert">{say}{do}</div>'

    def clear(self) -> None:
        """Take the card away."""
        if self._card.value:
            self._card.value = ""

    # --- moving ---

    def wake(self) -> None:
        """Look at once, and on, as long as something comes."""
        self.ticker.wake()

    def tick(self) -> bool:
        """Return one look; whether to look again. Errors become a card, since nobody else would see them; as long as
        something is under way, the next look may go well."""
        try:
            more = self._look()
        except Exception as error:
            self.fail(error)
            self._failed = [*self._failed, error]
            return len(self._failed) < _PATIENCE and self._under_way()
        if self._error in self._failed:  # it went by, and nothing else has been said since
            self.clear()
        self._failed = []
        return more

    def _look(self) -> bool:
        while self._unheard:
            self.heard(self._unheard.popleft())
        ended = self.job if self.job is not None and self.job.over else None
        if ended is not None:  # before the look, which then sees what the job has begun
            self.job = None
            self.fill()
            if ended.error is not None:
                self.fail(ended.error)
            self.keep()
        return self.look() or self.job is not None

    def _under_way(self) -> bool:
        try:
            return self.job is not None or bool(getattr(self.step, "busy", False))
        except Exception:  # that is what failed
            return True

    def _heard(self, what: str) -> None:
        if in_a_job():  # it may be another panel's
            self._unheard.append(what)
            self.wake()
        else:
            self.heard(what)

    def heard(self, what: str) -> None:
        """Take a notice of the step."""
        if what in ("settings", "reset"):
            self.controls.filled(self.fill)

    # --- showing ---

    def static_html(self) -> str:
        """Return what the saved notebook shows where no kernel lives."""
        lang = self.lang
        title = f"<h3>{escape(self.title)}</h3>"
        note = f'<p class="wb-soft">{escape(text("widgets.static", lang))}</p>'
        return panel_styles() + root(title + note + self.picture(), lang=lang, large=self.presenter)

    # --- head and foot ---

    def _head(self) -> Any:
        title = ipw.HTML()
        prefix = f"widgets.{self.name}"
        self.controls.say(
            title, "value", lambda lang: _titled(text(f"{prefix}.title", lang), text(f"{prefix}.says", lang))
        )
        title.add_class("wb-title")
        switch = ipw.ToggleButtons(options=[("English", "en"), ("中文", "zh")], value=self.lang)
        switch.add_class("wb-switch")
        self.controls.say(switch, "tooltips", lambda lang: [text("widgets.speak", lang)] * 2)
        switch.observe(lambda change: None if self.controls.filling else self.speak(change["new"]), names="value")
        self.controls.add("language", switch)
        return row(title, switch, class_="wb-head")

    def _foot(self) -> Any:
        undo = self.controls.button("undo", "undo", key("undo"), lambda: self.attempt(self.step.undo))
        reset = self.controls.button("reset", "refresh", key("reset"), self.reset)
        self._code.add_class("wb-area")
        code = self.controls.add("code", folded(self._code, self.controls, key("code")))
        code.children[0].observe(lambda _: self.show_code(), names="value")
        foot = ipw.VBox([row(undo, reset), code])
        foot.add_class("wb-foot")
        return foot

    def show_code(self) -> None:
        """Write the lines of Python that do the same under the panel, where they are unfolded."""
        if self.controls.named["code"].children[0].value:
            self.attempt(lambda: setattr(self._code, "value", f"<pre>{escape(self.step.code())}</pre>"))


def _titled(title: str, says: str) -> str:
    return f'<h3>{escape(title)}</h3><p class="wb-soft">{escape(says)}</p>'


def area(widget: Any, html: str) -> None:
    """Give an area other HTML, and touch it only where something is new."""
    if widget.value != html:
        widget.value = html


def joined(parts: Iterable[str]) -> str:
    """Join the HTML parts that are not empty."""
    return "\n".join(part for part in parts if part)
