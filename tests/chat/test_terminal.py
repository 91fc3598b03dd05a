"""``workbench chat`` as a person has it: a real pseudo-terminal, keys in, a screen out.

Who answers is a server of a few lines, which says each word when the test lets it: so what is on the screen before the
last word was said was streamed, and a Ctrl-C comes in the midst.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from workbench.runs.process import tied

pty = pytest.importorskip("pty")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # the server's thread, and a preexec_fn
ESCAPES = re.compile(r"\x1b\][^\x07]*\x07|\x1b\[[0-9;?]*[A-Za-z]|[\x01\x02]")
END = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


class Handler(BaseHTTPRequestHandler):
    """Answers "one two", the second word when ``go`` is set."""

    server: Any

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()
        self.say({"choices": [{"delta": {"content": "one"}}]})
        self.server.go.wait(30)
        self.say({"choices": [{"delta": {"content": " two\x1b[2J"}}]}, END)

    def say(self, *events: Any) -> None:
        try:
            for event in events:
                self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            self.wfile.flush()
        except OSError:
            pass  # whoever asked has gone

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked, made.go = [], threading.Event()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.go.set()
    made.shutdown()
    made.server_close()
    thread.join()


class Screen:
    """A program behind a pseudo-terminal of its own."""

    def __init__(self, command: list[str], folder: Path) -> None:
        import fcntl
        import termios

        self.ours, theirs = pty.openpty()
        end_with_us = tied().get("preexec_fn", lambda: None)

        def begin() -> None:
            end_with_us()
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it, and so would this
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches it as it does from a keyboard

        env = {**os.environ, "TERM": "xterm", "WORKBENCH_LANG": "en", "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=begin,  # noqa: PLW1509
        )  # fmt: skip
        os.close(theirs)
        self.seen = b""

    def keys(self, typed: str) -> None:
        """What a person types next; what was shown before is done with."""
        self.seen = b""
        os.write(self.ours, typed.encode())

    def shown(self) -> str:
        """What is shown since the last keys."""
        return ESCAPES.sub("", self.seen.decode(errors="replace"))

    def until(self, wanted: str, *, after: str = "", again: str = "", seconds: float = 20) -> str:
        """What is shown, as soon as ``wanted`` is among it, behind ``after``.

        ``again`` is typed once more whenever nothing comes: Python misses a Ctrl-C that falls between the prompt and
        the wait for a key, and a person presses it twice.
        """
        end = time.monotonic() + seconds
        while wanted not in self.shown().partition(after)[2] if after else wanted not in self.shown():
            assert time.monotonic() < end, f"{wanted!r} never came: {self.shown()!r}"
            if select.select([self.ours], [], [], 1)[0]:
                self.seen += os.read(self.ours, 65536)
            elif again:
                os.write(self.ours, again.encode())
        return self.shown()

    def close(self) -> int:
        """Wait for the end; its exit status."""
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            os.close(self.ours)


def test_a_talk_in_a_real_terminal(server: Any, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    code = "from workbench.cli import main; main()"
    how = ["--endpoint", url, "--seed", "5", "--temperature", "0.5", "--top-p", "0.9", "--system", "Be brief."]
    screen = Screen([sys.executable, "-c", code, "chat", "sprout", *how], tmp_path)
    screen.until("You:")
    screen.keys("你是谁？\r")
    assert " two" not in screen.until("sprout: one")  # the server has not said it yet
    server.go.set()
    screen.until("You:", after="one two[2J")  # what would clear the screen is shown without its escape
    screen.keys("/system Answer in one word.\r")
    screen.until("The system message is now: Answer in one word.")
    server.go.clear()
    screen.keys("second\r")
    screen.until("sprout: one")
    screen.keys("\x03")
    screen.until("[stopped]")
    server.go.set()
    screen.keys("/save talk.jsonl\r")
    screen.until("4 messages written to talk.jsonl")
    screen.keys("/sav x\r")
    screen.until("Nearest: /save")
    screen.keys("/reset\r")
    screen.until("Forgotten")
    screen.keys("third\r")
    screen.until("You:", after="two")
    screen.keys("\x03")
    screen.until("Ctrl-D or /quit leaves", again="\x03")
    screen.until("You:", after="leaves")  # only now is a Ctrl-D read as a key
    screen.keys("\x04")
    assert screen.close() == 0
    saved = json.loads((tmp_path / "talk.jsonl").read_text(encoding="utf-8"))["messages"]
    assert [m["content"] for m in saved] == ["Answer in one word.", "你是谁？", "one two\x1b[2J", "second", "one"]
    first, second, third = server.asked
    assert [m["content"] for m in first["messages"]] == ["Be brief.", "你是谁？"]
    assert [m["content"] for m in second["messages"]] == [m["content"] for m in saved[:3]] + ["second"]
    assert [m["content"] for m in third["messages"]] == ["Answer in one word.", "third"]
    assert (first["model"], first["seed"], first["temperature"], first["top_p"]) == ("sprout", 5, 0.5, 0.9)
