"""What everything of ours in a notebook has: a live face, and HTML that the saved file shows where no kernel lives.

Knows ipywidgets and IPython's display; nothing of steps or lessons.
"""

from __future__ import annotations

import uuid
from functools import cache
from pathlib import Path
from typing import Any

import ipywidgets as ipw

from workbench.render import styles
from workbench.render.markup import static
from workbench.texts import LANGUAGES, text

_VIEW = "application/vnd.jupyter.widget-view+json"
# The picture is for where no live panel stands beside it: JupyterLab, the classic notebook, VS Code.
_HOSTS = (".jp-OutputArea", ".output", ".cell_container")
_HIDING = f"<style>{','.join(f'{host}:has(.wb-widget) .wb-static' for host in _HOSTS)}{{display:none}}</style>"
SCRIPTS = ("mask.js", "lab.js", "theatre.js")


@cache
def _static(name: str) -> str:
    return (Path(__file__).parent / "static" / name).read_text(encoding="utf-8")


@cache
def panel_styles() -> str:
    """Return the ``<style>`` of all panels and of what they show."""
    files = "".join(_static(name) for name in ("panel.css", "kit.css"))
    return styles("mask.css", "report.css", "lab.css", "theatre.css") + f"<style>{files}{_banners()}</style>"


def _banners() -> str:
    """What a panel says when its kernel is gone, which can then say nothing itself: a variable of each language."""
    spoken = {lang: text("render.restarted", lang).replace('"', "'") for lang in LANGUAGES}
    return "".join(f'.wb.wb-{lang}{{--wb-restarted:"{words}"}}' for lang, words in spoken.items())


class Face:
    """Show something in a notebook as a widget, and in the saved file as HTML.

    Args:
        lang: the language that it speaks.
    """

    scripts: tuple[str, ...] = SCRIPTS  # of what it may show

    def __init__(self, lang: str) -> None:
        self.root = ipw.VBox([])
        self._spoken = lang
        self._shown = ""
        for class_ in ("wb", "wb-widget", f"wb-{lang}"):
            self.root.add_class(class_)

    @property
    def lang(self) -> str:
        """Return the language that it speaks."""
        return self._spoken

    @property
    def title(self) -> str:
        """Return what it is called."""
        raise NotImplementedError

    def picture(self) -> str:
        """Return what there is to see, as HTML for the static view."""
        raise NotImplementedError

    def static_html(self) -> str:
        """Return what the saved notebook shows where no kernel lives."""
        raise NotImplementedError

    def wake(self) -> None:
        """Hear that it was displayed."""

    def _turn(self, lang: str) -> None:
        """Give the root the class of its language, by which its banner speaks."""
        for spoken in LANGUAGES:
            self.root.remove_class(f"wb-{spoken}")
        self.root.add_class(f"wb-{lang}")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002
        view = self.root._repr_mimebundle_()
        plain = text("widgets.plain", self.lang, name=self.title)
        return {"text/plain": plain, "text/html": self.static_html(), **{k: v for k, v in view.items() if k == _VIEW}}

    def _ipython_display_(self) -> None:
        """Two outputs: the live panel, and its picture, which is not seen as long as the panel lives.

        So the picture is brought up to date without drawing the panel anew, which would take the focus from its user.
        """
        from IPython.display import display

        self._shown = f"workbench-{uuid.uuid4().hex}"
        live = {**self._repr_mimebundle_(), "text/html": "<span></span>"}
        display(live, raw=True)
        display(self._picture_bundle(), raw=True, display_id=self._shown)
        self.wake()

    def _picture_bundle(self) -> dict[str, str]:
        scripts = "".join(f"<script>{script}</script>" for script in (_static("panel.js"), *map(static, self.scripts)))
        return {"text/html": f'<div class="wb-static">{_HIDING}{self.static_html()}{scripts}</div>', "text/plain": ""}

    def keep(self) -> None:
        """Bring the picture up to date, which the notebook saves."""
        if self._shown:
            from IPython.display import update_display

            update_display(self._picture_bundle(), raw=True, display_id=self._shown)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
