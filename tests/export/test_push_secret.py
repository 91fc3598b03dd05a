"""The key of a push is told to git, and to nobody who looks at the list of processes."""

from __future__ import annotations

import base64
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbench.errors import Failed
from workbench.export.bundle_git import commit, push

SECRET = "hf_0123456789abcdef"


class Host(ThreadingHTTPServer):
    """Asks for a name and a password, notes what comes and what every process's arguments are then, and refuses."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asking)
        self.told: list[str] = []
        self.arguments: list[str] = []


class Asking(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        told = self.headers.get("Authorization", "")
        self.server.told.append(told)
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # a process that has ended meanwhile
                self.server.arguments.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        self.send_response(403 if told else 401)
        self.send_header("WWW-Authenticate", 'Basic realm="host"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815  the server's own name for it

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def host() -> Iterator[Host]:
    server = Host()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_key_of_a_push_stands_in_no_programs_arguments(host: Host, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("hello\n", encoding="utf-8")
    commit(tmp_path, "main")
    with pytest.raises(Failed) as caught:
        push(tmp_path, f"http://me:{SECRET}@127.0.0.1:{host.server_port}/x.git")
    expected = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert expected in host.told  # git was told
    assert any(f"127.0.0.1:{host.server_port}" in line for line in host.arguments)  # and was running then
    assert not any(SECRET in line for line in host.arguments)
    assert SECRET not in str(caught.value)
    assert not any(SECRET in file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file())
