"""A model behind an endpoint as a writer of the loop with tools. Knows the protocol's shape of calls; no network by
itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Protocol

from workbench.chat.sampling import Sampling
from workbench.chat.sent import Odd
from workbench.data.conversation import Message
from workbench.tools.parsing import Spoken, called
from workbench.tools.running import Box

MOST = 64  # calls of one answer
LONGEST = 2**16  # characters of the arguments of one


class Pieces(Protocol):
    """Answer messages in pieces, with the calls apart."""

    def pieces(
        self,
        messages: Sequence[Message],
        options: Sampling,
        should_stop: Callable[[], bool] | None,
        *,
        tools: Sequence[Any],
        on_calls: Callable[[Any], None] | None,
    ) -> Iterator[str]:
        """Yield one answer in pieces."""


class Deltas:
    """Join the calls of a streamed answer from their pieces."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, str]] = {}

    def take(self, deltas: Any) -> None:
        """Take the ``tool_calls`` of one event.

        Raises:
            Odd: they are of another shape, too many, or too long.
        """
        if not isinstance(deltas, list) or not all(isinstance(delta, dict) for delta in deltas):
            raise Odd("calls of another shape")
        for delta in deltas:
            index, function = delta.get("index", 0), delta.get("function") or {}
            if not isinstance(index, int) or not isinstance(function, dict) or not 0 <= index < MOST:
                raise Odd("calls of another shape")
            call = self._calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
            for name, piece in (("id", delta.get("id")), *((key, function.get(key)) for key in ("name", "arguments"))):
                if isinstance(piece, str):
                    call[name] = call[name] + piece if name == "arguments" else call[name] or piece
            if len(call["arguments"]) > LONGEST:
                raise Odd("calls that are too long")

    def spoken(self, content: str) -> Spoken:
        """Return the whole answer."""
        return Spoken(content, tuple(called(call) for _, call in sorted(self._calls.items())))


class Remote:
    """Write with a model behind an endpoint.

    Args:
        endpoint: where.
        box: the tools that it is offered, which run here.
    """

    def __init__(self, endpoint: Pieces, box: Box) -> None:
        self.endpoint, self.box = endpoint, box

    def write(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        should_stop: Callable[[], bool],
        on_cut: Callable[[int], None] | None,  # noqa: ARG002  the server decides what fits
    ) -> Generator[str, None, Spoken]:
        """Give the words as they come; the whole answer with its calls at the end."""
        deltas, parts = Deltas(), list[str]()
        tools = [json.loads(schema) for schema in self.box.schemas]
        for piece in self.endpoint.pieces(messages, sampling, should_stop, tools=tools, on_calls=deltas.take):
            parts.append(piece)
            yield piece
        return deltas.spoken("".join(parts))


def wired(messages: Sequence[Message], plain: Callable[[Message], str]) -> Iterator[dict[str, Any]]:
    """Give messages as the protocol wants them: each call with an id, each result with the id of its call.

    Args:
        plain: the text of a message as it may be sent.
    """
    waiting: list[str] = []
    number = 0
    for message in messages:
        shape: dict[str, Any] = {"role": message.role, "content": plain(message)}
        if message.tool_calls:
            calls = []
            waiting = []
            for text in message.tool_calls:
                number += 1
                call = json.loads(text)
                waiting.append(str(call.get("id") or f"call_{number}"))
                calls.append({"id": waiting[-1], "type": "function", "function": call.get("function", call)})
            shape |= {"tool_calls": calls, "content": shape["content"] or None}
        if message.role == "tool":
            shape["tool_call_id"] = waiting.pop(0) if waiting else "call_0"
        yield shape
