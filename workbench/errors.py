"""The tree of errors that people see. Knows texts; must not know any room that raises them.

WorkbenchError
├── BadInput            exit status 2: the person can mend it (a file, a name, a setting)
│   ├── BadData         a data file: says file, row and field
│   ├── BadSetting      a recipe key or value: says the nearest right one
│   ├── UnknownName     a model, template, recipe, run that is not there
│   └── OutputExists    a folder that is not empty and was not to be continued
└── Failed              exit status 1: the work was right to start and could not be finished
    ├── NotLearnt       the training ended without what it was for
    └── Interrupted     stopped by the person; says what is kept and how to go on
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.texts import entry, fill


class WorkbenchError(Exception):
    """Signal an error with a key into the texts and the values that its sentence names.

    Args:
        key: ``room.name`` of an entry with ``say`` (what was wrong, where, the value given) and ``do`` (what to do
            next).
        **values: what the sentence names.
    """

    exit_status = 1

    def __init__(self, key: str, /, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(key, values)

    def say(self, lang: str | None = None) -> str:
        """Return what was wrong, in ``lang``."""
        return fill(entry(self.key, lang)["say"], self.values, lang)

    def do(self, lang: str | None = None) -> str:
        """Return what to do next, in ``lang``; may be empty."""
        return fill(entry(self.key, lang).get("do", ""), self.values, lang)

    def __str__(self) -> str:
        return "\n".join(part for part in (self.say(), self.do()) if part)

    def _render_traceback_(self) -> list[str]:
        """What IPython and notebooks show of it, in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class BadInput(WorkbenchError):
    """Signal that the person can mend it."""

    exit_status = 2


class BadData(BadInput):
    """Signal that a data file is not as it must be; names the file, the row and the field."""


class BadSetting(BadInput):
    """Signal that a setting is unknown or out of range; names the nearest right one."""


class UnknownName(BadInput):
    """Signal that a model, template, recipe or run of that name is not there; names the nearest ones."""


class OutputExists(BadInput):
    """Signal that the folder to write to is not empty."""


class Failed(WorkbenchError):
    """Signal that the work was right to start and could not be finished."""


class NotLearnt(Failed):
    """Signal that the training ended, and the assistant is not what it was to become."""


class Interrupted(Failed):
    """Signal that the person stopped it."""

    exit_status = 130


def record(error: WorkbenchError) -> dict[str, Any]:
    """Return the error as JSON, so that another process can say it in a language of its own."""
    return {"kind": type(error).__name__, "key": error.key, "values": error.values}


def error_from_record(kind: str, key: str, values: Mapping[str, object]) -> WorkbenchError:
    """Return the error of another process; of a kind that is not known here it is a :class:`Failed`."""
    kinds = (BadInput, BadData, BadSetting, UnknownName, OutputExists, NotLearnt, Interrupted)
    return {error_type.__name__: error_type for error_type in kinds}.get(kind, Failed)(key, **values)


def nearest(name: str, candidates: Iterable[str], n: int = 3) -> tuple[str, ...]:
    """Return the ``n`` known names nearest to ``name``; the first few known ones where none is near.

    Source: Ratcliff–Obershelp similarity, as in :mod:`difflib`.
    """
    names = sorted(candidates)
    lowered = {name.lower(): name for name in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=n, cutoff=0.5)
    return tuple(lowered[c] for c in close) or tuple(names[:n])
