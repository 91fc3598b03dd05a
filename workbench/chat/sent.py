"""What a server sends, read within bounds: so many bytes a line and in all, so many seconds, and Stop heard at once.

Knows the lines of a response and the events of a streamed chat completion; not how it was asked for. A thread of its
own reads, so that neither a server that is silent nor one that keeps the line open with comments holds up who listens.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any

LINE = 2**20  # bytes of a line
POLL = 0.05  # seconds between two looks at whether the answer is still wanted
LAST_WORD = 0.4  # seconds in which a piece that is on its way when the answer is stopped still counts
_AHEAD = 1000  # lines that are read before somebody takes them


class Odd(http.client.HTTPException):
    """Signal a reply that is none; the reason is for a person."""


class Lines:
    """Represent the lines of a response, as they come; used in a ``with``, at whose end the connection is closed.

    An empty line is given now and then while nothing comes, so that who listens can count the time.

    Args:
        start: opens the response; whatever it raises is raised to who listens.
        most: bytes of all lines together.
        should_stop: asked between two lines, and while none comes; where it says so, the lines end soon.
        longest: seconds until the last line.
    """

    def __init__(
        self,
        start: Callable[[], http.client.HTTPResponse],
        most: int,
        should_stop: Callable[[], bool] | None = None,
        *,
        longest: float,
    ) -> None:
        self._start, self._most, self._longest = start, most, longest
        self._should_stop = should_stop or (lambda: False)
        self.stopped = False
        self._until = 0.0
        self._came: deque[bytes | BaseException | None] = deque()
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._response: http.client.HTTPResponse | None = None

    def __enter__(self) -> Lines:
        threading.Thread(target=self._read, name="endpoint", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        with self._changed:
            self._changed.notify_all()
        if self._response is not None:
            _cut(self._response)

    def __iter__(self) -> Iterator[bytes]:
        """Give the lines.

        Raises:
            Odd: a line or all of them are too long. TimeoutError: it takes too long. What opening and reading raise.
        """
        self._until = time.monotonic() + self._longest
        while time.monotonic() < self._until:
            self._look()
            chunk = self._take()
            for came in chunk:
                self._look()
                if came is None:
                    return
                if isinstance(came, BaseException):
                    raise came
                yield came
            if not chunk:
                yield b""
        if not self.stopped:
            raise TimeoutError(f"it took longer than {self._longest:.0f} seconds")

    def _look(self) -> None:
        """Ask whether the answer is still wanted; where it is not, only its last word is waited for."""
        if not self.stopped and self._should_stop():
            self.stopped, self._until = True, min(self._until, time.monotonic() + LAST_WORD)

    def _read(self) -> None:
        """In the thread: open, read, close. What was opened after nobody listens any more is closed at once."""
        try:
            with self._start() as response:
                self._response = response
                size = 0
                while not self._over.is_set() and (line := response.readline(LINE + 1)):
                    size += len(line)
                    if len(line) > LINE or size > self._most:
                        raise Odd("it sends more than an answer can be")
                    if line.strip():
                        self._put(line)
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, came: bytes | BaseException | None) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._over.is_set() or len(self._came) < _AHEAD)
            self._came.append(came)
            self._changed.notify_all()

    def _take(self) -> list[bytes | BaseException | None]:
        """What has come since, after a short wait where nothing has."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._came), POLL)
            received = list(self._came)
            self._came.clear()
            self._changed.notify_all()
            return received


def _cut(response: http.client.HTTPResponse) -> None:
    """End the connection under a thread that may be reading from it."""
    import socket

    with suppress(OSError, AttributeError, ValueError):
        raw: Any = response.fp.raw
        raw._sock.shutdown(socket.SHUT_RDWR)


def events(lines: Iterable[bytes], patience: float) -> Iterator[dict[str, Any]]:
    """Give the events of a stream; ends at ``[DONE]``.

    Source: WHATWG HTML, "Server-sent events", as far as this protocol uses them: one line of data an event.

    Args:
        lines: of the response.
        patience: seconds between two events; comments, with which a server keeps the line open, are none.

    Raises:
        Odd: an event that is not JSON, or no object. TimeoutError: no event for too long.
    """
    last = time.monotonic()
    for line in lines:
        if not line.startswith(b"data:"):
            if time.monotonic() - last > patience:
                raise TimeoutError(f"not a word for {patience:.0f} seconds")
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        yield _event(data)
        last = time.monotonic()


def _event(data: bytes) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Odd("a line that is not JSON") from error
    if not isinstance(event, dict):
        raise Odd("an event that is no object")
    return event


def answer_pieces(lines: Lines, patience: float, on_calls: Callable[[Any], None] | None = None) -> Iterator[str]:
    """Give the pieces of text in the events of ``lines``, until the answer ends or nobody wants more of it.

    Args:
        on_calls: told of the calls in a piece, as they stand there; without it they are left out.

    Raises:
        Odd: an error of the server's, an event of another shape, or an end before the answer's. As :func:`events`.
    """
    ended = False
    for event in events(lines, patience):
        if event.get("error"):
            raise Odd(_line(event["error"]))
        for choice in _list(event.get("choices")):
            ended = ended or bool(choice.get("finish_reason"))
            delta = choice.get("delta")
            yield from _piece(delta)
            if on_calls and isinstance(delta, dict) and delta.get("tool_calls"):
                on_calls(delta["tool_calls"])
        if lines.stopped:
            return
    if not ended and not lines.stopped:
        raise Odd("the stream ended before the answer did")


def _piece(delta: Any) -> Iterator[str]:
    """Give the text of a delta, where there is some; half of a surrogate pair is no text."""
    if delta is None:
        return
    piece = delta.get("content") if isinstance(delta, dict) else delta
    if not isinstance(delta, dict) or not (piece is None or isinstance(piece, str)):
        raise Odd("a piece that is not text")
    if piece:
        yield piece.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _list(choices: Any) -> list[dict[str, Any]]:
    if choices is None:
        return []
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise Odd("choices of another shape")
    return choices


def _line(error: Any) -> str:
    """What a server says of its error, on one line."""
    detail = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(detail).split())[:300]


def bounded(pieces: Iterable[str], most: int) -> Iterator[str]:
    """Yield the same pieces, up to so many characters.

    Raises:
        Odd: there are more.
    """
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise Odd("it says more than was asked for")
        yield piece
