"""What all five steps have: settings that can be undone, notices of change. Knows nothing of what a step does, nor of
who looks."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Generic, TypeVar

from workbench.errors import BadSetting, Failed, WorkbenchError, nearest

S = TypeVar("S")
Listener = Callable[[str], None]

_MOST_UNDO = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Further:
    """Register one more step of the way: a file of this room that has a ``STEP`` of this kind is one.

    Its panel is ``PANEL`` in the file of the same name under ``widgets/``; its title is the text ``widgets.way.NAME``.

    Args:
        name: that of its file.
        after: the step that it follows.
        make: given the :class:`~workbench.steps.Project`, the step.
    """

    name: str
    after: str
    make: Callable[[Any], Step[Any]]


class Step(Generic[S]):
    """Represent a step of the way: its settings, its commands, and who wants to hear of changes.

    Settings are a frozen dataclass; :meth:`change` puts a new one in its place. All methods may be called from any
    thread; a notice comes in the thread of the change, and must be short.

    Args:
        settings: the first ones; :meth:`reset` goes back to them.
    """

    def __init__(self, settings: S) -> None:
        self._first = self._settings = settings
        self._past: list[S] = []
        self._listeners: list[Listener] = []
        self._guard = threading.RLock()

    @property
    def settings(self) -> S:
        """Return the settings now."""
        return self._settings

    def change(self, **values: Any) -> S:
        """Change some settings, all or none of them; returns the new ones. The same values again are no change.

        Raises:
            BadSetting: no such setting, or a value that it cannot have; the settings stay as they were.
        """
        with self._guard:
            names = [field.name for field in dataclasses.fields(self._settings)]  # type: ignore[arg-type]
            for name in values:
                if name not in names:
                    raise BadSetting("steps.unknown_setting", given=name, nearest=nearest(name, names))
            changed = self._checked(dataclasses.replace(self._settings, **values))  # type: ignore[type-var]
            if changed == self._settings:
                return changed
            self._past = [*self._past, self._settings][-_MOST_UNDO:]
            self._settings = changed
        self._after_change()
        self.tell("settings")
        return changed

    def restore(self, **values: Any) -> None:
        """Take settings as they were kept from an earlier time; no change that could be taken back, and no first ones.

        Raises:
            BadSetting: as :meth:`change`.
        """
        with self._guard:
            self.change(**values)
            self._past = []

    def undo(self) -> bool:
        """Take the last change back; False where there is none."""
        with self._guard:
            if not self._past:
                return False
            self._settings = self._past.pop()
        self._after_change()
        self.tell("settings")
        return True

    @property
    def can_undo(self) -> bool:
        """Tell whether there is a change to take back."""
        return bool(self._past)

    def reset(self) -> None:
        """Go back to the first settings, without memory of any change; what lies on the disk stays."""
        with self._guard:
            self._settings, self._past = self._first, []
        self._after_change()
        self._forget()
        self.tell("reset")

    def _adopt(self, take: Callable[[S], S]) -> None:
        """Take over what another step has settled, into all settings that there were: neither undo nor reset loses it,
        and it is no change that could be taken back here."""
        with self._guard:
            before, now = self._settings, self._checked(take(self._settings))
            states = [*map(take, self._past), now]
            self._first, self._settings = take(self._first), now
            self._past = [state for state, after in pairwise(states) if state != after]
            if now == before:
                return
        self._after_change()
        self.tell("settings")

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hear of every change: ``settings``, ``reset``, or a word of the step's own. Returns what ends it."""
        with self._guard:
            self._listeners = [*self._listeners, listener]

        def unsubscribe() -> None:
            with self._guard:
                self._listeners = [subscriber for subscriber in self._listeners if subscriber is not listener]

        return unsubscribe

    def tell(self, what: str) -> None:
        """Tell everybody that ``what`` has changed."""
        for listener in self._listeners:
            listener(what)

    def code(self) -> str:
        """Return the lines of Python that do the same."""
        raise NotImplementedError

    def _checked(self, settings: S) -> S:
        """The settings as they are kept; raises where one cannot be."""
        return settings

    def _after_change(self) -> None:
        """Drop what was worked out from other settings."""

    def _forget(self) -> None:
        """Drop everything that is not a setting."""


def as_workbench_error(error: BaseException) -> WorkbenchError:
    """Return any error as one that says what happened and what to do, for a front end's card."""
    if isinstance(error, WorkbenchError):
        return error
    if isinstance(error, OSError):
        return Failed("steps.refused", path=error.filename or "–", reason=error.strerror or str(error))
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return Failed("steps.out_of_memory")
    return Failed("steps.unexpected", kind=type(error).__name__, reason=" ".join(str(error).split()) or "–")


class Stopper:
    """Represent a wish to stop, that a job looks at. A front end that works in a thread says :meth:`ready` before it
    begins one: what is wished from then on counts, also before the job has begun."""

    def __init__(self) -> None:
        self._wish = threading.Event()
        self._ready = False

    def ready(self) -> None:
        """Note that a job is to begin: earlier wishes are over."""
        self._wish.clear()
        self._ready = True

    def begin(self) -> None:
        """Note that the job begins: earlier wishes are over, but for those since :meth:`ready`."""
        if not self._ready:
            self._wish.clear()
        self._ready = False

    def ask(self) -> None:
        """Wish it."""
        self._wish.set()

    def clear(self) -> None:
        """Wish it no longer."""
        self._wish.clear()
        self._ready = False

    def __call__(self) -> bool:
        """Whether it is wished."""
        return self._wish.is_set()
