"""Of Gradio's server only what our pages use is open, and nothing that a visitor names is fetched."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from apps.assistant_gradio.app import launch  # noqa: E402
from apps.assistant_gradio.narrow import NEEDED, Narrow  # noqa: E402
from tests.apps.conftest import GRADIO_SAYS  # noqa: E402
from workbench.chat.door import Door  # noqa: E402

pytestmark = GRADIO_SAYS

USED = [
    "/", "/config", "/config/", "/login", "/theme.css", "/assets/index-1.js", "/static/img/x.svg", "/manifest.json",
    "/pwa_icon/512", "/favicon.ico", "/gradio_api/info", "/gradio_api/startup-events",
    "/gradio_api/heartbeat/abc", "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/run/predict",
    "/gradio_api/call/ask", "/gradio_api/call/ask/0123", "/gradio_api/upload", "/gradio_api/upload_progress",
    "/gradio_api/file=/tmp/page/0a/picture of 你.png", "/gradio_api/file=C:/page/0a/x.png", "/gradio_api/cancel",
]  # fmt: skip
SHUT = [
    "/gradio_api/file=https://other.example/x", "/gradio_api/file=HTTP://other.example",
    "/gradio_api/file= https://other.example", "/gradio_api/file=ftp://other.example", "/gradio_api/file/https://a.b/c",
    "/gradio_api/proxy=https://other.example", "/gradio_api/process_recording", "/gradio_api/dev/reload",
    "/gradio_api/deep_link", "/gradio_api/vibe-edit", "/gradio_api/vibe-code/", "/gradio_api/run-history/connect",
    "/gradio_api/component_server", "/gradio_api/stream/a/b/1/playlist.m3u8", "/monitoring/summary", "/openapi.json",
    "/file=https://other.example", "//config", "/x", "/gradio_api/custom_component/1/client/component/x",
]  # fmt: skip


@pytest.mark.parametrize("path", USED)
def test_what_a_page_uses_is_open(path: str) -> None:
    assert NEEDED.fullmatch(path)


@pytest.mark.parametrize("path", SHUT)
def test_all_else_is_shut(path: str) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def inner(*_: Any) -> None:
        raise AssertionError("it was let in")

    scope = {"type": "http", "path": path, "headers": []}
    asyncio.run(Narrow(inner)(scope, None, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 404


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A page with the two parts that take files, which it hands back as they came."""
    with gr.Blocks() as made:
        picture, button, out = gr.Image(type="filepath"), gr.UploadButton(type="binary"), gr.Textbox()
        picture.change(str, picture, out, queue=False)
        button.upload(lambda content: str(content)[:100], button, out, queue=False)
    launch(made, Door("127.0.0.1", 0), max_file_size=1_000_000)
    yield made
    made.close(verbose=False)


@pytest.mark.parametrize("event", [0, 1])
@pytest.mark.parametrize(
    "file",
    [
        {"path": "http://other.example/a.png"}, {"path": "https://huggingface.co/a.png"},
        {"path": "x.png", "url": "https://other.example/a.png"}, {"path": "https://192.0.2.1/a.png"},
        {"path": "https://user:word@other.example/a.png"},
    ],
)  # fmt: skip
def test_a_file_that_lies_elsewhere_is_asked_for_by_nobody(page: Any, file: dict[str, str], event: int) -> None:
    """That nothing was looked up, every test here sees to."""
    import httpx

    data = [{**file, "meta": {"_type": "gradio.FileData"}}]
    body = {"data": data, "fn_index": event, "session_hash": "x"}
    answer = httpx.post(f"{page.local_url}gradio_api/run/predict", json=body, timeout=60)
    assert (answer.status_code, answer.json()) == (500, {"error": None})


@pytest.mark.parametrize("path", ["gradio_api/file=https://other.example/x", "gradio_api/file=http://192.0.2.1/x"])
def test_an_address_in_an_address_is_asked_for_by_nobody(page: Any, path: str) -> None:
    import httpx

    assert httpx.get(f"{page.local_url}{path}", timeout=60).status_code == 404


def test_a_form_without_a_file_does_not_fill_the_memory(page: Any) -> None:
    """A field of a form is kept whole by the library, whatever the bound of a file is."""
    head = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    with socket.create_connection(("127.0.0.1", page.server_port), timeout=60) as line:
        line.sendall(
            f"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1:{page.server_port}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        sent = 0
        try:
            for piece in (head, *[b"x" * 65_536] * 1000):
                line.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
                sent += len(piece)
        except OSError:
            pass  # it does not listen any more
        assert sent < 20_000_000
