"""The memory forecast under a recipe's form: worked out in a thread, when somebody unfolds it. Knows the training step
and the forecast's values; computes nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.render import escape
from workbench.render.markup import table
from workbench.steps import TrainStep, as_workbench_error
from workbench.texts import text
from workbench.widgets.controls import Controls, folded, key
from workbench.widgets.live import Job
from workbench.widgets.panel import area

if TYPE_CHECKING:
    from workbench.steps.train import TrainSettings
    from workbench.training.forecast import Outlook


class Memory:
    """Tell whether the next training fits into memory, behind a button; a change of the settings works it out anew.

    Args:
        controls: the panel's.
        step: whose recipe.
        wake: called when there is something to look for.
    """

    def __init__(self, controls: Controls, step: TrainStep, wake: Callable[[], None]) -> None:
        self._controls, self._step, self._wake = controls, step, wake
        self._job: Job | None = None
        self._asked: TrainSettings | None = None  # what the job, or what it found, is about
        self._found: Outlook | None = None
        self.view = controls.html(live=True)
        self.box = controls.add("memory", folded(self.view, controls, key("train.memory")))
        self.fold = self.box.children[0]
        self.fold.observe(self._turned, names="value")

    def _turned(self, _: Any) -> None:
        self._asked = None  # other programs may have taken memory since
        self.look()

    def look(self) -> bool:
        """Show what there is to see, and begin what is to be worked out; whether more is to come."""
        if not self.fold.value:
            return False
        pending = self._job is not None and not self._job.over
        if not pending and self._asked != self._step.settings:
            pending = self._begin()
        area(self.view, self._html(pending))
        return pending

    def _begin(self) -> bool:
        self._asked, self._found = self._step.settings, None

        def work() -> None:
            self._found = self._step.outlook()

        self._job = Job(work)
        self._wake()
        return True

    def _html(self, pending: bool) -> str:
        lang = self._controls.lang
        if pending or self._job is None:
            return f'<p class="wb-soft">{escape(text("widgets.train.memory_counting", lang))}</p>'
        if self._job.error is not None:
            error = as_workbench_error(self._job.error)
            return f"<p>✗ {escape(error.say(lang))} {escape(error.do(lang))}</p>"
        return outlook_html(self._found, self._name(lang), lang) if self._found is not None else ""

    def _name(self, lang: str) -> str:
        chosen = self._step.settings.recipe
        return chosen if isinstance(chosen, str) else text("widgets.train.own_recipe", lang)


def outlook_html(seen: Outlook, recipe: str, lang: str | None) -> str:
    """Return a forecast: whether it fits, what takes how much, and what to lower where it does not fit."""
    from workbench.training.forecast import PARTS, size

    amounts = {"total": size(seen.needed.total), "free": size(seen.free), "device": seen.device}
    shape = {"rows": seen.work.rows, "length": seen.work.length}
    sign, word = ("✓", "fits") if seen.fits else ("✗", "too_large")
    says = text(f"doctor.recipe.{word}", lang, recipe=recipe, **amounts, **shape)
    parts = {name: getattr(seen.needed, name) for name in PARTS}
    rows = [[escape(text(f"doctor.recipe.parts.{name}", lang)), size(n)] for name, n in parts.items() if n]
    head = [escape(text(f"widgets.train.memory_{name}", lang)) for name in ("what", "bytes")]
    return f"<p><strong>{sign} {escape(says)}</strong></p>{_lower(seen, lang)}{table(head, rows, class_='wb-numbers')}"


def _lower(seen: Outlook, lang: str | None) -> str:
    from workbench.training.forecast import size

    items = "".join(
        f"<li><code>{escape(', '.join(remedy.settings))}</code> → {size(remedy.total)}</li>" for remedy in seen.remedies
    )
    return f"<p>{escape(text('doctor.recipe.lower', lang))}</p><ul>{items}</ul>" if items else ""
