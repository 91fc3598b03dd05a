"""Labelled controls that speak two languages and can be locked or hidden. Knows ipywidgets; nothing of any step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ipywidgets as ipw
from traitlets import Bool

from workbench.errors import BadSetting, nearest
from workbench.render import escape
from workbench.texts import text

Change = Callable[[Any], None]
Said = Callable[[str], str]  # language -> words


class Ticks(ipw.Box):  # type: ignore[misc]
    """Represent boxes to tick that are locked together, also those that are made later; each has its own label. It must
    have no tooltip: the page would look for its description, and show an error in its place."""

    disabled = Bool(False)

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.observe(self._pass_on, names=["disabled", "children"])

    def _pass_on(self, _: Any) -> None:
        for box in self.children:
            box.disabled = self.disabled


class Controls:
    """Represent the controls of one panel, by name.

    Args:
        lang: the language that they speak at first.
    """

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self.named: dict[str, Any] = {}
        self.settings: set[str] = set()
        self.later: set[str] = set()  # names of controls that are made when they are first seen
        self.open: set[str] | None = None  # where all settings are locked, also those to come: all but these
        self.locked: set[str] = set()
        self.hidden: set[str] = set()
        self.disabled: set[str] = set()
        self.filling = False
        self._words: list[Callable[[], None]] = []

    # --- words ---

    def say(self, widget: Any, trait: str, wording: Callable[[str], Any]) -> None:
        """Keep ``widget.trait`` in the panel's language."""

        def put() -> None:
            setattr(widget, trait, wording(self.lang))

        put()
        self._words.append(put)

    def speak(self, lang: str) -> None:
        """Say all words in another language."""
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
            self.locked |= set() if self.open is None else {name} - self.open
        return widget

    def field(self, name: str, widget: Any, wording: Said, on_change: Change, *, help_: Said | None = None) -> Any:
        """Return a control with its label above it, and a sentence of help under it; gives the box of all.

        Args:
            name: its name.
            widget: the control.
            wording: its label.
            on_change: called with each new value that a person gives.
            help_: what it does; also its tooltip.
        """
        self.add(name, widget, setting=True)
        widget.add_class("wb-above")
        self.say(widget, "description", wording)
        widget.layout.width = "auto"

        def changed(change: Any) -> None:
            if not self.filling:
                on_change(change["new"])

        widget.observe(changed, names="value")
        parts = [widget]
        if help_ is not None:
            self.say(widget, "tooltip", help_)
            hint = ipw.HTML()
            self.say(hint, "value", lambda lang: f'<p class="wb-help">{escape(help_(lang))}</p>')
            parts.append(hint)
        box = ipw.VBox(parts)
        box.add_class("wb-field")
        self.add(f"{name}.box", box)
        self._apply(name)
        return box

    def button(self, name: str, icon: str, wording: Said, press: Callable[[], None], *, main: bool = False) -> Any:
        """Return a button with a picture and words."""
        button = ipw.Button(icon=icon, button_style="primary" if main else "")
        button.add_class("wb-button")
        self.say(button, "description", wording)
        self.say(button, "tooltip", wording)
        button.on_click(lambda _: press())
        return self.add(name, button)

    def html(self, *, live: bool = False) -> Any:
        """Return an area for HTML of ours; ``live`` ones are read out when they change."""
        widget = ipw.HTML()
        widget.add_class("wb-area")
        if live:
            widget.add_class("wb-live")  # panel.js makes it a polite live region
        return widget

    # --- states ---

    def enable(self, **states: bool) -> None:
        """Enable or disable controls by name; a locked one stays locked."""
        for name, on in states.items():
            self.disabled = self.disabled - {name} if on else self.disabled | {name}
            self._apply(name)

    @property
    def known(self) -> set[str]:
        """Return the names by which controls are locked and hidden, also of those that are made later."""
        return {*(name for name in self.named if not name.endswith(".box")), *self.later}

    def found(self, name: str) -> str:
        """Return a control's full name; ``learning_rate`` is enough where only one group has it.

        Raises:
            BadSetting: there is none of that name, or there are several; says the nearest.
        """
        ending = sorted(full_name for full_name in self.known if full_name.endswith(f".{name}"))
        if name in self.known or len(ending) == 1:
            return name if name in self.known else ending[0]
        near = tuple(ending) or nearest(name, self.known)
        raise BadSetting("widgets.unknown_control", given=name, nearest=near)

    def lock(self, names: Iterable[str] | None = None, *, but: Iterable[str] = ()) -> None:
        """Show controls that cannot be changed; without names all that are settings, but those of ``but``."""
        if names is None:
            self.open = set(but)
            self.locked |= self.settings - self.open
        else:
            self.locked |= set(map(self.found, names))
        self._apply_all()

    def unlock(self, names: Iterable[str] | None = None) -> None:
        """Undo :meth:`lock`."""
        freed = self.locked if names is None else set(map(self.found, names))
        self.open = None if self.open is None or names is None else self.open | freed
        self.locked = self.locked - freed
        self._apply_all()

    def hide(self, names: Iterable[str]) -> None:
        """Take controls away."""
        self.hidden |= set(map(self.found, names))
        self._apply_all()

    def show(self, names: Iterable[str] | None = None) -> None:
        """Undo :meth:`hide`; without names, for all."""
        self.hidden = set() if names is None else self.hidden - set(map(self.found, names))
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
    """Return the words of ``widgets.name``."""
    return lambda lang: text(f"widgets.{name}", lang, **values)


def put_options(widget: Any, options: Sequence[tuple[str, Any]], value: Any) -> None:
    """Give a choice other options and its value, and touch it only where something is new."""
    if tuple(widget.options) != tuple(options):
        widget.options = tuple(options)
    values = [option for _, option in options]
    chosen = value if value in values else (values[0] if values else None)
    if widget.value != chosen:
        widget.value = chosen


def row(*widgets: Any, class_: str = "wb-row-of") -> Any:
    """Place controls side by side, wrapping where they do not fit."""
    box = ipw.Box(list(widgets))
    box.add_class(class_)
    return box


def grid(*widgets: Any) -> Any:
    """Place fields in columns, as many as fit."""
    return row(*widgets, class_="wb-grid")


def folded(widget: Any, controls: Controls, wording: Said) -> Any:
    """Return something behind a button that says what it is; closed at first."""
    closed = ipw.ToggleButton(value=False, icon="caret-right")
    closed.add_class("wb-fold")
    controls.say(closed, "description", wording)
    inside = ipw.VBox([widget])  # what is inside may have a display of its own, such as a grid's
    inside.layout.display = "none"

    def turn(change: Any) -> None:
        inside.layout.display = None if change["new"] else "none"
        closed.icon = "caret-down" if change["new"] else "caret-right"

    closed.observe(turn, names="value")
    box = ipw.VBox([closed, inside])
    box.add_class("wb-folded")
    return box
