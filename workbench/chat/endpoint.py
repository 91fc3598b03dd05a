"""An assistant that answers behind an OpenAI-compatible endpoint (vLLM, LMDeploy, ``transformers serve``).

Knows HTTP and the chat-completions protocol, streamed; loads no model. Nothing is sent but the messages and how to draw
the answer: the server renders them with the model's own chat template, which merged models carry with them.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from workbench.chat.history import Asked, as_messages
from workbench.data.markers import control_tokens
from workbench.errors import BadInput, Failed, WorkbenchError

if TYPE_CHECKING:
    from workbench.chat.assistant import Sampling
    from workbench.data.conversation import Message

KEY = "WORKBENCH_ENDPOINT_KEY"
TIMEOUT = 120.0  # seconds between two pieces; a server that must load a large model first takes its time
_BUSY = (429, 503)
_UNSEEN = "\u2060"  # word joiner


class Endpoint:
    """A model behind a URL.

    Args:
        url: of the API, up to and with ``/v1``.
        model: its name there; by default the first that the server tells.
        key: sent as a bearer token; by default what ``WORKBENCH_ENDPOINT_KEY`` holds.
        timeout: seconds of silence after which the server counts as gone.

    Raises:
        BadInput: not an http(s) address. Failed: nothing answers there, or the server refuses.
    """

    def __init__(self, url: str, model: str | None = None, *, key: str | None = None, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise BadInput("web.endpoint.not_an_address", given=url)
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._key = os.environ.get(KEY, "") if key is None else key
        self._open = _opener(parts.hostname)
        self.name = model or self._first_model()

    def with_model(self, model: str) -> Endpoint:
        """Another model of the same server."""
        return Endpoint(self.url, model, key=self._key, timeout=self.timeout)

    def stream(
        self,
        asked: Asked,
        *,
        system: str | None = None,
        sampling: Sampling | None = None,
        should_stop: Callable[[], bool] | None = None,
        on_cut: Callable[[int], None] | None = None,  # noqa: ARG002  the server decides what fits
        **settings: Any,
    ) -> Iterator[str]:
        """The answer in pieces, as :meth:`workbench.chat.Assistant.stream` gives it.

        Raises:
            BadInput: the messages cannot be asked. Failed: the server refuses, is busy, or breaks off.
        """
        from workbench.chat.assistant import Sampling

        how = sampling or Sampling(**settings)
        body = _body(self.name, as_messages(asked, system), how)
        with self._answer("/chat/completions", body) as response:
            try:
                yield from _said(_events(response), should_stop)
            except (OSError, http.client.HTTPException) as error:
                raise Failed("web.endpoint.broke_off", url=self.url, reason=_reason(error)) from error

    def _first_model(self) -> str:
        with self._answer("/models") as response:
            try:
                return str(json.load(response)["data"][0]["id"])
            except (ValueError, LookupError, TypeError) as error:
                raise Failed("web.endpoint.no_model", url=self.url) from error

    def _answer(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        request = Request(self.url + path, data=data, headers=headers)  # noqa: S310  http or https, seen to above
        try:
            return self._open.open(request, timeout=self.timeout)
        except HTTPError as error:
            raise self._refused(error) from error
        except (URLError, OSError, http.client.HTTPException) as error:
            raise Failed("web.endpoint.unreachable", url=self.url, reason=_reason(error)) from error

    def _refused(self, error: HTTPError) -> WorkbenchError:
        with error:
            told = _told(error.read(4096))
        if error.code in _BUSY:
            return Failed("web.busy")
        if error.code in (401, 403):
            return Failed("web.endpoint.no_key", url=self.url, variable=KEY)
        return Failed("web.endpoint.refused", url=self.url, status=error.code, reason=told or error.reason)


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Never."""


def _opener(host: str) -> OpenerDirector:
    """A proxy of the environment has no business with this machine's own addresses."""
    return build_opener(_NoRedirect, *([ProxyHandler({})] if is_loopback(host) else []))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _body(model: str, messages: Sequence[Message], how: Sampling) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": _plain(m)} for m in messages],
        "stream": True,
        "max_tokens": how.max_new_tokens,
        "temperature": how.temperature,
    }
    if how.temperature > 0:
        body |= {"top_p": how.top_p, "seed": how.seed} | ({"top_k": how.top_k} if how.top_k else {})
    if how.repetition_penalty != 1:  # as vLLM, LMDeploy and transformers' server name it
        body["repetition_penalty"] = how.repetition_penalty
    return body


def _plain(message: Message) -> str:
    """The text, with an unseen character in the midst of what the server would take for a control token."""
    text = message.content
    for marker in sorted(set(control_tokens(message)), key=len, reverse=True):
        text = text.replace(marker, marker[0] + _UNSEEN + marker[1:])
    return text


def _events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The events of a stream; ends at ``[DONE]``.

    Source: WHATWG HTML, "Server-sent events", as far as this protocol uses them: one line of data an event.
    """
    for line in lines:
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        try:
            event = json.loads(data)
        except ValueError as error:
            raise http.client.HTTPException("a line that is not JSON") from error
        if isinstance(event, dict):
            yield event


def _said(events: Iterator[dict[str, Any]], should_stop: Callable[[], bool] | None) -> Iterator[str]:
    ended = False
    for event in events:
        if event.get("error"):
            raise http.client.HTTPException(_told(json.dumps(event).encode()))
        for choice in event.get("choices") or []:
            ended = ended or bool(choice.get("finish_reason"))
            piece = (choice.get("delta") or {}).get("content")
            if piece:
                yield re.sub(_UNSEEN, "", str(piece))
        if should_stop and should_stop():
            return
    if not ended:
        raise http.client.HTTPException("the stream ended before the answer did")


def _told(raw: bytes) -> str:
    """What the server says of its refusal, on one line."""
    try:
        loaded = json.loads(raw)
        found = loaded.get("error", loaded.get("detail", loaded)) if isinstance(loaded, dict) else loaded
        said = found.get("message", found) if isinstance(found, dict) else found
    except ValueError:
        said = raw.decode(errors="replace")
    return " ".join(str(said).split())[:300]


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    return " ".join(str(inner if isinstance(inner, BaseException) else error).split()) or type(error).__name__
