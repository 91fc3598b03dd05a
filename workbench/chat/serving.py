"""What the finished assistant is started with: which model, how, for whom. Knows arguments and notes; no web library.

The same for every front end and for the bundles: ``python -m apps.assistant_gradio MODEL [options]``.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.chat.desk import Desk, Limits
from workbench.chat.face import Face, face_of
from workbench.chat.loading import Serving, opened
from workbench.models.notes import read_note
from workbench.texts import text
from workbench.tools import chosen

if TYPE_CHECKING:
    pass

# the options that are the same for all who serve an assistant: name -> settings of argparse
_OPTIONS: dict[str, dict[str, Any]] = {
    "adapter": {},
    "quantization": {"choices": ("none", "nf4"), "default": "none"},
    "template": {},
    "device": {},
    "base": {},
    "endpoint": {},
    "tools": {},
    "host": {},
    "port": {"type": int},
    "lang": {"choices": ("zh", "en")},
}


def serving(arguments: Sequence[str], program: str) -> Serving:
    """Return the settings that a command line gives."""
    parser = argparse.ArgumentParser(prog=program, description=text("web.help"), allow_abbrev=False)
    parser.add_argument("model", nargs="?", default="", help=text("web.options.model"))
    for name, options in _OPTIONS.items():
        parser.add_argument(f"--{name}", help=text(f"web.options.{name}"), **options)
    parsed = parser.parse_args(list(arguments))
    if not parsed.model and not parsed.endpoint:
        parser.error(text("web.options.needed"))
    return Serving(**vars(parsed))


def face(settings: Serving) -> Face:
    """Tell who greets: told by the adapter's note, else by the model's; nothing is loaded for it."""
    note = read_note(settings.adapter or settings.model or ".")
    name = settings.model or settings.endpoint or ""
    return face_of(note, Path(name).name or name)


def desk(settings: Serving, limits: Limits | None = None) -> Desk:
    """Return the desk at which ``settings`` are served: the model in a process of its own, not loaded yet
    (:meth:`Desk.warm` begins)."""
    from workbench.chat.beside import ModelProcess

    opener = partial(opened, settings) if settings.endpoint else ModelProcess(settings).opened
    if settings.tools:
        chosen(settings.tools)  # a wrong name is told before anything loads
    return Desk(opener, face(settings), limits, settings.tools or "")


_HELD: dict[Serving, Desk] = {}
_HOLDING = threading.Lock()


def shared_desk(settings: Serving) -> Desk:
    """Return the one desk of this process for ``settings``, with its model loading: for a front end that begins anew at
    every click, and whose own cache any visitor may empty."""
    with _HOLDING:
        if settings not in _HELD:
            _HELD[settings] = desk(settings).warm()
        return _HELD[settings]
