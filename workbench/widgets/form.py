"""A recipe's form, made from the settings' descriptions and ranges. Knows fields and controls; nothing of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as ipw

from workbench.render import escape
from workbench.steps.forms import Field, fields
from workbench.texts import lookup, text
from workbench.widgets.controls import Controls, Said, folded, grid, key

# what a beginner turns first; all others are one click away
MAIN = (
    "persona.name", "persona.author", "optimizer.learning_rate", "schedule.num_train_epochs", "data.ratio",
    "adapter.r", "schedule.per_device_train_batch_size", "runtime.seed",
)  # fmt: skip


NAMED = (*MAIN, "schedule.max_steps")


class Form:
    """Represent controls for the settings of a recipe.

    Args:
        controls: the panel's.
        change: called with the setting and the new value, which is text where it is typed.
        main: the settings that are always in sight.
    """

    def __init__(self, controls: Controls, change: Callable[[Field, Any], None], main: tuple[str, ...] = MAIN) -> None:
        self._controls, self._change = controls, change
        self._widgets: dict[str, Any] = {}
        self._fields = {field.key: field for field in fields()}
        self._main = [self._fields[name] for name in main]
        self._rest: list[Field] = [field for field in fields() if field.key not in main]
        self._values: dict[str, Any] = {}
        controls.later |= {field.key for field in self._rest}

    def main(self) -> Any:
        """Return the settings always in sight."""
        return grid(*(self._box(field) for field in self._main))

    def rest(self) -> Any:
        """Return all others by group, behind a button; made when it is first opened."""
        inside = ipw.VBox([])
        box = folded(inside, self._controls, key("train.all_settings"))

        def opened(change: Any) -> None:
            if change["new"] and not inside.children:
                inside.children = self._groups()
                self.fill(self._values)

        box.children[0].observe(opened, names="value")
        return self._controls.add("all_settings", box)

    def _groups(self) -> list[Any]:
        widgets = []
        for group in dict.fromkeys(field.group for field in self._rest):
            title = ipw.HTML()
            self._controls.say(title, "value", _titled(group))
            widgets += [title, grid(*(self._box(field) for field in self._rest if field.group == group))]
        return widgets

    def fill(self, values: dict[str, Any]) -> None:
        """Put the recipe's values (``group.name`` -> value) into the controls."""
        self._values = values
        for name, widget in self._widgets.items():
            self._put(name, widget)

    def _box(self, field: Field) -> Any:
        widget = _control(field)
        self._widgets[field.key] = widget

        def changed(value: Any) -> None:
            chosen = isinstance(widget, ipw.Dropdown) and value == NOTHING[1]
            self._change(field, None if chosen else value)

        def words(lang: str) -> str:
            unit = field.words(lang).get("unit")
            return named_text(field, lang) or (f"{field.name} ({unit})" if unit else field.name)

        def help_(lang: str) -> str:
            return f"{field.name} · {help_text(field, lang)}" if named_text(field, lang) else help_text(field, lang)

        return self._controls.field(field.key, widget, words, changed, help_=help_)

    def _put(self, name: str, widget: Any) -> None:
        field = self._fields[name]
        value = self._values.get(name, field.default)
        if isinstance(widget, ipw.Text):
            value = field.write(value)
        elif value is None:
            value = NOTHING[1]
        self._controls.put(widget, value)


def _titled(group: str) -> Said:
    return lambda lang: f"<h4>{escape(text(f'settings.{group}.about', lang))}</h4>"


NOTHING = ("–", "")  # a choice whose value is None would be shown empty


def _control(field: Field) -> Any:
    none = [NOTHING] if field.optional else []
    if field.kind == "choice":
        return ipw.Dropdown(options=[*none, *((word, word) for word in field.choices)])
    if field.kind == "yes_no" and field.optional:
        return ipw.Dropdown(options=[*none, ("true", True), ("false", False)])
    if field.kind == "yes_no":
        return ipw.Checkbox(indent=False)
    return ipw.Text(continuous_update=False)


def named_text(field: Field, lang: str | None) -> str:
    """Return what a setting of a beginner's is called in words; nothing for the others, which go by their own name."""
    return str(lookup("widgets.train.names", lang).get(field.name, "")) if field.key in NAMED else ""


def help_text(field: Field, lang: str | None) -> str:
    """Return what a setting does, and what is seen when it is too high or too low."""
    entry = field.words(lang)
    parts = [entry["does"]]
    parts += [lookup(f"settings.words.{word}", lang).format(entry[word]) for word in ("high", "low") if word in entry]
    return " ".join(parts) if lang != "zh" else "".join(parts)
