"""The panel of the conversations: persona form, mixture, preview, checks with their remedies, save."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw

from workbench.data.conversation import Conversation, Persona
from workbench.render import conversations_html, escape
from workbench.steps import DataStep, Project
from workbench.steps.data import LANGUAGES, MANNERS, MENDABLE
from workbench.texts import text
from workbench.widgets.controls import Change, folded, grid, key, put_options, row
from workbench.widgets.panel import Panel, area, joined

if TYPE_CHECKING:
    from workbench.data import Finding

_SHOWN = 5  # conversations of a group at once
_MOST_RATIO = 10.0


class DataPanel(Panel):
    """Show who the assistant is to be, and what it learns from.

    Args:
        step_or_project: a :class:`~workbench.steps.DataStep` or a :class:`~workbench.steps.Project`; a new step
            without it.
        persona: what stands in the form at first.
        lang, presenter: as in :class:`Panel`.
    """

    name = "data"
    hidden_on_stage = ("code", "undo", "files")
    open_on_stage = ("ratio",)

    def __init__(
        self,
        step_or_project: DataStep | Project | None = None,
        *,
        persona: Persona | None = None,
        lang: str | None = None,
        presenter: bool = False,
    ) -> None:
        self.project = step_or_project if isinstance(step_or_project, Project) else None
        step = self.project.data if self.project else step_or_project or DataStep(persona, lang=lang)
        self._findings: list[Finding] | None = None
        self._page = 0
        self._saved = ""
        super().__init__(step, lang=lang, presenter=presenter)

    @property
    def conversations(self) -> list[Conversation]:
        """Return what is trained; made if it was not yet."""
        return list(self.step.make().train)

    # --- commands ---

    def make(self) -> None:
        """Make the set and check it, in a thread."""
        self._findings = None
        self.run_job(self._make)

    def _make(self) -> None:
        self.step.make()
        self._findings = self.step.findings(self.lang)

    def save(self) -> None:
        """Write the set into the folder that stands in the form; files that are there are replaced."""

        def work() -> None:
            folder = Path(self._folder.value.strip() or "data")
            files = self.step.save(folder, overwrite=True)
            self._saved = text("widgets.data.saved", self.lang, train=files["train"], held_out=files["validation"])

        self.run_job(work)

    def mend(self) -> None:
        """Mend the kind of finding that is chosen, and check again."""
        code = self._mendable.value
        if code:
            self.change(mended=(*self.step.settings.mended, code))
            self.make()

    # --- building ---

    def build(self) -> list[Any]:
        """Build form, mixture, buttons, findings, preview."""
        self._preview_row = row(self._preview_choice(), self._more(), class_="wb-buttons")
        self._shown_rows, self._checks, self._status = (self.controls.html() for _ in range(3))
        self._status.add_class("wb-live")
        return [
            self._form(),
            self._mixture(),
            self._files(),
            row(*self._buttons(), class_="wb-buttons"),
            self._status,
            self._checks,
            self._mending(),
            self._preview_row,
            self._shown_rows,
        ]

    def _form(self) -> Any:
        c = self.controls
        self._text = {name: ipw.Text(continuous_update=False) for name in ("name", "author", "purpose")}
        fields = [
            c.field(name, widget, key(f"data.{name}"), self._changes(name)) for name, widget in self._text.items()
        ]
        self._manner = ipw.Dropdown(options=MANNERS)
        fields.append(c.field("manner", self._manner, key("data.manner"), lambda v: self.change(manner=v)))
        self._languages = ipw.Dropdown()
        fields.append(c.field("languages", self._languages, key("data.languages"), lambda v: self.change(languages=v)))
        self._count = ipw.BoundedIntText(min=2, max=5000, step=50)
        self._seed = ipw.BoundedIntText(min=0, max=2**31)
        fields.append(c.field("count", self._count, key("data.count"), lambda v: self.change(count=v)))
        fields.append(c.field("seed", self._seed, key("data.seed"), lambda v: self.change(seed=v)))
        return grid(*fields)

    def _changes(self, name: str) -> Change:
        return lambda value: self.change(**{name: value})

    def _mixture(self) -> Any:
        self._ratio = ipw.FloatSlider(min=0, max=_MOST_RATIO, step=0.1, continuous_update=False, readout_format=".1f")
        self._counts = self.controls.html(live=True)
        box = self.controls.field(
            "ratio", self._ratio, key("data.ratio"), lambda v: self.change(ratio=v), help_=key("data.ratio_help")
        )
        return ipw.VBox([box, self._counts])

    def _files(self) -> Any:
        c = self.controls
        self._file, self._general = (ipw.Text(continuous_update=False) for _ in range(2))
        self._folder = ipw.Text(value=self._home())
        file_field = c.field("file", self._file, key("data.file"), lambda v: self.change(file=v.strip() or None))
        general = c.field(
            "general", self._general, key("data.general"), lambda v: self.change(general=v.strip() or None)
        )
        folder = c.field("folder", self._folder, key("data.folder"), lambda _: None)
        return c.add("files", folded(grid(file_field, general, folder), c, key("data.files")))

    def _buttons(self) -> list[Any]:
        return [
            self.controls.button("make", "cogs", key("data.make"), self.make, main=True),
            self.controls.button("save", "save", key("data.save"), self.save),
        ]

    def _mending(self) -> Any:
        self._mendable = ipw.Dropdown(options=[])
        choice = self.controls.field("mendable", self._mendable, key("data.mendable"), lambda _: None)
        self.controls.settings.discard("mendable")
        button = self.controls.button("mend", "wrench", key("data.mend"), self.mend)
        self._mend_row = row(choice, button, class_="wb-buttons")
        return self._mend_row

    def _preview_choice(self) -> Any:
        self._group = ipw.Dropdown(options=[])

        def turn(_: Any) -> None:
            self._page = 0
            self._preview()

        box = self.controls.field("group", self._group, key("data.group"), turn)
        self.controls.settings.discard("group")
        return box

    def _more(self) -> Any:
        def turn() -> None:
            self._page += 1
            self._preview()

        return self.controls.button("more", "random", key("data.more"), turn)

    # --- filling ---

    def heard(self, what: str) -> None:
        """Forget findings and files of before: a change of settings makes them meaningless."""
        if what in ("settings", "reset"):
            self._findings, self._saved, self._page = None, "", 0
        if what == "reset":
            self._folder.value = self._home()
        super().heard(what)

    def _home(self) -> str:
        """The folder to save into, as long as nobody names another."""
        return str(self.project.folder / "data") if self.project else "data"

    def fill(self) -> None:
        """Fill settings into the form, results under it."""
        self.controls.filled(self._fill_form)
        self._sentence()
        self.controls.enable(make=not self.busy, save=not self.busy, mend=not self.busy, more=bool(self.step.made))
        status = text("widgets.data.making", self.lang) if self.busy else self._saved
        area(self._status, f"<p>{escape(status)}</p>" if status else "")
        self._show_findings()
        self._preview_row.layout.display = None if self.step.made else "none"
        self.controls.filled(self._fill_groups)
        self._preview()

    def _fill_form(self) -> None:
        s = self.step.settings
        for name, widget in self._text.items():
            widget.value = getattr(s, name)
        put_options(self._manner, [(text(f"widgets.data.manners.{m}", self.lang), m) for m in MANNERS], s.manner)
        choices = [LANGUAGES, ("zh",), ("en",), tuple(reversed(LANGUAGES))]
        options = [
            (self._language_words(languages), languages)
            for languages in choices[: 4 if s.languages == choices[3] else 3]
        ]
        put_options(self._languages, options, s.languages)
        self._count.value = s.count or _default_count()
        self._seed.value = s.seed
        self._ratio.max = max(_MOST_RATIO, s.ratio)
        self._ratio.value = s.ratio
        self._file.value, self._general.value = s.file or "", s.general or ""

    def _language_words(self, languages: Sequence[str]) -> str:
        return " + ".join(text(f"widgets.data.language.{language}", self.lang) for language in languages)

    def _sentence(self) -> None:
        """What the mixture makes of the counts; a mistake in the form is told by the card when the set is made."""
        from workbench.errors import WorkbenchError

        try:
            said_ = self.step.counts().sentence(self.lang)
        except WorkbenchError as error:
            said_ = error.say(self.lang)
        area(self._counts, f'<p class="wb-strong">{escape(said_)}</p>')

    def _fill_groups(self) -> None:
        current = self.step.made
        groups = current.groups() if current else {}
        options = [(self._group_words(name, len(rows)), name) for name, rows in groups.items()]
        kind = next(iter(groups), "").partition(" ")[0]
        put_options(self._group, options, self._group.value or f"{kind} {self.lang}")  # what the reader can read

    def _group_words(self, name: str, count: int) -> str:
        kind, _, lang = name.partition(" ")
        language = text(f"widgets.data.language.{lang}", self.lang) if lang in LANGUAGES else lang
        label = " · ".join(filter(None, (text(f"widgets.data.kinds.{kind}", self.lang), language)))
        return f"{label} ({count})"

    def _show_findings(self) -> None:
        mendable = [finding for finding in self._findings or () if finding.code in MENDABLE]
        self._mend_row.layout.display = None if mendable else "none"
        options = [(f"{text(f'widgets.data.codes.{f.code}', self.lang)} ({len(f.rows)})", f.code) for f in mendable]
        self.controls.filled(lambda: put_options(self._mendable, options, self._mendable.value))
        area(self._checks, findings_html(self._findings, self.lang))

    def _preview(self) -> None:
        area(self._shown_rows, self._preview_html(self._group.value))

    def _preview_html(self, group: str | None) -> str:
        current = self.step.made
        rows = current.groups().get(group or "", []) if current else []
        if not rows:
            return f'<p class="wb-soft">{escape(text("widgets.data.nothing", self.lang))}</p>'
        first = self._page * _SHOWN % len(rows)
        return conversations_html([*rows, *rows][first : first + min(_SHOWN, len(rows))], lang=self.lang)

    def picture(self) -> str:
        """Draw persona, counts, findings, and some conversations of each group."""
        current, p = self.step.made, self.step.persona
        who = text("widgets.data.who", self.lang, name=p.name, author=p.author or "–")
        groups = current.groups() if current else {}
        tables = [
            f"<h4>{escape(self._group_words(name, len(rows)))}</h4>{conversations_html(rows[:3], lang=self.lang)}"
            for name, rows in groups.items()
        ]
        return joined([f"<p>{escape(who)}</p>", self._counts.value, findings_html(self._findings, self.lang), *tables])


def _default_count() -> int:
    from workbench.data.identity import DEFAULT

    return DEFAULT


def findings_html(findings: Sequence[Finding] | None, lang: str | None) -> str:
    """Return what a check found, why it matters and what to do; a word where it found nothing."""
    if findings is None:
        return ""
    if not findings:
        return f"<p><strong>✓ {escape(text('widgets.data.clean', lang))}</strong></p>"
    items = "".join(
        f"<li><strong>{escape(f.message)}</strong> {escape(f.why)}<br><code>{escape(f.remedy)}</code></li>"
        for f in findings
    )
    return f"<p><strong>✗ {escape(text('widgets.data.found', lang, count=len(findings)))}</strong></p><ul>{items}</ul>"
