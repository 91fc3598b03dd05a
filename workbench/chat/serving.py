"""What the finished assistant is started with: which model, how, for whom. Knows arguments and notes; no web library.

The same for every front end and for the bundles: ``python -m apps.assistant_gradio MODEL [options]``.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import click

from workbench.chat.desk import Desk, Limits
from workbench.chat.face import Face, face_of
from workbench.chat.loading import Serving, opened
from workbench.errors import BadInput
from workbench.models.notes import read_note
from workbench.texts import text
from workbench.tools import chosen
from workbench.usage import explained, in_our_language

# what the options take that are the same for all who serve an assistant; the others take any word
_KINDS: dict[str, dict[str, Any]] = {
    "quantization": {"type": click.Choice(["none", "nf4", "int8"]), "default": "none"},
    "port": {"type": int},
    "lang": {"type": click.Choice(["zh", "en"])},
}
_OPTIONS = [field.name for field in fields(Serving) if field.name != "model"]


def serving(arguments: Sequence[str] | Serving | None, program: str) -> Serving:
    """Return the settings that a command line gives, by default that of this process.

    Raises:
        SystemExit: after ``--help``, with status 0, or what is wrong with it, with 2.
    """
    if isinstance(arguments, Serving):
        return arguments
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _command(program).make_context(program, words) as context:
            if not context.params["model"] and not context.params["endpoint"]:
                raise click.UsageError(text("web.options.needed"))
            return Serving(**context.params)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        click.echo(explained(error, program), err=True)
        sys.exit(BadInput.exit_status)


def _command(program: str) -> click.Command:
    model = click.Argument(["model"], required=False, default="")
    options = [
        click.Option([f"--{name}"], help=text(f"web.options.{name}"), **_KINDS.get(name, {})) for name in _OPTIONS
    ]
    about = f"{text('web.help')}\n\nMODEL: {text('web.options.model')}"
    return in_our_language(click.Command(program, params=[model, *options], help=about))


def command_line(settings: Serving) -> list[str]:
    """Return the words that give ``settings``, for a page that reads them anew at every click."""
    values = {name: getattr(settings, name) for name in _OPTIONS}
    options = [f"--{name}={value}" for name, value in values.items() if value is not None]
    return [*options, "--", settings.model] if settings.model else options


def face(settings: Serving) -> Face:
    """Tell who greets: told by the adapter's note, else by the model's; nothing is loaded for it."""
    note = read_note(settings.adapter or settings.model or ".")
    name = settings.model or settings.endpoint or ""
    return face_of(note, Path(name).name or name)


def may_see(settings: Serving) -> bool:
    """Tell whether what is served may take pictures, by its name and its folders; nothing is loaded for it."""
    return not settings.endpoint and takes_pictures(settings.model, settings.adapter)


def takes_pictures(model: str, adapter: str | None = None) -> bool:
    """Tell the same of a model and its adapter, each a name or a folder; a hub id that is not here yet may see."""
    from workbench.models.glance import sees

    added = Path(adapter or model or ".").expanduser()
    return (added / "projector").is_dir() or sees(model or ".") is not False


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
