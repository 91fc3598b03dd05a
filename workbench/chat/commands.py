"""What a line typed in a chat means. Knows the commands and a conversation; prints nothing: any screen can use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workbench.chat.talk import Chat
from workbench.data.picture import Picture
from workbench.errors import BadInput, UnknownName, nearest
from workbench.texts import text

# what XTuner's chat is told; there as here in capitals
OLD = {"RESET": "/reset", "EXIT": "/quit"}
COMMANDS = ("/help", "/reset", "/retry", "/system", "/save", "/load", "/image", "/quit")


@dataclass(frozen=True, slots=True)
class Reply:
    """Hold what follows from a line.

    Args:
        answer: the answer in pieces, where the line asked something.
        notice: a sentence of the chat itself, not of the model.
        leave: whether the chat ends.
    """

    answer: Iterator[str] | None = None
    notice: str = ""
    leave: bool = False


class Session:
    """Represent a chat driven by lines: a question, or a command that begins with ``/``.

    Args:
        chat: the conversation.
        should_stop: asked before each token of an answer.
    """

    def __init__(self, chat: Chat, *, should_stop: Callable[[], bool] | None = None) -> None:
        self.chat = chat
        self.should_stop = should_stop

    def handle(self, line: str) -> Reply:
        """Return what to do with ``line``. A line that begins with a space is a question even where a ``/`` follows.

        Raises:
            UnknownName: no such command; the nearest is named. BadInput: a command cannot be done.
        """
        if not line.strip():
            return Reply()
        line = OLD.get(line.strip(), line)
        if not line.startswith("/"):
            return Reply(answer=self.chat.stream(line.strip(), should_stop=self.should_stop))
        name, _, rest = line.strip().partition(" ")
        if name.lower() not in COMMANDS:
            raise UnknownName("chat.unknown_command", given=name, nearest=nearest(name, COMMANDS, 1))
        reply: Reply = getattr(self, f"_{name[1:].lower()}")(rest.strip())
        return reply

    def _help(self, _: str) -> Reply:
        return Reply(notice=text("chat.help"))

    def _reset(self, _: str) -> Reply:
        self.chat.reset()
        return Reply(notice=text("chat.was_reset"))

    def _retry(self, _: str) -> Reply:
        return Reply(answer=self.chat.retry(should_stop=self.should_stop))

    def _system(self, new_text: str) -> Reply:
        if new_text.lower() == "off":
            self.chat.system = ""
        elif new_text:
            self.chat.system = new_text
        if not self.chat.system:
            return Reply(notice=text("chat.no_system"))
        return Reply(notice=text("chat.system_now", system=self.chat.system))

    def _save(self, file: str) -> Reply:
        if not file:
            raise BadInput("chat.no_file", command="/save")
        self.chat.save(file)
        return Reply(notice=text("chat.saved", file=file, n=len(self.chat.messages)))

    def _load(self, file: str) -> Reply:
        if not file:
            raise BadInput("chat.no_file", command="/load")
        self.chat.load(file)
        return Reply(notice=text("chat.loaded", file=file, n=len(self.chat.messages)))

    def _image(self, file: str) -> Reply:
        if not file:
            raise BadInput("chat.no_file", command="/image")
        self.chat.show([Picture.of(file)])
        return Reply(notice=text("chat.image_shown", file=file))

    def _quit(self, _: str) -> Reply:
        return Reply(leave=True)
