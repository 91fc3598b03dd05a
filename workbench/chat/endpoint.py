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
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from workbench.chat.history import Asked, as_messages
from workbench.chat.sampling import Sampling, Tools, box_of
from workbench.chat.sent import Lines, answer_pieces, bounded
from workbench.data.markers import control_tokens
from workbench.errors import BadInput, Failed, WorkbenchError

if TYPE_CHECKING:
    from workbench.data.conversation import Message
    from workbench.tools import Card, End

KEY = "WORKBENCH_ENDPOINT_KEY"
TIMEOUT = 120.0  # seconds between two pieces; a server that must load a large model first takes its time
LONGEST = 1800.0  # seconds of an answer
SHORTEST_BOUND = 2**20  # bytes that any reply may have
PER_TOKEN = 2048  # bytes more for each token that was asked for, with the protocol's own words round it
_BUSY = (429, 503)
_UNSEEN = "\u2060"  # word joiner


class Endpoint:
    """Represent a model behind a URL.

    Args:
        url: of the API, up to and with ``/v1``.
        model: its name there; by default the first that the server tells.
        key: sent as a bearer token; by default what ``WORKBENCH_ENDPOINT_KEY`` holds.
        timeout: seconds without a word of the answer after which the server counts as gone.
        longest: seconds that an answer may take in all.

    Raises:
        BadInput: not an http(s) address, or a key that cannot be sent. Failed: nothing answers there, or the server
            refuses.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        key: str | None = None,
        timeout: float = TIMEOUT,
        longest: float = LONGEST,
    ) -> None:
        host = _host(url)
        self.url = url.rstrip("/")
        self.timeout, self.longest = timeout, longest
        self._key = _sendable(os.environ.get(KEY, "") if key is None else key)
        self._open = _opener(host)
        self.name = model or self._first_model()

    def with_model(self, model: str) -> Endpoint:
        """Return another model of the same server."""
        return Endpoint(self.url, model, key=self._key, timeout=self.timeout, longest=self.longest)

    def stream(
        self,
        question: Asked,
        *,
        system: str | None = None,
        sampling: Sampling | None = None,
        should_stop: Callable[[], bool] | None = None,
        on_cut: Callable[[int], None] | None = None,
        tools: Tools = (),
        on_card: Callable[[Card], Any] | None = None,
        on_end: Callable[[End], Any] | None = None,
        **settings: Any,
    ) -> Iterator[str]:
        """Yield the answer in pieces, as :meth:`workbench.chat.Assistant.stream` gives it; tools run here, not there.

        Raises:
            BadInput: the messages cannot be asked. Failed: the server refuses, is busy, breaks off, or sends what is no
                answer, or one without an end.
        """
        options, messages = sampling or Sampling(**settings), as_messages(question, system)
        if any(message.images for message in messages):
            raise BadInput("chat.no_pictures_sent")
        box = box_of(tools)
        if box is None:
            yield from self.pieces(messages, options, should_stop)
            return
        from workbench.chat.acting import act, heard
        from workbench.chat.remote import Remote

        more: dict[str, Any] = {"sampling": options, "should_stop": should_stop, "on_cut": on_cut}
        yield from heard(act(Remote(self, box), messages, box, **more), on_card, on_end)

    def pieces(
        self,
        messages: Sequence[Message],
        options: Sampling,
        should_stop: Callable[[], bool] | None,
        *,
        tools: Sequence[Any] = (),
        on_calls: Callable[[Any], None] | None = None,
    ) -> Iterator[str]:
        """Yield one answer in pieces; its calls go to ``on_calls``.

        Raises:
            Failed: as :meth:`stream`.
        """
        body = _body(self.name, messages, options) | ({"tools": list(tools)} if tools else {})
        most = SHORTEST_BOUND + options.max_new_tokens * PER_TOKEN
        with Lines(partial(self._answer, "/chat/completions", body), most, should_stop, longest=self.longest) as lines:
            try:
                for piece in bounded(answer_pieces(lines, self.timeout, on_calls), most // 16):
                    yield piece.replace(_UNSEEN, "")
            except (OSError, http.client.HTTPException) as error:
                raise Failed("web.endpoint.broke_off", url=self.url, reason=_reason(error)) from error

    def _first_model(self) -> str:
        with Lines(partial(self._answer, "/models"), SHORTEST_BOUND, longest=min(self.timeout, self.longest)) as lines:
            try:
                return str(json.loads(b"".join(lines))["data"][0]["id"])
            except (OSError, http.client.HTTPException) as error:
                raise Failed("web.endpoint.broke_off", url=self.url, reason=_reason(error)) from error
            except (ValueError, LookupError, TypeError, RecursionError) as error:
                raise Failed("web.endpoint.no_model", url=self.url) from error

    def _answer(self, path: str, body: Mapping[str, Any] | None = None) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode(errors="replace")
        request = Request(self.url + path, data=data, headers=headers)  # noqa: S310  http or https, seen to above
        try:
            response: http.client.HTTPResponse = self._open.open(request, timeout=self.timeout)
        except HTTPError as error:
            raise self._refused(error) from error
        except (OSError, ValueError, http.client.HTTPException) as error:  # a URLError is an OSError
            raise Failed("web.endpoint.unreachable", url=self.url, reason=_reason(error)) from error
        return response

    def _refused(self, error: HTTPError) -> WorkbenchError:
        with error:
            said_of_it = _told(error.read(4096))
        if error.code in _BUSY:
            return Failed("web.busy")
        if error.code in (401, 403):
            return Failed("web.endpoint.no_key", url=self.url, variable=KEY)
        return Failed("web.endpoint.refused", url=self.url, status=error.code, reason=said_of_it or error.reason)


def _host(url: str) -> str:
    """The host of an address that can be used.

    Raises:
        BadInput: no http(s) address, or one with a name, a password or a key in it, which is not repeated.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    odd = not url.isprintable() or " " in url
    if host is None or odd or parts.scheme not in ("http", "https") or "@" in url or parts.query or parts.fragment:
        raise BadInput("web.endpoint.not_an_address", given=_hidden(url))
    return host


