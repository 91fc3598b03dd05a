"""What every page stands behind: only its own Host and Origin come through, and a password is asked for where one is
set. Knows ASGI, cookies and the door; no web library, so that every front end can stand behind the same gate.

Source: ASGI 3; RFC 6265bis, "SameSite"; Fetch, "CORS protocol" and "Sec-Fetch-Site".
"""

from __future__ import annotations

import hashlib
import html
import json
import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from workbench.chat.bodies import Bodies, Most
from workbench.chat.door import NAMES, PASSWORD, Door
from workbench.chat.guesses import Guesses, caller_of
from workbench.errors import BadInput
from workbench.texts import language, text

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = f"workbench-{secrets.token_hex(4)}"  # two pages on one machine share their cookies, whatever their ports
LASTS = 12 * 3600.0  # seconds for which somebody who came in may be silent
PASSES = 10_000  # people who came in
LARGEST = 4096  # bytes of a password's form
# Gradio asks its own server for this, without a cookie, before it counts as started; it tells true or false.
OPEN = "/gradio_api/startup-events"
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:22rem;margin:15vh auto;padding:0 1rem}"
    "h1{font-size:1.3rem;margin:0}h1+p{margin:.2rem 0 1.2rem}"
    "[role=alert]{border-inline-start:4px solid #D55E00;padding:.2rem .7rem;font-weight:600}"
    "label{display:block;margin-bottom:.3rem}"
    "input,button{font:inherit;width:100%;box-sizing:border-box;min-height:2.9rem;padding:.5rem;margin-bottom:.7rem}"
    "button{border:0;border-radius:6px;background:#0072B2;color:#fff;font-weight:600;cursor:pointer}"
    "button:hover{background:#005a8e}:focus-visible{outline:3px solid currentColor;outline-offset:2px}"
    "button:focus-visible{outline-color:CanvasText}"
)


class Passes:
    """Hold who came in, by a token that only their browser has. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._used: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def issue(self) -> str:
        """Make a token for somebody who gave the password."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._used[_digest(token)] = time.monotonic()
            while len(self._used) > PASSES:
                self._used.popitem(last=False)
        return token

    def valid(self, token: str) -> bool:
        """Tell whether somebody came in with this token, not too long ago."""
        digest, now = _digest(token), time.monotonic()
        with self._lock:
            used = self._used.pop(digest, None)
            if used is None or now - used > LASTS:
                return False
            self._used[digest] = now
            return True


def _digest(token: str) -> str:
    """Only this is compared and stored, so that no time of a comparison tells of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


PASSED = Passes()  # of this process: a page that is drawn anew at every click asks here too


class Gate:
    """Refuse what was asked for by another site's page or under another name, and whoever gave no password.

    Args:
        app: an ASGI application.
        door: its own names, and its password.
        lang: of the sentences; by default the browser's.
        file: bytes that a file may have which is sent to the page.
    """

    def __init__(self, app: ASGI, door: Door, lang: str | None = None, *, file: int = 0) -> None:
        self.app, self.door, self.lang, self.file = app, door, lang, file
        self.guesses, self.bodies = Guesses(), Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 421, 401, 413 or the form of the password, or let ``app`` answer."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        call = _Call(scope)
        if (name := self._foreign(call)) is not None:
            await self._refuse(call, receive, send, name)
        elif self.door.password and call.path != OPEN and not PASSED.valid(call.cookie):
            await self._ask(call, receive, send)
        elif self.door.password and call.at_login:  # from a second tab, which asked before the first came in
            await _answer(call, receive, send, 303 if call.wants_html else 200, "")
        else:
            await self._let_in(call, receive, _without_sharing(send))

    async def _let_in(self, call: _Call, receive: Receive, send: Send) -> None:
        """Let ``app`` answer what is not too large for it."""
        if call.type == "websocket":
            await self.app(call.inside(), receive, send)
            return
        most = Most.of(call.first("content-type"), self.file)
        length = call.first("content-length")
        if length.isdigit() and len(length) < 20 and int(length) > most.size:
            await self._too_large(call, receive, send)
            return
        with self.bodies.reader(receive, send, most) as reader:
            try:
                await self.app(call.inside(), reader.receive, reader.send)
            except Exception:
                if not (reader.over or reader.busy):
                    raise
        if reader.begun:
            return
        if reader.over:
            await self._too_large(call, receive, send)
        elif reader.busy:
            await _answer(call, receive, send, 503, text("web.busy.say", call.lang(self.lang)))

    async def _too_large(self, call: _Call, receive: Receive, send: Send) -> None:
        await _answer(call, receive, send, 413, text("web.door.too_large", call.lang(self.lang)))

    def _foreign(self, call: _Call) -> str | None:
        """The name in ``Host`` or ``Origin`` that is not the page's own; None where there is none."""
        hosts, origins = call.all("host"), call.all("origin")
        if len(hosts) != 1 or not self.door.answers_to(hosts[0]):
            return ", ".join(hosts) or "–"
        if not self.door.private:
            hosts += [name.strip() for line in call.all("x-forwarded-host") for name in line.split(",")]
        site, mode = call.first("sec-fetch-site"), call.first("sec-fetch-mode")
        if site in ("cross-site", "same-site") and mode != "navigate" and not origins:
            return site  # a picture or a script of another site's page, which says nothing of itself
        same = call.all("sec-fetch-site") == ["same-origin"]
        return next((origin for origin in origins if not self.door.is_own(origin, *hosts, same=same)), None)

    async def _refuse(self, call: _Call, receive: Receive, send: Send, name: str) -> None:
        private = self.door.private
        key, variable = ("web.door.another_name", PASSWORD) if private else ("web.door.another_page", NAMES)
        refusal = BadInput(key, name=name[:200], variable=variable)
        lang = call.lang(self.lang)
        await _answer(call, receive, send, 421, f"{refusal.say(lang)}\n{refusal.do(lang)}")

    async def _ask(self, call: _Call, receive: Receive, send: Send) -> None:
        """Ask for the password, or look at the one that was sent."""
        lang = call.lang(self.lang)
        if call.method != "POST" or not call.at_login:
            await _answer(call, receive, send, 401, "", form=_form(call, lang))
            return
        attempt = await _password(receive)
        if attempt is None:
            await _answer(call, receive, send, 413, text("web.page.wrong", lang), form=_form(call, lang))
            return
        caller = caller_of(call.scope.get("client"), call.scope.get("server"))
        right, wait = self.guesses.try_one(caller, lambda: self.door.opens("", attempt))
        if right:
            cookie = f"{COOKIE}={PASSED.issue()}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if call.secure else ''}"
            await _answer(call, receive, send, 303 if call.wants_html else 200, "", cookie=cookie)
        elif wait:
            message = text("web.door.slow.say", lang, seconds=math.ceil(wait)), text("web.door.slow.do", lang)
            await _answer(
                call, receive, send, 429, " ".join(message), form=_form(call, lang, " ".join(message)), wait=wait
            )
        else:
            told_wrong = text("web.page.wrong", lang)
            await _answer(call, receive, send, 400, told_wrong, form=_form(call, lang, told_wrong))


