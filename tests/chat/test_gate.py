"""The gate before every page: which Host and Origin come through, and what the password's cookie is like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from workbench.chat.door import Door
from workbench.chat.gate import COOKIE, Gate

WORD = "a password for tests"
HERE, THERE = Door("127.0.0.1", 0), Door("0.0.0.0", 0)
LOCKED = Door("127.0.0.1", 0, WORD)
OWN = "lab.example"


class Inner:
    """An application that shares its answer with every site, and notes the headers that it was given."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append({key.decode(): value.decode() for key, value in scope["headers"]})
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        sharing = [(b"access-control-allow-origin", b"*"), (b"Access-Control-Allow-Credentials", b"true")]
        await send({"type": "http.response.start", "status": 200, "headers": [*sharing, (b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": b"inside"})


def ask(
    gate: Gate, headers: Mapping[str, str] | list[tuple[str, str]], *, path: str = "/", body: str | None = None,
    kind: str = "http", client: tuple[str, int] = ("192.0.2.1", 5), scheme: str = "http",
) -> tuple[int, dict[str, str], str]:  # fmt: skip
    """Status, headers and body; of a websocket 101 or 403."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else headers
    scope = {
        "type": kind, "method": "GET" if body is None else "POST", "path": path, "scheme": scheme,
        "client": client, "server": ("192.0.2.9", 7860),
        "headers": [(key.lower().encode(), value.encode("latin-1")) for key, value in pairs],
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if kind == "websocket":
            return {"type": "websocket.connect"}
        return {"type": "http.request", "body": (body or "").encode()}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(gate(scope, receive, send))
    if kind == "websocket":
        return (101 if sent[0]["type"] == "websocket.accept" else 403), {}, ""
    told = {key.decode().lower(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], told, b"".join(m.get("body", b"") for m in sent[1:]).decode()


def enter(gate: Gate, word: str = WORD, **how: Any) -> tuple[int, dict[str, str], str]:
    headers = how.pop("headers", {"Host": OWN})
    return ask(gate, headers, path="/login", body=urlencode({"username": "x", "password": word}), **how)


def inside(gate: Gate) -> dict[str, str]:
    """The header that lets one in."""
    return {"Cookie": "other=1; " + enter(gate)[1]["set-cookie"].partition(";")[0]}


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("door", [HERE, LOCKED, THERE], ids=["here", "password", "public"])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "null", "", "file://", "http://127.0.0.1.evil.example", "http://127.0.0.1:9999",
        "http://evil.example@127.0.0.1:7860", "http://127.0.0.1:7860.evil.example", "127.0.0.1:7860",
        "http://127.0.0.1:7860/x", "chrome-extension://127.0.0.1:7860", "http://127.0.0.1:7860 evil",
        "http://[::1", "x",
    ],
)  # fmt: skip
def test_another_sites_page_is_refused_at_every_door(door: Door, origin: str, kind: str) -> None:
    gate = Gate(Inner(), door)
    headers = {"Host": "127.0.0.1:7860", "Origin": origin, **(inside(gate) if door is LOCKED else {})}
    status, told, _ = ask(gate, headers, kind=kind)
    assert status in (421, 403) and not any(key.startswith("access-control") for key in told)
    assert not gate.app.asked  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:7860", "http://127.0.0.1:7860"), ("localhost:7860", "http://localhost:7860"),
        ("[::1]:7860", "http://[::1]:7860"), ("127.0.0.1", "http://127.0.0.1"), ("LOCALHOST:7860", "http://localhost:7860"),
    ],
)  # fmt: skip
def test_its_own_page_comes_through_and_is_shared_with_nobody(host: str, origin: str, kind: str) -> None:
    for door in (HERE, LOCKED, THERE):
        gate = Gate(Inner(), door)
        status, told, body = ask(
            gate, {"Host": host, "Origin": origin, **(inside(gate) if door is LOCKED else {})}, kind=kind
        )
        assert status in (200, 101) and body in ("inside", "")
        assert not any(key.startswith("access-control") for key in told)
        assert "origin" not in gate.app.asked[-1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", [OWN, "evil.example:7860", "127.0.0.1.evil.example", "x@127.0.0.1", "", "127.0.0.1/x"])
def test_without_a_password_only_this_machines_names_are_answered(host: str) -> None:
    status, _, body = ask(Gate(Inner(), HERE), {"Host": host})
    assert status == 421 and "WORKBENCH_PASSWORD" in body


def test_one_host_and_no_more() -> None:
    for headers in ([], [("Host", "127.0.0.1"), ("Host", "evil.example")]):
        assert ask(Gate(Inner(), HERE), headers)[0] == 421


def test_behind_a_proxy_the_name_may_be_another() -> None:
    """What the proxy says it was asked for, or the names that were set; never what a page alone can say."""
    gate = Gate(Inner(), LOCKED)
    word = inside(gate)
    named = Gate(Inner(), Door("127.0.0.1", 0, WORD, names=(OWN, "other.example:8443")))
    for origin, host, forwarded, status in [
        (f"https://{OWN}", OWN, "", 200),
        (f"https://{OWN}", "inner:7860", OWN, 200),
        (f"https://{OWN}:8443", f"{OWN}:8443", "", 200),
        (f"https://{OWN}:8443", OWN, "", 421),
        (f"https://{OWN}", "inner:7860", "", 421),
        (f"https://{OWN}", "inner:7860", "evil.example", 421),
    ]:
        told = {"X-Forwarded-Host": forwarded} if forwarded else {}
        assert ask(gate, {"Host": host, "Origin": origin, **told, **word})[0] == status
    for origin, host, status in [
        (f"https://{OWN}", OWN, 200),
        ("https://other.example:8443", OWN, 200),
        ("https://other.example:9443", OWN, 421),
        ("https://evil.example", OWN, 421),
        ("https://evil.example", "evil.example", 421),
        ("http://localhost:7860", "localhost:7860", 200),
    ]:
        assert ask(named, {"Host": host, "Origin": origin, **word})[0] == status


def test_a_public_page_believes_the_browser_that_both_are_one_site() -> None:
    """A host of demonstrations may call the page otherwise than the browser does; no page can set this header."""
    headers = {"Host": "inner:7860", "Origin": "https://demo.example"}
    assert ask(Gate(Inner(), THERE), headers)[0] == 421
    assert ask(Gate(Inner(), THERE), {**headers, "Sec-Fetch-Site": "same-origin"})[0] == 200
    assert ask(Gate(Inner(), THERE), {**headers, "Sec-Fetch-Site": "cross-site"})[0] == 421
    locked = Gate(Inner(), LOCKED)
    assert ask(locked, {**headers, **inside(locked), "Sec-Fetch-Site": "same-origin"})[0] == 421


@pytest.mark.parametrize("door", [HERE, LOCKED, THERE], ids=["here", "password", "public"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_picture_or_a_script_of_another_sites_page_asks_for_nothing(door: Door, site: str) -> None:
    """Browsers send no Origin with them; but a link that somebody follows opens the page."""
    gate = Gate(Inner(), door)
    headers = {"Host": "127.0.0.1:7860", "Sec-Fetch-Site": site, **(inside(gate) if door is LOCKED else {})}
    assert ask(gate, {**headers, "Sec-Fetch-Mode": "no-cors"})[0] == 421
    assert ask(gate, {**headers, "Sec-Fetch-Mode": "navigate"})[0] == 200
    assert ask(gate, {**headers, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"})[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/config", "/gradio_api/heartbeat/x", "/gradio_api/info", "/_stcore/health", "/login"]
)
def test_nothing_is_shown_before_the_password(path: str) -> None:
    gate = Gate(Inner(), LOCKED)
    for cookie in ("", f"{COOKIE}=", f"{COOKIE}=x", f"{COOKIE}={WORD}"):
        status, _, body = ask(gate, {"Host": OWN, "Cookie": cookie, "Accept": "text/html"}, path=path)
        assert status == 401 and 'type="password"' in body and "inside" not in body and "username" not in body
        assert ask(gate, {"Host": OWN, "Cookie": cookie}, path=path, kind="websocket")[0] == 403
    assert not gate.app.asked  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("headers", "scheme", "secure"),
    [
        ({"Host": OWN}, "http", False),
        ({"Host": OWN}, "https", True),
        ({"Host": OWN, "X-Forwarded-Proto": "https"}, "http", True),
        ({"Host": OWN, "Origin": f"https://{OWN}"}, "http", True),
    ],
)
def test_the_cookie_is_for_this_site_only(headers: dict[str, str], scheme: str, secure: bool) -> None:
    gate = Gate(Inner(), LOCKED)
    cookie = enter(gate, headers=headers, scheme=scheme)[1]["set-cookie"]
    parts = cookie.split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(parts) and ("Secure" in parts) is secure
    assert ask(gate, {**headers, "Cookie": parts[0]}, scheme=scheme)[2] == "inside"


def test_a_browser_is_led_to_the_page_and_a_program_is_told() -> None:
    gate = Gate(Inner(), LOCKED)
    status, told, _ = enter(gate, headers={"Host": OWN, "Accept": "text/html"})
    assert (status, told["location"]) == (303, ".")
    status, _, body = enter(gate)
    assert status == 200 and json.loads(body) == {"success": True}


def test_a_second_tab_that_still_asks_is_led_to_the_page_too() -> None:
    gate = Gate(Inner(), LOCKED)
    cookie = enter(gate)[1]["set-cookie"].split("; ")[0]
    browser = {"Host": OWN, "Accept": "text/html", "Cookie": cookie}
    for word in (LOCKED.password, "wrong"):
        status, told, _ = enter(gate, word, headers=browser)
        assert (status, told["location"]) == (303, ".")
    assert ask(gate, browser, path="/login")[0] == 303  # from the browser's history


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_guesses_are_slowed(lang: str) -> None:
    gate = Gate(Inner(), LOCKED)
    headers = {"Host": OWN, "Accept-Language": lang}
    assert [enter(gate, "wrong", headers=headers)[0] for _ in range(7)] == [400] * 5 + [429] * 2
    status, told, body = enter(gate, headers=headers)
    assert status == 429 and told["retry-after"] == "1" and "set-cookie" not in told
    assert {"en": "Wait 1 second.", "zh": "请等 1 秒"}[lang] in json.loads(body)["detail"]


@pytest.mark.parametrize("body", ["", "password", "password=%ff%fe", "&" * 1000, "x" * 10**6, '{"password": "x"}'])
def test_a_form_that_is_none_lets_nobody_in(body: str) -> None:
    status, told, _ = ask(Gate(Inner(), LOCKED), {"Host": OWN}, path="/login", body=body)
    assert status in (400, 413) and "set-cookie" not in told


def test_the_form_is_found_from_every_path() -> None:
    gate = Gate(Inner(), LOCKED)
    for path, action in {"/": "login", "/x": "login", "/a/b/c": "../../login"}.items():
        assert f'action="{action}"' in ask(gate, {"Host": OWN, "Accept": "text/html"}, path=path)[2]
