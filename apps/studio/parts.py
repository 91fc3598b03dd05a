"""What all panes of the studio share: the words of the parts, and how a click is answered. Knows Gradio and errors.

Whatever goes wrong in a click stands in the pane's own note, never in a toast that is gone before it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from workbench.chat.discreet import without_places
from workbench.errors import BadInput, WorkbenchError
from workbench.render.markup import escape, root
from workbench.steps import as_workbench_error
from workbench.texts import language, lookup, text

from .line import Line
from .way import Standing, onward
from .workspaces import Workspace, Workspaces

Work = Callable[..., list[Any]]
# What only a terminal understands: a remedy with it is none on a page.
_COMMAND = re.compile(r"(?<![A-Za-z0-9_-])--[a-z]|`|(?<![A-Za-z])workbench [a-z]|\bmake [a-z]+$")
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
        main: the button that does what the step is for; its one loud button until that is done.
        acts: the ids of the buttons that take a while, each with words for what is being done.
        doing, foot: the places of those words, and of the button to the next step.
    """

    name: str
    number: int
    title: Any = None
    note: Any = None
    shown: list[Any] = field(default_factory=list)
    state: Callable[[Workspace, str], list[Any]] = lambda *_: []
    worded: list[tuple[Any, dict[str, str]]] = field(default_factory=list)
    main: Any = None
    acts: tuple[str, ...] = ()
    doing: Any = None
    foot: Any = None

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

    def act(self, lang: str, name: str, key: str, **how: Any) -> Any:
        """A button of that id that takes a while: the page shows at once that it was heard, and says what is done."""
        self.acts = (*self.acts, name)
        classes = ["wb-act", *how.pop("elem_classes", ())]
        return self.make(gr.Button, lang, say={"value": key}, elem_id=name, elem_classes=classes, **how)

    def head(self, lang: str) -> None:
        """The step's heading."""
        self.title = gr.HTML(heading(self, lang), padding=False)

    def tell(self, lang: str) -> None:
        """The places of what is being done, of errors, and of the way on: under the buttons that cause them."""
        self.doing = gr.HTML(working(self, lang), padding=False, elem_classes="wb-work")
        self.note = gr.HTML("", elem_id=f"note-{self.name}", padding=False)
        self.foot = gr.HTML("", padding=False, elem_classes="wb-foot")

    def standing(self, now: Standing, lang: str) -> list[Any]:
        """The way on, and whether this step's own button is still the loud one."""
        loud = self.name not in now.done or self.name == "chat"
        return [onward(now, self.name, lang), gr.update(variant="primary" if loud else "secondary")]


def heading(pane: Pane, lang: str) -> str:
    """Number, name and reason of a step."""
    name, why = (escape(text(f"studio.{pane.name}.{part}", lang)) for part in ("head", "why"))
    return (
        f'<h2 tabindex="-1"><span class="wb-number" aria-hidden="true">{pane.number}</span>{name}</h2>'
        f'<p class="wb-why">{why}</p>'
    )


def working(pane: Pane, lang: str) -> str:
    """What each button of a step does, in words that are hidden until it is clicked."""
    return "".join(_working(act, text(f"studio.doing.{act.replace('-', '_')}", lang)) for act in pane.acts)


def _working(act: str, words: str) -> str:
    return f'<p class="wb-doing" data-for="{act}" hidden>{escape(words)}</p>'


def resting(event: Any, act: str) -> Any:
    """After ``event``, however it ended, the button ``act`` rests; that it is busy the page says by itself."""
    how: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    return event.then(None, None, None, js=f"() => window.workbenchStudio.rest('{act}')", **how)


def visitor(request: gr.Request) -> str:
    """The session of the page.

    Raises:
        BadInput: the caller has none, and so has no page.
    """
    if not request.session_hash:
        raise BadInput("studio.stranger")
    return str(request.session_hash)


def card(error: BaseException, lang: str) -> str:
    """What went wrong, and what to do on this page."""
    return alert(worded(as_workbench_error(error), lang), lang)


def worded(error: WorkbenchError, lang: str) -> tuple[str, str]:
    """What went wrong and what to do, in the page's own words where it has some; never a command of a terminal."""
    usual = {"say": error.say(lang), "do": error.do(lang)}
    usual["do"] = text("studio.remedy", lang) if of_a_terminal(usual["do"]) else usual["do"]
    with suppress(KeyError):
        usual |= lookup(f"studio.own.{error.key.replace('.', '_')}", lang)
    return usual["say"], usual["do"]


def of_a_terminal(sentence: str) -> bool:
    """Whether a sentence speaks of commands and options, which a page has not."""
    return bool(_COMMAND.search(sentence))


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
