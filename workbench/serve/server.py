"""The server: requests in, events out. Knows HTTP and who may come in; what is answered is made elsewhere.

Python's own server, a thread for each connection: the model takes turns anyway. On this machine's own address only its
own names are answered, since a page of another site can point a name at this machine (DNS rebinding), and no page of
another site may ask.
"""

from __future__ import annotations

import hmac
import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workbench.chat.discreet import without_places
from workbench.chat.door import NAMES, Door, authority
from workbench.chat.endpoint import is_loopback
from workbench.chat.places import Places
from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.serve.answering import Answering
from workbench.serve.protocol import LARGEST, models, read_request, refusal

if TYPE_CHECKING:
    from workbench.chat.assistant import Assistant

KEY = "WORKBENCH_SERVE_KEY"
SHORTEST = 12  # characters of a key where others can reach the server
PATIENCE = 60.0  # seconds for which a connection may be silent
LINGER, MOST_UNREAD = 2.0, 64 * 2**20  # seconds and bytes in which a refused request may still arrive
AT_ONCE, WAITING = 4, 100


class Server(ThreadingHTTPServer):
    """Serve an assistant at an address.

    Args:
        assistant: who answers.
        name: under which it is asked for.
        host, port: where; port 0 takes a free one.
        key: that every request must bring; by default what ``WORKBENCH_SERVE_KEY`` holds.

    Raises:
        BadInput: others could reach it without a key, or the key is short. Failed: the port is taken.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, assistant: Assistant, name: str = "", *, host: str = "127.0.0.1", port: int = 0, key: str | None = None
    ) -> None:
        self.assistant, self.name = assistant, name or assistant.name
        self.key = os.environ.get(KEY, "") if key is None else key
        if not is_loopback(host) and len(self.key) < SHORTEST:
            raise BadInput("serve.no_key", host=host, variable=KEY, shortest=SHORTEST)
        if not (self.key.isascii() and self.key.isprintable()):
            raise BadInput("serve.bad_key", variable=KEY)
        names = tuple(os.environ.get(NAMES, "").replace(",", " ").lower().split())
        # as a page behind a password: with a key it may be asked for under other names
        self.door = Door(host, port, self.key, names)
        self.places = Places(AT_ONCE, WAITING)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise Failed("serve.taken", address=f"{host}:{port}") from error

    @property
    def url(self) -> str:
        """Return the address up to and with ``/v1``."""
        host = f"[{self.door.host}]" if ":" in self.door.host else self.door.host
        return f"http://{host}:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever went away in the midst of an answer is no error of ours."""

    def knows(self, model: str) -> bool:
        """Tell whether a request for ``model`` is for this one."""
        return model in ("", self.name, "default", self.assistant.loaded.name)


