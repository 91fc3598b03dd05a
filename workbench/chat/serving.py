"""What the finished assistant is started with: which model, how, for whom. Knows arguments and notes; no web library.

The same for every front end and for the bundles: ``python -m apps.assistant_gradio MODEL [options]``.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench.chat.desk import Desk, Limits
from workbench.chat.endpoint import Endpoint
from workbench.chat.face import Face, face_of
from workbench.errors import WorkbenchError
from workbench.models.notes import part, read_note
from workbench.texts import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.chat.assistant import Assistant
    from workbench.chat.history import Asked

# the options that are the same for all who serve an assistant: name -> settings of argparse
_OPTIONS: dict[str, dict[str, Any]] = {
    "adapter": {},
    "quantization": {"choices": ("none", "nf4"), "default": "none"},
    "template": {},
    "device": {},
    "base": {},
    "endpoint": {},
    "host": {},
    "port": {"type": int},
    "lang": {"choices": ("zh", "en")},
}


class Answers(Protocol):
    """Whatever answers: an assistant in this process or in one beside it, or an endpoint."""

    def stream(self, asked: Asked, **how: Any) -> Iterator[str]:
        """The answer in pieces."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What answers, once it is loaded.

    Args:
        answers: the assistant.
        base: what it is compared with; None where there is nothing.
        remarks: names of sentences to be shown: on which device, in how many bits.
        notices: sentences of the model itself.
    """

    answers: Answers
    base: Answers | None = None
    remarks: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served.

    Args:
        model: ``pocket``, a folder or a hub id; behind an endpoint the model's name there, or its folder.
        adapter: a folder in PEFT's format.
        quantization: ``nf4`` for 4 bit.
        template: a named template, in the place of the one that was trained.
        device: by default the best there is.
        base: what to compare a merged model with; with an adapter it is the model itself.
        endpoint: the URL of an OpenAI-compatible API that answers in this process's place.
        host, port: where; see :func:`workbench.chat.door.door`.
        lang: of the page, before the visitor chooses.
    """

    model: str = ""
    adapter: str | None = None
    quantization: Any = "none"
    template: str | None = None
    device: str | None = None
    base: str | None = None
    endpoint: str | None = None
    host: str | None = None
    port: int | None = None
    lang: str | None = None


def serving(arguments: Sequence[str], program: str) -> Serving:
    """The settings that a command line gives."""
    parser = argparse.ArgumentParser(prog=program, description=text("web.help"), allow_abbrev=False)
    parser.add_argument("model", nargs="?", default="", help=text("web.options.model"))
    for name, how in _OPTIONS.items():
        parser.add_argument(f"--{name}", help=text(f"web.options.{name}"), **how)
    given = parser.parse_args(list(arguments))
    if not given.model and not given.endpoint:
        parser.error(text("web.options.needed"))
    return Serving(**vars(given))


def face(settings: Serving) -> Face:
    """Who greets: told by the adapter's note, else by the model's; nothing is loaded for it."""
    note = read_note(settings.adapter or settings.model or ".")
    name = settings.model or settings.endpoint or ""
    return face_of(note, Path(name).name or name)


def desk(settings: Serving, limits: Limits | None = None) -> Desk:
    """The desk at which ``settings`` are served: the model in a process of its own, not loaded yet (:meth:`Desk.warm`
    begins)."""
    from workbench.chat.beside import Beside

    opener = partial(opened, settings) if settings.endpoint else Beside(settings).opened
    return Desk(opener, face(settings), limits)


_HELD: dict[Serving, Desk] = {}
_HOLDING = threading.Lock()


def shared_desk(settings: Serving) -> Desk:
    """The one desk of this process for ``settings``, with its model loading: for a front end that begins anew at every
    click, and whose own cache any visitor may empty."""
    with _HOLDING:
        if settings not in _HELD:
            _HELD[settings] = desk(settings).warm()
        return _HELD[settings]


def opened(settings: Serving) -> Opened:
    """Load what answers, in this process.

    Raises:
        WorkbenchError: it cannot be loaded, or the endpoint does not answer.
    """
    if settings.endpoint:
        there = Endpoint(settings.endpoint, settings.model or None)
        return Opened(there, there.with_model(settings.base) if settings.base else None, ("by_endpoint",))
    from workbench.chat.assistant import Assistant

    how: dict[str, Any] = {"quantization": settings.quantization, "device": settings.device}
    assistant = Assistant.load(settings.model, settings.adapter, template=settings.template, **how)
    base = assistant.base if assistant.adapted else _base(settings, assistant, how)
    remarks = ["on_cpu" if assistant.loaded.device.type == "cpu" else "on_gpu"]
    remarks += ["in_4bit"] if settings.quantization == "nf4" else []
    return Opened(assistant, base, tuple(remarks), assistant.notices)


def _base(settings: Serving, assistant: Assistant, how: dict[str, Any]) -> Assistant | None:
    """What a merged model grew from: the one that was named, else the one its note names if it is on this machine."""
    from workbench.chat.assistant import Assistant

    named = settings.base or str(part(assistant.note, "base").get("name") or "")
    if not named or (not settings.base and named != "pocket" and not Path(named).expanduser().is_dir()):
        return None
    try:
        return Assistant.load(named, template=assistant.template, **how)
    except WorkbenchError:
        if settings.base:
            raise
        return None  # a bundle leaves the base behind
