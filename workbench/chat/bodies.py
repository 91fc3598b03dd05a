"""How much a request may carry, counted before any library keeps it. Knows ASGI; nothing of pages.

Web libraries read a request whole before they look at it, and so a form's fields; a form's files alone go to the disk.
Whoever may knock at a door could fill the memory behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
WORDS = 128_000  # bytes: the longest question and system message with each character as \uXXXX
FRAME = 16_384  # bytes of a form beside its file
TOGETHER = 50_000_000  # bytes of all requests without a file that are worked on at the same time
FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Most:
    """Hold what one request may carry.

    Args:
        size: bytes.
        form: whether it is a form with a file, which is not kept in memory.
    """

    size: int
    form: bool

    @classmethod
    def of(cls, content_type: str, file: int) -> Most:
        """Tell it by the kind of content; ``file`` bytes may a file have."""
        form = content_type.partition(";")[0].strip().lower() == FORM
        return cls(file + FRAME, form=True) if form else cls(WORDS, form=False)


class Bodies:
    """Count the bytes of all requests of a page that have not ended yet. To be used from one event loop."""

    def __init__(self) -> None:
        self.size = 0

    @contextmanager
    def reader(
        self, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]], most: Most
    ) -> Iterator[Reader]:
        """Give what stands between a request and the application as long as the block lasts."""
        reader = Reader(self, receive, send, most)
        try:
            yield reader
        finally:
            self.size -= reader.counted


class Reader:
    """Represent one request; what is beyond the bounds is never handed on: to the application the caller has left."""

    def __init__(
        self,
        bodies: Bodies,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
        most: Most,
    ) -> None:
        self._bodies, self._receive, self._send, self._most = bodies, receive, send, most
        self._size = self.counted = 0
        self.begun = self.over = self.busy = False

    async def receive(self) -> Message:
        """Return the next message of the caller."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._count(len(message.get("body", b"")))
        return {"type": "http.disconnect"} if self.over or self.busy else message

    def _count(self, size: int) -> None:
        self._size += size
        if not self._most.form:
            self.counted += size
            self._bodies.size += size
        self.over = self.over or self._size > self._most.size
        self.busy = self.busy or self._bodies.size > TOGETHER

    async def send(self, message: Message) -> None:
        """Hand an answer on, unless another one is due."""
        if not self.begun and (self.over or self.busy):
            return
        self.begun = True
        await self._send(message)
