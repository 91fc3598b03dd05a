"""What a request carries is bounded before a library keeps it, and what was said is told in one answer."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest

from workbench.chat import bodies
from workbench.chat.bodies import FRAME, WORDS
from workbench.chat.door import Door
from workbench.chat.gate import Gate

FILE = 1_000_000
HERE = {"host": "127.0.0.1:7860"}
JSON, FORM = {"content-type": "application/json"}, {"content-type": "Multipart/Form-Data; boundary=x"}


class Keeper:
    """An application that reads all of a request before it answers, as web libraries do, and ends where it ends."""

    def __init__(self, *, catches: bool = False) -> None:
        self.size, self.catches = 0, catches

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            self.size += len(message["body"])
            if not message.get("more_body"):
                break
        else:
            if not self.catches:
                raise ConnectionError("the caller has left")
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b"no body"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inside"})


def post(gate: Gate, headers: dict[str, str], pieces: Iterable[bytes]) -> tuple[int, str, int]:
    """Status, body, and how many pieces were read."""
    sent: list[Any] = []
    coming, read = iter(pieces), 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        piece = next(coming, None)
        read += 1
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(key.encode(), value.encode()) for key, value in (HERE | headers).items()]
    scope = {"type": "http", "method": "POST", "path": "/gradio_api/run/x", "headers": pairs, "scheme": "http"}
    asyncio.run(gate(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode(), read


@pytest.mark.parametrize("catches", [True, False])
@pytest.mark.parametrize(("kind", "most"), [(JSON, WORDS), ({}, WORDS), (FORM, FILE + FRAME)])
def test_a_request_without_an_end_is_cut(kind: dict[str, str], most: int, catches: bool) -> None:
    app = Keeper(catches=catches)
    status, told, read = post(Gate(app, Door("127.0.0.1", 0), "en", file=FILE), kind, itertools.repeat(b"x" * 10_000))
    assert status == 413 and "larger than this page takes" in json.loads(told)["detail"]
    assert app.size <= most and read <= most // 10_000 + 1


@pytest.mark.parametrize("length", ["999999999999", "128001"])
def test_a_request_that_says_how_large_it_is_is_not_begun(length: str) -> None:
    status, _, read = post(Gate(Keeper(), Door("127.0.0.1", 0)), JSON | {"content-length": length}, [b"x"])
    assert (status, read) == (413, 0)


@pytest.mark.parametrize(("kind", "size"), [(JSON, WORDS), (FORM, FILE)])
def test_the_longest_that_a_page_sends_comes_through(kind: dict[str, str], size: int) -> None:
    app = Keeper()
    gate = Gate(app, Door("127.0.0.1", 0), file=FILE)
    headers = kind | {"content-length": str(size)}
    assert post(gate, headers, [b"x" * (size // 2)] * 2)[:2] == (200, "inside")
    assert app.size == size and gate.bodies.size == 0


def test_the_longest_question_and_system_message_are_within_the_bounds() -> None:
    from workbench.chat.limits import Limits

    longest = json.dumps({"data": ["问" * Limits().characters] * 2, "session_hash": "x" * 32})
    assert len(longest) < WORDS


def test_many_at_once_are_told_that_it_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "TOGETHER", 100_000)
    gate = Gate(Keeper(), Door("127.0.0.1", 0), "en", file=FILE)
    with gate.bodies.reader(lambda: None, lambda _: None, bodies.Most(WORDS, form=False)) as other:  # type: ignore[arg-type,return-value]
        other._count(90_000)
        status, told, _ = post(gate, JSON, [b"x" * 20_000])
        assert status == 503 and "Too many" in told
        assert post(gate, FORM, [b"x" * 500_000])[0] == 200
    assert post(gate, JSON, [b"x" * 20_000])[0] == 200 and gate.bodies.size == 0