def _hidden(url: str) -> str:
    """The address without what may be a secret in it."""
    return re.sub(r"[?#].*", "…", re.sub(r"//.*@", "//…@", url, flags=re.DOTALL), flags=re.DOTALL)


def _sendable(key: str) -> str:
    """The key without blanks round it.

    Raises:
        BadInput: it has a character that no header can hold; the key itself is not told.
    """
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise BadInput("web.endpoint.bad_key", variable=KEY)
    return key


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow no redirection."""


def _opener(host: str) -> OpenerDirector:
    """A proxy of the environment has no business with this machine's own addresses."""
    return build_opener(_NoRedirect, *([ProxyHandler({})] if is_loopback(host) else []))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _body(model: str, messages: Sequence[Message], options: Sampling) -> dict[str, Any]:
    from workbench.chat.remote import wired

    body: dict[str, Any] = {
        "model": model,
        "messages": list(wired(messages, _plain)),
        "stream": True,
        "max_tokens": options.max_new_tokens,
        "temperature": options.temperature,
    }
    if options.temperature > 0:
        body |= {"top_p": options.top_p, "seed": options.seed} | ({"top_k": options.top_k} if options.top_k else {})
    if options.repetition_penalty != 1:  # as vLLM, LMDeploy and transformers' server name it
        body["repetition_penalty"] = options.repetition_penalty
    return body


def _plain(message: Message) -> str:
    """The text, with an unseen character in the midst of what the server would take for a control token."""
    text = message.content
    for marker in sorted(set(control_tokens(message)), key=len, reverse=True):
        text = text.replace(marker, marker[0] + _UNSEEN + marker[1:])
    return text


def _told(raw: bytes) -> str:
    """What the server says of its refusal, on one line."""
    try:
        loaded = json.loads(raw)
        detail = loaded.get("error", loaded.get("detail", loaded)) if isinstance(loaded, dict) else loaded
        sentence = detail.get("message", detail) if isinstance(detail, dict) else detail
    except (ValueError, RecursionError):
        sentence = raw.decode(errors="replace")
    return " ".join(str(sentence).split())[:300]


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    return " ".join(str(inner if isinstance(inner, BaseException) else error).split())[:300] or type(error).__name__