def serve(assistant: Assistant, name: str = "", *, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Make a server; ``serve_forever`` runs it. Arguments as of :class:`Server`."""
    return Server(assistant, name, host=host, port=port)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "workbench", ""
    timeout = PATIENCE
    all_read = False  # the body of the request

    def log_message(self, *_: Any) -> None:
        """Keep no record of who asked what."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse what is no request that is known here, in the shape of every other refusal."""
        self.close_connection = True
        body = refusal(
            BadInput("serve.no_method", method=str(getattr(self, "command", None) or "–")[:20]), "bad_request"
        )
        with suppress(OSError):
            self._send(code, body)

    def do_GET(self) -> None:
        """Answer with the models there are."""
        if not self._may_come_in():
            return
        path = urlsplit(self.path).path.rstrip("/")
        names = [self.server.name]
        if path == "/v1/models":
            self._send(200, models(names))
        elif path == f"/v1/models/{self.server.name}":
            self._send(200, models(names)["data"][0])
        else:
            self._refuse(404, BadInput("serve.no_path", path=path[:80]), "not_found")

    def do_HEAD(self) -> None:
        """Answer as to GET, without the body."""
        self.do_GET()

    def do_POST(self) -> None:
        """Answer with a chat completion."""
        self.all_read = False
        if not self._may_come_in():
            return
        path = urlsplit(self.path).path.rstrip("/")
        if path != "/v1/chat/completions":
            self._refuse(404, BadInput("serve.no_path", path=path[:80]), "not_found")
            return
        raw = self._body()
        if raw is None:
            return
        try:
            self._complete(raw)
        except (BrokenPipeError, ConnectionError, TimeoutError):
            self.close_connection = True

    def _complete(self, raw: bytes) -> None:
        try:
            asked = read_request(raw)
            if not self.server.knows(asked.model):
                error = BadInput("serve.no_model", given=asked.model[:80], name=self.server.name)
                self._refuse(404, error, "model_not_found")
                return
            with self.server.places.turn(self._gone) as came:
                if not came:
                    self.close_connection = True
                    return
                answering = Answering(self.server.assistant, asked, self.server.name, self._gone)
                if asked.stream:
                    self._stream(answering)
                else:
                    self._send(200, answering.whole())
        except BadInput as error:
            self._refuse(400, error, "bad_request")
        except Failed as error:
            self._refuse(503 if error.key == "web.busy" else 500, error, "busy", kind="server_error")
        except OSError:
            raise
        except Exception as error:  # whatever it is, who asked must not wait for ever
            self._refuse(500, _broken(error), "broke_off", kind="server_error")

    def _stream(self, answering: Answering) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")  # what ends the stream
        self.end_headers()
        self.close_connection = True
        try:
            for event in answering.events():
                self._event(json.dumps(event, ensure_ascii=False))
        except OSError:
            raise
        except Exception as error:
            known = error if isinstance(error, WorkbenchError) else _broken(error)
            self._event(json.dumps(refusal(known, "broke_off", "server_error"), ensure_ascii=False))
        self._event("[DONE]")

    def _event(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode("utf-8", "replace"))
        self.wfile.flush()

    def _gone(self) -> bool:
        """Whether whoever asked has closed the connection."""
        with suppress(BlockingIOError, InterruptedError):
            try:
                self.connection.setblocking(False)
                return bool(self.connection.recv(1, socket.MSG_PEEK) == b"")
            except OSError as error:
                if isinstance(error, (BlockingIOError, InterruptedError)):
                    raise
                return True
            finally:
                with suppress(OSError):
                    self.connection.settimeout(PATIENCE)
        return False

    # --- who may come in ---

    def _may_come_in(self) -> bool:
        """Refuse another site's page, another name, and whoever brings no key."""
        hosts, origins = self.headers.get_all("Host") or [], self.headers.get_all("Origin") or []
        if len(hosts) != 1 or not self.server.door.answers_to(hosts[0]):
            self._refuse(421, BadInput("serve.other_name", name=" ".join(hosts)[:80] or "–", variable=NAMES), "host")
            return False
        if any(not self._own(origin) for origin in origins):
            self._refuse(403, BadInput("serve.other_page", name=origins[0][:80]), "origin")
            return False
        scheme, _, given = (self.headers.get("Authorization") or "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(errors="replace"), self.server.key.encode())
        if self.server.key and not (right and scheme.lower() == "bearer"):
            self._refuse(401, BadInput("serve.wrong_key"), "invalid_api_key", {"WWW-Authenticate": "Bearer"})
            return False
        return True

    def _own(self, origin: str) -> bool:
        host, _ = authority(origin)
        return bool(host) and self.server.door.is_own(origin, *(self.headers.get_all("Host") or []))

    def _body(self) -> bytes | None:
        """Return what was sent; None where that was refused."""
        length = self.headers.get("Content-Length") or ""
        if not length.isascii() or not length.isdigit() or self.headers.get("Transfer-Encoding"):
            self._refuse(411, BadInput("serve.no_length"), "length_required")
            return None
        if int(length) > LARGEST:
            self._refuse(413, BadInput("serve.too_large", most=LARGEST), "too_large")
            return None
        body = self.rfile.read(int(length))
        self.all_read = True
        return body

    def _refuse(
        self, status: int, error: WorkbenchError, code: str, headers: Mapping[str, str] | None = None,
        kind: str = "invalid_request_error",
    ) -> None:  # fmt: skip
        body = refusal(error, code, kind)
        body["error"]["message"] = without_places(body["error"]["message"])
        self.close_connection = True  # what of a request was not read is not another one
        self._send(status, body, {**(headers or {}), **({"Retry-After": "2"} if status == 503 else {})})
        self._linger()

    def _linger(self) -> None:
        """Let a refused request arrive to its end, unread: closed before, a client that still sends would hear of a
        broken connection in the place of the reason (RFC 9112, section 9.6)."""
        if self.all_read or not self.headers.get("Content-Length"):
            return
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(LINGER)
            unread, until = 0, time.monotonic() + LINGER
            while unread < MOST_UNREAD and time.monotonic() < until and (piece := self.rfile.read1(2**16)):
                unread += len(piece)

    def _send(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionError):
            if getattr(self, "command", None) != "HEAD":
                self.wfile.write(body)


def _broken(error: Exception) -> Failed:
    return Failed("web.broke_off", reason=" ".join(f"{type(error).__name__}: {error}".split())[:300])


def label(model: str) -> str:
    """Return the name under which a folder's model is served."""
    return Path(model).name or model
