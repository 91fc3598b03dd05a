"""Labelled controls that speak two languages and can be locked or hidden. Knows ipywidgets; nothing of any step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ipywidgets as ipw

from workbench.render import escape
from workbench.texts import text

Change = Callable[[Any], None]
Said = Callable[[str], str]  # language -> words


class Controls:
    """The controls of one panel, by name.

    Args:
        lang: the language that they speak at first.
    """

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self.named: dict[str, Any] = {}
        self.settings: set[str] = set()
        self.locked: set[str] = set()
        self.hidden: set[str] = set()
        self.disabled: set[str] = set()
        self.filling = False
        self._words: list[Callable[[], None]] = []

    # --- words ---

    def say(self, widget: Any, trait: str, words: Callable[[str], Any]) -> None:
        """Keep ``widget.trait`` in the panel's language."""

        def put() -> None:
            setattr(widget, trait, words(self.lang))

        put()
        self._words.append(put)

    def speak(self, lang: str) -> None:
        """All words in another language."""
        self.lang = lang
        self.filled(lambda: [put() for put in self._words])

    def filled(self, work: Callable[[], Any]) -> None:
        """Do what changes controls, without taking it for a person's doing."""
        before, self.filling = self.filling, True
        try:
            work()
        finally:
            self.filling = before

    def put(self, widget: Any, value: Any) -> None:
        """Give a control a value, without taking it for a person's doing."""
        if widget.value != value:
            self.filled(lambda: setattr(widget, "value", value))

    # --- making ---

    def add(self, name: str, widget: Any, *, setting: bool = False) -> Any:
        """Register a control under a name by which it can be locked and hidden."""
        self.named[name] = widget
        if setting:
            self.settings.add(name)
        return widget

    def field(self, name: str, widget: Any, words: Said, on_change: Change, *, help_: Said | None = None) -> Any:
        """A control with its label above it, and a sentence of help under it; gives the box of all.

        Args:
            name: its name.
            widget: the control.
            words: its label.
            on_change: called with each new value that a person gives.
            help_: what it does; also its tooltip.
        """
        self.add(name, widget, setting=True)
        widget.add_class("wb-above")
        self.say(widget, "description", words)
        widget.layout.width = "auto"

        def changed(change: Any) -> None:
            if not self.filling:
                on_change(change["new"])

        widget.observe(changed, names="value")
        parts = [widget]
        if help_ is not None:
            self.say(widget, "tooltip", help_)
            told = ipw.HTML()
            self.say(told, "value", lambda lang: f'<p class="wb-help">{escape(help_(lang))}</p>')
            parts.append(told)
        box = ipw.VBox(parts)
        box.add_class("wb-field")
        self.add(f"{name}.box", box)
        return box

    def button(self, name: str, icon: str, words: Said, press: Callable[[], None], *, main: bool = False) -> Any:
        """A button with a picture and words."""
        made = ipw.Button(icon=icon, button_style="primary" if main else "")
        made.add_class("wb-button")
        self.say(made, "description", words)
        self.say(made, "tooltip", words)
        made.on_click(lambda _: press())
        return self.add(name, made)

    def html(self, *, live: bool = False) -> Any:
        """An area for HTML of ours; ``live`` ones are read out when they change."""
        made = ipw.HTML()
        made.add_class("wb-area")
        if live:
            made.add_class("wb-live")  # panel.js makes it a polite live region
        return made

    # --- states ---

    def enable(self, **wanted: bool) -> None:
        """Enable or disable controls by name; a locked one stays locked."""
        for name, on in wanted.items():
            self.disabled = self.disabled - {name} if on else self.disabled | {name}
            self._apply(name)

    def lock(self, names: Iterable[str] | None = None) -> None:
        """Show controls that cannot be changed; without names all that are settings."""
        self.locked |= set(self.settings if names is None else names)
        self._apply_all()

    def unlock(self, names: Iterable[str] | None = None) -> None:
        """The contrary of :meth:`lock`."""
        self.locked = set() if names is None else self.locked - set(names)
        self._apply_all()

    def hide(self, names: Iterable[str]) -> None:
        """Take controls away."""
        self.hidden |= set(names)
        self._apply_all()

    def show(self, names: Iterable[str] | None = None) -> None:
        """The contrary of :meth:`hide`."""
        self.hidden = set() if names is None else self.hidden - set(names)
        self._apply_all()

    def _apply_all(self) -> None:
        for name in self.named:
            self._apply(name)

    def _apply(self, name: str) -> None:
        widget = self.named[name]
        if hasattr(widget, "disabled"):
            widget.disabled = name in self.locked or name in self.disabled
        box = self.named.get(f"{name}.box", widget)
        if not name.endswith(".box"):
            box.layout.display = "none" if name in self.hidden else None


def key(name: str, **values: object) -> Said:
    """The words of ``widgets.name``."""
    return lambda lang: text(f"widgets.{name}", lang, **values)


def put_options(widget: Any, options: Sequence[tuple[str, Any]], value: Any) -> None:
    """Give a choice other options and its value, and touch it only where something is new."""
    if tuple(widget.options) != tuple(options):
        widget.options = tuple(options)
    known = [option for _, option in options]
    chosen = value if value in known else (known[0] if known else None)
    if widget.value != chosen:
        widget.value = chosen


def row(*widgets: Any, class_: str = "wb-row-of") -> Any:
    """Controls side by side, wrapping where they do not fit."""
    made = ipw.Box(list(widgets))
    made.add_class(class_)
    return made


def grid(*widgets: Any) -> Any:
    """Fields in columns, as many as fit."""
    return row(*widgets, class_="wb-grid")


def folded(widget: Any, controls: Controls, words: Said) -> Any:
    """Something behind a button that says what it is; closed at first."""
    closed = ipw.ToggleButton(value=False, icon="caret-right")
    closed.add_class("wb-fold")
    controls.say(closed, "description", words)
    inside = ipw.VBox([widget])  # what is inside may have a display of its own, such as a grid's
    inside.layout.display = "none"

    def turn(change: Any) -> None:
        inside.layout.display = None if change["new"] else "none"
        closed.icon = "caret-down" if change["new"] else "caret-right"

    closed.observe(turn, names="value")
    made = ipw.VBox([closed, inside])
    made.add_class("wb-folded")
    return made
