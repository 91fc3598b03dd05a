"""What all panes of the studio share: the words of the parts, and how a click is answered. Knows Gradio and errors.

Whatever goes wrong in a click stands in the pane's own note, never in a toast that is gone before it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from workbench.chat.discreet import without_places
from workbench.errors import BadInput, WorkbenchError
from workbench.render.markup import escape, root
from workbench.steps import as_workbench_error
from workbench.texts import language, text

from .line import Line
from .workspaces import Workspace, Workspaces

Work = Callable[..., list[Any]]
_FOLDER = re.compile(r"\b(?:[0-9a-f]{40}|[0-9a-f]{32})[/\\]?")
_UPLOAD = re.compile(r"(?:\b[0-9a-f]{32,40}[/\\])?(?:\buploads[/\\])?\b[0-9a-f]{16}\.(?:jsonl|json|csv|tsv|parquet)\b")


@dataclass
class Studio:
    """What the page stands on.

    Args:
        rooms: the workspaces.
        line: the line for the device.
        lang: the language that the page opens in; None takes the browser's.
        secret: with which browsers remember their workspace.
    """

    rooms: Workspaces
    line: Line
    lang: str | None
    secret: str


@dataclass
class Pane:
    """One step on the page.

    Args:
        name: ``data``, ``template``, ``train``, ``export`` or ``chat``.
        number: of the step.
        title, note: its heading, and where its errors are told.
        shown: the parts that :attr:`state` fills.
        state: the values of ``shown`` for a workspace, in a language.
        worded: which words each part bears: property -> key under ``studio``.
    """

    name: str
    number: int
    title: Any = None
    note: Any = None
    shown: list[Any] = field(default_factory=list)
    state: Callable[[Workspace, str], list[Any]] = lambda *_: []
    worded: list[tuple[Any, dict[str, str]]] = field(default_factory=list)

    def words(self, lang: str, **keys: str) -> dict[str, str]:
        """The words themselves, for the making of a part."""
        return {name: text(f"studio.{key}", lang) for name, key in keys.items()}

    def make(self, kind: Callable[..., Any], lang: str, *given: Any, say: dict[str, str], **how: Any) -> Any:
        """A part that bears words: ``say`` maps properties to keys under ``studio``."""
        part = kind(*given, **how, **self.words(lang, **say))
        self.worded.append((part, say))
        return part

    def button(self, lang: str, key: str, **how: Any) -> Any:
        """A button that bears the words of ``key``."""
        return self.make(gr.Button, lang, say={"value": key}, min_width=120, **how)

    def head(self, lang: str) -> None:
        """The step's heading, and the place of its errors."""
        self.title = gr.HTML(heading(self, lang), padding=False)
        self.note = gr.HTML("", elem_id=f"note-{self.name}", padding=False)


def heading(pane: Pane, lang: str) -> str:
    """Number, name and reason of a step."""
    name, why = (escape(text(f"studio.{pane.name}.{part}", lang)) for part in ("head", "why"))
    return f'<h2><span class="wb-number">{pane.number}</span>{name}</h2><p class="wb-why">{why}</p>'


def visitor(request: gr.Request) -> str:
    """The session of the page.

    Raises:
        BadInput: the caller has none, and so has no page.
    """
    if not request.session_hash:
        raise BadInput("studio.stranger")
    return str(request.session_hash)


def card(error: BaseException, lang: str) -> str:
    """What went wrong, and what to do."""
    found: WorkbenchError = as_workbench_error(error)
    return alert((found.say(lang), found.do(lang)), lang)


def alert(sentences: Iterable[str], lang: str) -> str:
    """Sentences of trouble, without the empty ones."""
    lines = "".join(f"<p>{escape(discreet(sentence, lang))}</p>" for sentence in sentences if sentence)
    return f'<div class="wb-error" role="alert">{lines}</div>'


def discreet(sentence: str, lang: str) -> str:
    """The sentence without the server's paths; an upload, whose name is ours, is the visitor's file."""
    return _FOLDER.sub("", _UPLOAD.sub(text("studio.your_file", lang), without_places(sentence)))


def shown(content: str, lang: str) -> str:
    """Content of ours in the project's own type and colours."""
    return root(content, lang=lang, class_="wb-out") if content else ""


def click(studio: Studio, work: Work, outputs: int) -> Callable[..., list[Any]]:
    """A handler: finds the visitor's workspace, does ``work(workspace, lang, *values)``, tells errors in the note.

    Its outputs are the ``outputs`` values that ``work`` gives, then the note.
    """

    def answer(request: gr.Request, lang: str, *values: Any) -> list[Any]:
        spoken = language(lang)
        try:
            return [*work(studio.rooms.of(visitor(request)), spoken, *values), ""]
        except Exception as error:  # whatever it is, the page says it and goes on
            return [*[gr.skip()] * outputs, card(error, spoken)]

    return answer


def flow(studio: Studio, work: Callable[..., Iterator[list[Any]]], outputs: int) -> Callable[..., Iterator[list[Any]]]:
    """The same for work that gives its values again and again."""

    def answer(request: gr.Request, lang: str, *values: Any) -> Iterator[list[Any]]:
        spoken = language(lang)
        try:
            for made in work(studio.rooms.of(visitor(request)), spoken, *values):
                yield [*made, ""]
        except Exception as error:
            yield [*[gr.skip()] * outputs, card(error, spoken)]

    return answer
