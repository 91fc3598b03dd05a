"""A recipe as it comes to be, and the table of what became of each fact. Knows settings' names; nothing of configs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.imports.facts import Kind, Row, shown


@dataclass(slots=True)
class Draft:
    """Hold a recipe as it comes to be.

    Args:
        settings: group -> name -> value.
        rows: what became of each fact.
    """

    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def put(
        self, theirs: str, key: str, value: Any, note: str = "", kind: Kind | None = None, **values: object
    ) -> None:
        """Carry a fact over: ``key`` is ``group.name``."""
        group, name = key.split(".")
        self.settings.setdefault(group, {})[name] = value
        kind = kind or ("translated" if note else "same")
        self.rows.append(Row(theirs, shown(key, value), _key(note), kind, _told(values)))

    def leave(self, theirs: str, note: str, **values: object) -> None:
        """Say that a fact is not carried over, and why."""
        self.rows.append(Row(theirs, "", _key(note), "left", _told(values)))


def _key(note: str) -> str:
    return f"imports.note.{note}" if note else ""


def _told(values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in values.items())


def number(value: Any) -> float | int | None:
    """Return ``value`` where it is a number."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
