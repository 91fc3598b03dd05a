"""A conversation with an assistant. Knows messages and their file; nothing of screens.

Messages are kept and rendered anew for each question: a history that is decoded and encoded again drifts from what was
trained.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.chat.assistant import Assistant
from workbench.chat.sampling import Sampling, Tools, box_of
from workbench.data.conversation import Conversation, Message
from workbench.data.picture import Picture
from workbench.data.pictures import illustrated
from workbench.errors import BadInput
from workbench.tools.cards import Card, End, messages_of

RETRY_TEMPERATURE = 0.8


class Chat:
    """Hold what was said so far, and how to go on.

    Args:
        assistant: who answers.
        system: the system message; empty for none.
        sampling: how answers are drawn.
        tools: names, functions or a box, as in :meth:`Assistant.ask`; empty for none.
        on_card, on_end: told of each call, and where the limits of the tools ended an answer.
    """

    def __init__(
        self,
        assistant: Assistant,
        *,
        system: str = "",
        sampling: Sampling | None = None,
        tools: Tools = (),
        on_card: Callable[[Card], Any] | None = None,
        on_end: Callable[[End], Any] | None = None,
    ) -> None:
        self.assistant = assistant
        self.box = box_of(tools)
        self.on_card, self.on_end = on_card, on_end
        self.system = system
        self.sampling = sampling or Sampling()
        self.messages: list[Message] = []
        self.cut = 0
        self._draw = 0
        self._shown: tuple[Picture, ...] = ()

    def show(self, pictures: Sequence[Picture]) -> None:
        """Put pictures before the next question.

        Raises:
            BadPicture: one of them cannot be seen.
        """
        from workbench.data.imaging import look

        for picture in pictures:
            look(picture)
        self._shown = tuple(pictures)

    def stream(self, question: str, *, should_stop: Callable[[], bool] | None = None) -> Iterator[str]:
        """Ask, and give the answer in pieces. What was said of it stays, however it ends; a question without a word
        of an answer does not.

        Raises:
            BadInput: the question alone is longer than the model's context, or shows a picture to a model that sees
                none.
        """
        asked = illustrated(question, self._shown)
        self._shown = ()
        yield from self._stream(asked, self.sampling, should_stop)

    def say(self, question: str) -> str:
        """Ask, and give the whole answer."""
        return "".join(self.stream(question))

    def retry(self, *, should_stop: Callable[[], bool] | None = None) -> Iterator[str]:
        """Ask the last question again and draw another answer; a greedy one would come out the same.

        Raises:
            BadInput: nothing was asked yet.
        """
        index = next((i for i in reversed(range(len(self.messages))) if self.messages[i].role == "user"), None)
        if index is None:
            raise BadInput("chat.nothing_to_retry")
        before, question = self.messages[:index], self.messages[index]
        self._draw += 1
        warmth = self.sampling.temperature or RETRY_TEMPERATURE
        sampling = replace(self.sampling, temperature=warmth, seed=self.sampling.seed + self._draw)
        previous, self.messages = self.messages, before
        try:
            yield from self._stream(question, sampling, should_stop)
        finally:
            if self.messages == before:  # no word came: the old answer stays
                self.messages = previous

    def _stream(self, question: Message, sampling: Sampling, should_stop: Callable[[], bool] | None) -> Iterator[str]:
        pieces: list[str] = []
        cards: list[Card] = []
        messages = [*self._system(), *self.messages, question]
        self.cut = 0
        options: dict[str, Any] = {"sampling": sampling, "should_stop": should_stop, "on_cut": self._note_cut}
        if self.box:
            options |= {
                "tools": self.box,
                "on_card": lambda card: self._note_card(card, cards, pieces),
                "on_end": self._ended,
            }
        try:
            for piece in self.assistant.stream(messages, **options):
                pieces.append(piece)
                yield piece
        finally:
            if pieces or cards:
                answer = [Message("assistant", "".join(pieces))] if pieces else []
                self.messages = [*self.messages, question, *messages_of(cards), *answer]

    def _note_card(self, card: Card, cards: list[Card], pieces: list[str]) -> None:
        """Keep a card that has its result; the words before a call stand in the call's own message."""
        pieces.clear()
        if card.result is not None:
            cards.append(card)
        if self.on_card:
            self.on_card(card)

    def _ended(self, end: End) -> None:
        if self.on_end:
            self.on_end(end)
        else:
            warnings.warn(end.says(), stacklevel=2)

    def reset(self) -> None:
        """Forget what was said; the system message stays."""
        self.messages = []
        self.cut = 0

    def conversation(self) -> Conversation:
        """Return all of it, the system message first."""
        return Conversation((*self._system(), *self.messages), tools=self.box.schemas if self.box else ())

    def save(self, file: str | Path, *, overwrite: bool = False) -> None:
        """Write the conversation to ``file``, as a line of OpenAI messages.

        Raises:
            OutputExists: the file is there, and not to be replaced. BadInput: its folder is not there.
        """
        from workbench.data import write

        write([self.conversation()], Path(file).expanduser(), overwrite=overwrite)

    def load(self, file: str | Path) -> None:
        """Go on with the first conversation of ``file``, in any format that data files have.

        Raises:
            BadData: it cannot be read.
        """
        from workbench.data import read

        conversations = read(Path(file).expanduser(), limit=1)
        messages = list(conversations[0].messages) if conversations else []
        self.reset()
        if messages and messages[0].role == "system":
            self.system = messages.pop(0).content
        while messages and messages[-1].role != "assistant":
            messages.pop()  # a question that was never answered would stand before the next one
        self.messages = messages

    def _system(self) -> list[Message]:
        return [Message("system", self.system)] if self.system else []

    def _note_cut(self, n: int) -> None:
        self.cut = n
