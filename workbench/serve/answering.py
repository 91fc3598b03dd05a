"""From a request to the events of its answer. Knows the assistant and the protocol; no network."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.chat.acting import Kept, Local
from workbench.errors import BadInput
from workbench.serve.protocol import Asked, Reply, wire_call
from workbench.tools import Box, Spoken, Tool

if TYPE_CHECKING:
    from workbench.chat.assistant import Assistant

Stop = Callable[[], bool]


class Answering:
    """Answer one request.

    Args:
        assistant: who answers.
        asked: the request.
        name: under which the model is served.
        should_stop: asked before each token; whoever went away needs no more of them.

    Raises:
        BadInput: the messages or the tools cannot be rendered, or a call is demanded that cannot be made sure of.
    """

    def __init__(self, assistant: Assistant, asked: Asked, name: str, should_stop: Stop) -> None:
        self.asked, self.should_stop = asked, should_stop
        self.reply = Reply(f"chatcmpl-{secrets.token_hex(12)}", name, int(time.time()))
        self.assistant = assistant
        self._local = self._writer() if asked.tools else None
        self.tokens, self.finish, self.calls = [0, 0], "stop", list[dict[str, Any]]()
        fitted = assistant.fit(asked.messages, tools=asked.tools, max_new_tokens=1)
        if fitted.cut:  # who asks keeps the conversation, and is told before anything of it is left out
            raise BadInput("serve.too_long", context=assistant.context)
        self._ids = fitted.ids
        assistant.look_at(fitted.ids)  # once an answer streams, a picture that is damaged could not be refused any more
        longest = min(asked.sampling.max_new_tokens, assistant.context - len(fitted.ids))
        self.sampling = replace(asked.sampling, max_new_tokens=longest)

    def _writer(self) -> Local:
        tools = tuple(Tool(json.loads(text)["function"]["name"], text, _elsewhere) for text in self.asked.tools)
        local = Local(self.assistant, Box(tools))
        local.forced = self._forced(local, [tool.name for tool in tools]) if self.asked.choice else ""
        return local

    def _forced(self, local: Local, names: list[str]) -> str:
        """Return what the answer begins with, so that it is a call: of the tool that was named, or of the only one."""
        opening, wanted = local.form.forced, self.asked.choice
        name = wanted if wanted != "required" else names[0] if len(names) == 1 else ""
        if not opening or (name and wanted != "required" and local.form.name != "hermes"):
            raise BadInput("serve.not_done", field="tool_choice")
        return (
            f'{opening}{{"name": {json.dumps(name)}, "arguments": ' if name and local.form.name == "hermes" else opening
        )

    def events(self) -> Iterator[dict[str, Any]]:
        """Give the pieces of a streamed answer, the counts last where they were asked for."""
        yield self.reply.piece({"role": "assistant", "content": ""})
        for piece in self._pieces():
            yield self.reply.piece({"content": piece})
        for number, call in enumerate(self.calls):
            yield self.reply.piece({"tool_calls": [{"index": number, **call}]})
        yield self.reply.piece({}, self.finish)
        if self.asked.usage:
            yield self.reply.counted(self.tokens)

    def whole(self) -> dict[str, Any]:
        """Return the answer in one."""
        content = "".join(self._pieces())
        return self.reply.whole(content, self.calls, self.finish, self.tokens)

    def _pieces(self) -> Iterator[str]:
        """Give the words up to a stop text; then it is known why the answer ended, and which calls it makes."""
        answer = Spoken("")
        if self._local is None:
            cut = yield from _until(self._plain(), self.asked.stops)
            full = self.tokens[1] >= self.sampling.max_new_tokens
        else:
            written = self._local.write(self.asked.messages, self.sampling, self.should_stop, lambda _: None)
            words = Kept(written)
            cut = yield from _until(words, self.asked.stops)
            answer = words.value  # of an answer that was cut there are no calls
            self.tokens, full = self._local.tokens, self._local.full
        calls = [wire_call(call, f"call_{secrets.token_hex(8)}") for call in answer.calls if not call.raw]
        if unread := "".join(call.raw for call in answer.calls):
            yield unread  # what is no call is the client's to see
        self.calls = calls[:1] if self.asked.single else calls
        self.finish = "tool_calls" if self.calls else "length" if full and not cut else "stop"

    def _plain(self) -> Iterator[str]:
        from workbench.chat.pieces import pieces

        if opening := self.assistant.begun(self._ids):
            yield opening
        yield from pieces(self._counted(), self.assistant.loaded.tokenizer)

    def _counted(self) -> Iterator[int]:
        self.tokens[0] = len(self._ids)
        for token in self.assistant.tokens(self._ids, self.sampling, self.should_stop):
            self.tokens[1] += 1
            yield token


def _until(words: Any, stops: tuple[str, ...]) -> Generator[str, None, bool]:
    """Give the words up to the first stop text, of which nothing is given; whether one came."""
    text, shown = "", 0
    for piece in words:
        text += piece
        starts = [start for stop in stops if (start := text.find(stop)) >= 0]
        held = max((n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
        end = min(starts) if starts else len(text) - held
        if end > shown:
            yield text[shown:end]
            shown = end
        if starts:
            return True
    if len(text) > shown:
        yield text[shown:]
    return False


def _elsewhere(**_: Any) -> str:
    """Run nothing: whoever asked runs the calls."""
    return ""