class _Call:
    """A request or a websocket, as its caller describes it."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.type: str = scope["type"]
        self.method: str = scope.get("method", "GET")
        self.path: str = scope["path"]

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        encoded = name.encode()
        return [value.decode("latin-1") for key, value in self.scope["headers"] if key == encoded]

    def first(self, name: str) -> str:
        """Return the first value of a header; empty where there is none."""
        return next(iter(self.all(name)), "")

    @property
    def cookie(self) -> str:
        """Return our cookie; empty where there is none."""
        pairs = (pair.strip().partition("=") for line in self.all("cookie") for pair in line.split(";"))
        return next((value for name, _, value in pairs if name == COOKIE), "")

    @property
    def secure(self) -> bool:
        """Tell whether the browser came by https, to us or to a proxy before us."""
        forwarded = self.first("x-forwarded-proto").partition(",")[0].strip()
        return "https" in (self.scope.get("scheme"), forwarded) or self.first("origin").startswith("https://")

    @property
    def at_login(self) -> bool:
        """Tell whether the form of the password, which is ours wherever the page stands, is called."""
        return self.type == "http" and self.path.rstrip("/").rpartition("/")[2] == "login"

    @property
    def wants_html(self) -> bool:
        """Tell whether a person looks, and not a program."""
        return "text/html" in self.first("accept")

    def lang(self, fixed: str | None) -> str:
        """Return the language of whoever calls."""
        return language(fixed or self.first("accept-language") or None)

    def inside(self) -> Scope:
        """Return the call as the application sees it: its origin was looked at here, no library has to do so again."""
        return {**self.scope, "headers": [pair for pair in self.scope["headers"] if pair[0] != b"origin"]}


def _without_sharing(send: Send) -> Send:
    """The same, but no answer says that pages of other sites may read it."""

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = [
                header for header in message.get("headers", ()) if not header[0].lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": headers}
        await send(message)

    return sent


async def _password(receive: Receive) -> str | None:
    """The password of a form; None where what came is too large to be one."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST or message["type"] == "http.disconnect":
            return None
        if not message.get("more_body"):
            break
    try:
        fields = parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return None
    return str(fields.get("password", [""])[0])


def _form(call: _Call, lang: str, message: str = "") -> str:
    """The page that asks for the password: no script, nothing fetched."""
    head, why, label, enter = (
        html.escape(text(f"web.page.{name}", lang)) for name in ("door", "door_why", "password", "enter")
    )
    note = f'<p role="alert" id="wrong">{html.escape(message)}</p>' if message else ""
    wrong = ' aria-invalid="true" aria-describedby="wrong"' if message else ""
    up = "../" * max(0, call.path.count("/") - 1)
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{head}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>{head}</h1><p>{why}</p>"
        f'<form method="post" action="{up}login">{note}<label for="password">{label}</label>'
        f'<input id="password" name="password" type="password" autocomplete="current-password" required'
        f" autofocus{wrong}>"
        f"<button>{enter}</button></form></main></body></html>"
    )


async def _answer(
    call: _Call,
    receive: Receive,
    send: Send,
    status: int,
    message: str,
    *,
    form: str = "",
    cookie: str = "",
    wait: float = 0,
) -> None:
    """Answer a person with a page, a program with JSON, and a websocket with a refusal."""
    if call.type == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
    if cookie:
        headers.append((b"set-cookie", cookie.encode()))
    if wait:
        headers.append((b"retry-after", str(math.ceil(wait)).encode()))
    if status == 303:
        headers.append((b"location", b"."))
    if status in (413, 503):
        headers.append((b"connection", b"close"))  # what else comes is not read
    if form and call.wants_html:
        policy = b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'"
        headers += [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", policy)]
        body = form.encode()
    elif status == 421:
        headers.append((b"content-type", b"text/plain; charset=utf-8"))
        body = message.encode(errors="replace")
    else:
        headers.append((b"content-type", b"application/json"))
        content = {"success": True} if status in (200, 303) else {"detail": message or "Not authenticated"}
        body = json.dumps(content, ensure_ascii=False).encode(errors="replace")
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
