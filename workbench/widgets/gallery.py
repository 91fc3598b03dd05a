"""The runs gallery: all runs on one plot, what tells them apart, notes, stars, and a file to share. Knows galleries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets as ipw

from workbench.environment import prepare
from workbench.errors import WorkbenchError
from workbench.render import escape, root, styles
from workbench.render.gallery import gallery_html, gallery_page
from workbench.runs import Run, find, saving, write_bytes
from workbench.runs.gallery import Gallery as Runs
from workbench.runs.remarks import Remarks, read_remarks, remark
from workbench.texts import language, text
from workbench.training.gallery import gallery, runs_of
from workbench.widgets.controls import row
from workbench.widgets.face import SCRIPTS, Face, panel_styles

SHARED = "my-work/gallery.html"


class Gallery(Face):
    """Show runs beside each other; nothing is computed, and a run that still trains is shown as far as it is.

    Args:
        *runs: runs, their folders or names, folders of runs, or files that somebody shared; without any all runs under
            ``runs`` in this folder.
        lang: ``en`` or ``zh``.
        presenter: large type.

    Raises:
        UnknownName: there is no such run. BadData: a file holds no gallery. BadInput: no run is left to be shown.
    """

    scripts = (*SCRIPTS, "gallery.js")

    def __init__(self, *runs: Run | str | Path, lang: str | None = None, presenter: bool = False) -> None:
        prepare()
        super().__init__(language(lang))
        self._named = runs
        self.runs: Runs = gallery(runs)
        self._area = ipw.HTML()
        self._area.add_class("wb-area")
        self._said = ipw.HTML()
        self._said.add_class("wb-live")
        if presenter:
            self.root.add_class("wb-large")
        look = ipw.HTML(panel_styles() + styles("gallery.css"))
        title = ipw.HTML(f"<h3>{escape(self.title)}</h3>")
        self.root.children = [look, title, *self._controls(), self._said, self._area]
        self._draw()

    @property
    def title(self) -> str:
        """Return what it is called."""
        return text("render.gallery.widget", self.lang)

    def refresh(self) -> None:
        """Read the runs again; those that have begun meanwhile are there too."""
        self.runs = gallery(self._named)
        self._draw()

    def note(self, run: Run | str | Path, words: str) -> Remarks:
        """Note ``words`` on a run, in its own folder; an empty text takes the note away.

        Raises:
            UnknownName: there is no such run. BadInput: the note is too long. Failed: no space, no permission.
        """
        return self._remark(run, words, None)

    def star(self, run: Run | str | Path, on: bool = True) -> Remarks:
        """Give a run a star, or take it away.

        Raises:
            UnknownName: there is no such run. Failed: no space, no permission.
        """
        return self._remark(run, None, on)

    def share(self, path: str | Path = SHARED, *, notes: bool = False) -> Path:
        """Write the gallery as one HTML file with a replay of each run, to be given away; a file there is replaced.

        Args:
            path: the file.
            notes: put notes and stars into it too.

        Raises:
            Failed: no space, no permission.
        """
        file = Path(path)
        with saving(file):
            file.parent.mkdir(parents=True, exist_ok=True)
        shown = self.runs if notes else self.runs.without_remarks()
        write_bytes(file, gallery_page(shown, lang=self.lang).encode())
        return file

    def picture(self) -> str:
        """Return it as HTML that needs no kernel."""
        return gallery_html(self.runs, lang=self.lang)

    def static_html(self) -> str:
        """Return what the saved notebook shows where no kernel lives."""
        content = f"<h3>{escape(self.title)}</h3>{self.picture()}"
        return panel_styles() + styles("gallery.css") + root(content, lang=self.lang)

    def _remark(self, run: Run | str | Path, words: str | None, star: bool | None) -> Remarks:
        folder = (run if isinstance(run, Run) else self._run(str(run))).path
        remarks = remark(folder, words, star)
        self.refresh()
        return remarks

    def _run(self, name: str) -> Run:
        """One of the gallery by its name, else by its path."""
        mine = next((run for run in self._mine() if run.name == name), None)
        return mine or find(name)

    def _mine(self) -> list[Run]:
        """The runs that lie here; what somebody shared bears no note of ours."""
        return runs_of(self._named)

    def _controls(self) -> list[Any]:
        """One row: which run, its star, its note, keep, share."""
        names = [run.name for run in self._mine()]
        self._which = ipw.Dropdown(options=names, description=text("widgets.gallery.run", self.lang))
        self._star = ipw.ToggleButton(description="★", tooltip=text("widgets.gallery.star", self.lang))
        self._note = ipw.Text(description=text("widgets.gallery.note", self.lang), continuous_update=True)
        keep = ipw.Button(description=text("widgets.gallery.keep", self.lang), icon="check")
        share = ipw.Button(description=text("widgets.gallery.share", self.lang), icon="share-alt")
        again = ipw.Button(description=text("widgets.gallery.refresh", self.lang), icon="refresh")
        for button in (keep, share, again, self._star):
            button.add_class("wb-button")
        self._which.observe(lambda _: self._fill(), names="value")
        self._star.observe(lambda change: self._attempt(lambda: self._mark(change["new"])), names="value")
        keep.on_click(lambda _: self._attempt(self._keep))
        share.on_click(lambda _: self._attempt(self._share))
        again.on_click(lambda _: self._attempt(self.refresh))
        self._fill()
        marking = [self._which, self._star, self._note, keep] if names else []
        return [row(*marking, again, share, class_="wb-gallery-controls")]

    def _fill(self) -> None:
        """Show the chosen run's remarks in the controls."""
        remarks = self._remarks()
        self._star.value, self._note.value = remarks.star, remarks.note

    def _remarks(self) -> Remarks:
        chosen = next((run for run in self._mine() if run.name == self._which.value), None)
        return read_remarks(chosen.path) if chosen else Remarks()

    def _mark(self, star: bool) -> None:
        """Give the chosen run its star at once, or take it away; what is noted stays as it is."""
        if self._which.value is not None and star != self._remarks().star:
            self._remark(self._which.value, None, star)

    def _keep(self) -> None:
        if self._which.value is None:
            return
        self._remark(self._which.value, self._note.value, None)
        self._said.value = escape(text("widgets.gallery.kept", self.lang, run=self._which.value))

    def _share(self) -> None:
        self.refresh()
        self._said.value = escape(text("widgets.gallery.shared", self.lang, path=self.share()))

    def _attempt(self, work: Any) -> None:
        """Do what a click asks for, and say what is wrong with it."""
        try:
            work()
        except WorkbenchError as error:
            self._said.value = f'<p role="alert">{escape(str(error))}</p>'

    def _draw(self) -> None:
        self._area.value = self.picture()
        self.keep()
