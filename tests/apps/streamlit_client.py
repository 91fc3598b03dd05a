"""A visitor of a Streamlit page without a browser: its websocket and its messages. Knows Streamlit's protocol."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any


class Visitor:
    """One tab of the page at ``url``, used in a ``with``; its answers have ``longest`` tokens, or as many as usual."""

    def __init__(self, url: str, longest: int = 0) -> None:
        from websockets.sync.client import connect

        address = url.replace("http://", "ws://").rstrip("/") + "/_stcore/stream"
        how: dict[str, Any] = {"max_size": None, "open_timeout": 60, "proxy": None}
        self._coming = connect(address, subprotocols=["streamlit"], **how)
        self._line: Any = None
        self._texts: dict[tuple[int, ...], str] = {}
        self._box = self._slider = ""
        self._longest = longest

    def __enter__(self) -> Visitor:
        self._line = self._coming.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._coming.__exit__(kind, error, at)

    def open(self, seconds: float = 120) -> list[str]:
        """Look at the page; its texts, from top to bottom."""
        return self._run(None, seconds)

    def ask(self, question: str, seconds: float = 120) -> str:
        """The answer to a question."""
        return self._run(question, seconds)[-1]

    def send(self, question: str | None) -> None:
        """Begin to ask, and wait for nothing."""
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg()
        message.rerun_script.query_string = ""
        if question is not None:
            state = message.rerun_script.widget_states.widgets.add()
            state.id = self._box
            state.chat_input_value.data = question
        if self._longest and self._slider:
            message.rerun_script.widget_states.widgets.add(id=self._slider).double_array_value.data.append(
                self._longest
            )
        self._line.send(message.SerializeToString())

    def _run(self, question: str | None, seconds: float) -> list[str]:
        """What stands on the page when all that follows has ended; a page that begins itself anew is waited for."""
        self.send(question)
        until = time.monotonic() + seconds
        while True:
            message = self._next(until - time.monotonic())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._texts = {}
            elif kind == "delta":
                self._take(message)
            elif kind == "script_finished" and message.script_finished == 0:
                texts = [self._texts[path] for path in sorted(self._texts)]
                if question is None or question in texts:
                    return texts

    def _next(self, seconds: float) -> Any:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        message = ForwardMsg()
        message.ParseFromString(self._line.recv(timeout=max(0.1, seconds)))
        return message

    def _take(self, message: Any) -> None:
        path = tuple(message.metadata.delta_path)
        element = message.delta.new_element
        if element.WhichOneof("type") == "text":
            self._texts[path] = element.text.body
        elif element.WhichOneof("type") == "chat_input":
            self._box = element.chat_input.id
        elif element.WhichOneof("type") == "slider" and element.slider.id.endswith("-longest"):
            self._slider = element.slider.id
