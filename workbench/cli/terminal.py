"""A chat in the terminal: lines in, answers out as they come. Knows the keyboard and the screen; nothing of models."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.errors import WorkbenchError
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.chat import Chat
    from workbench.tools import Card, End

# A model can be made to write what moves the cursor, renames the window or types for the person.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(sentence: str) -> str:
    """Return text without the characters that a terminal obeys; line breaks and tabs stay."""
    return _CONTROL.sub("", sentence)


def quiet() -> None:
    """Show the bar of a long load only where somebody sees it."""
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()


class Terminal:
    """Represent one chat and where it is shown.

    Args:
        chat: the conversation.
        history: the file that it is kept in, or None.
        as_json: answers as JSON, a line each, for programs.
        name: what the assistant is called on the screen; empty: by its own name.
        whole: show each answer when it is complete.
    """

    def __init__(
        self, chat: Chat, *, history: Path | None = None, as_json: bool = False, name: str = "", at_once: bool = False
    ) -> None:
        from workbench.chat import Session

        self.chat = chat
        chat.on_card, chat.on_end = self._card, self._end
        self._calls: list[dict[str, Any]] = []
        self._note = ""
        self.session = Session(chat)
        self.history = history
        self.as_json = as_json
        self.name, self.whole = name or chat.assistant.name, at_once

    def once(self, question: str) -> None:
        """Ask one question and print its answer."""
        self._answer(self.chat.stream(question))
        self._keep()

    def read(self, lines: Iterable[str]) -> None:
        """Answer questions and commands from a pipe, a line each, in one conversation; only answers go to stdout.

        Raises:
            WorkbenchError: a line cannot be done; what was said before it is kept.
        """
        for line in lines:
            reply = self.session.handle(line.rstrip("\r\n"))
            if reply.notice:
                click.echo(reply.notice, err=True)
            if reply.answer is not None:
                self._answer(reply.answer)
                self._keep()
            if reply.leave:
                return

    def talk(self) -> None:
        """Talk with a person until they leave."""
        _editable()
        click.echo(click.style(text("chat.greeting", name=printable(self.name)), dim=True))
        while True:
            try:
                line = input(_prompt())
            except EOFError:
                click.echo()
                return
            except KeyboardInterrupt:
                click.echo("\n" + click.style(text("chat.hint_leave"), dim=True))
                continue
            if not self._turn(line):
                return

    def _turn(self, line: str) -> bool:
        """One line of a person; whether the chat goes on."""
        try:
            reply = self.session.handle(line)
            if reply.notice:
                click.echo(click.style(printable(reply.notice), dim=True))
            if reply.answer is not None:
                name = printable(self.name)
                click.echo(click.style(f"{name}: ", fg="blue", bold=True), nl=False)
                self._answer(reply.answer)
                self._keep()
        except KeyboardInterrupt:
            click.echo(" " + click.style(text("chat.stopped"), dim=True))
            self._keep()
            return True
        except (WorkbenchError, OSError) as error:
            from workbench.cli import from_os_error

            refusal = error if isinstance(error, WorkbenchError) else from_os_error(error)
            click.echo(click.style(str(refusal), fg="yellow"), err=True)
            return True
        return not reply.leave

    def _answer(self, answer: Iterator[str]) -> None:
        from workbench.templates.thoughts import parted

        self._calls, self._note = [], ""
        if self.as_json:
            spoken = parted("".join(answer))
            more: dict[str, Any] = {"thinking": spoken.thought} if spoken.thought else {}
            more |= {"calls": self._calls} if self.chat.box else {}
            more |= {"ended": self._note} if self._note else {}
            click.echo(json.dumps({"answer": spoken.answer, **more}, ensure_ascii=False))
        else:
            self._shown(iter(["".join(answer)]) if self.whole else answer)
        if self.chat.cut:
            click.echo(click.style(text("chat.cut", n=self.chat.cut), dim=True), err=True)

    def _shown(self, answer: Iterator[str]) -> None:
        """The answer as it comes; a thought before it is folded into a word, and stays in the conversation."""
        from workbench.templates.thoughts import parted

        written, seen, announced = "", 0, False
        spoken = parted("")
        for piece in answer:
            written += piece
            spoken = parted(written)
            if spoken.thought and not announced:
                click.echo(click.style(text("chat.thinking"), dim=True), err=True)
                announced = True
            click.echo(printable(spoken.answer[seen:]), nl=False)
            seen = len(spoken.answer)
            sys.stdout.flush()
        click.echo()
        if spoken.going:
            click.echo(click.style(text("chat.still_thinking"), dim=True), err=True)

    def _card(self, card: Card) -> None:
        """Two dim lines of a call: its name and arguments, then its result or error."""
        if card.result is None:
            if not self.as_json:
                line = f"→ {card.name or text('tools.card.unread')} {card.arguments}"
                click.echo(click.style(printable(line), dim=True), err=True)
            return
        call = {"name": card.name, "arguments": card.arguments, "result": card.result}
        self._calls.append(call | ({"trouble": card.trouble} if card.trouble else {}))
        if not self.as_json:
            why = f" {text(f'tools.trouble.{card.trouble}')}" if card.trouble else ""
            click.echo(click.style(printable(f"← {card.result}{why}"), dim=True), err=True)

    def _end(self, end: End) -> None:
        """The sentence of an answer that its tools' limits ended."""
        self._note = end.says()
        if not self.as_json:
            click.echo(click.style(self._note, fg="yellow"), err=True)

    def _keep(self) -> None:
        if self.history is not None and self.chat.messages:
            self.chat.save(self.history, overwrite=True)


def _editable() -> None:
    """Arrow keys and a memory of earlier lines, where the system has them."""
    try:
        import readline
    except ImportError:
        return
    readline.set_auto_history(True)


def _prompt() -> str:
    # readline counts what stands between \001 and \002 as no width, so that long lines break where they should
    label = text("chat.you")
    if not sys.stdout.isatty():
        return f"{label}: "
    return f"\001\033[1;32m\002{label}:\001\033[0m\002 "
