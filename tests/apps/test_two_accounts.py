"""One machine, two accounts: neither reads what the other's pages hold, enters there, or keeps the other out.

An account is a number to the system. Where Python itself lies in a folder that only root may enter, the processes of
the pages are let read it, and nothing more; whoever attacks here has no such right.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.apps.test_network import COMMAND, free_port, get
from tests.waiting import until
from workbench.runs.process import tied

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0 and sys.platform.startswith("linux")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ROOT or not shutil.which("setpriv"), reason="only root can be two accounts"),
    pytest.mark.skipif(find_spec("gradio") is None, reason="needs Gradio"),
    pytest.mark.timeout(600),
]
ANN, BOB = 61001, 61002
WORD = "a password for tests"
NAME = "Sprout-of-Ann"
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def account(number: int, rights: str = "") -> list[str]:
    """The command before a command that makes it an account's."""
    caps = f"-all,+{rights}" if rights else "-all"
    ambient = [f"--ambient-caps={caps}"] if rights else []
    groups = [f"--reuid={number}", f"--regid={number}", "--clear-groups"]
    return ["setpriv", *groups, f"--inh-caps={caps}", *ambient, f"--bounding-set={caps}"]


def shell(number: int, line: str, *names: str) -> str:
    """What an account sees that has no rights but its own."""
    command = [*account(number), "/bin/sh", "-c", line, "sh", *names]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False).stdout


@pytest.fixture
def house() -> Iterator[Path]:
    """A home for each, which the other may look into, and one temporary folder, where Bob was first."""
    with tempfile.TemporaryDirectory(prefix="two-accounts-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        for home, number, mode in (
            ("ann", ANN, 0o755),
            ("bob", BOB, 0o755),
            ("tmp", 0, 0o1777),
            ("tmp/gradio", BOB, 0o755),
        ):
            (folder / home).mkdir()
            (folder / home).chmod(mode)
            os.chown(folder / home, number, number)
        yield folder


@contextmanager
def page(house: Path, number: int, command: Sequence[str], root: Path, **more: str) -> Iterator[str]:
    """A page of an account; gives its address."""
    home, port = house / ("ann" if number == ANN else "bob"), free_port()
    told = {"HOME": str(home), "TMPDIR": str(house / "tmp"), "PYTHONPATH": str(root), "WORKBENCH_LANG": "en"}
    environ = {"PATH": os.environ["PATH"], "WORKBENCH_PORT": str(port), "OMP_NUM_THREADS": "1", **told, **more}
    with (house / f"{number}.log").open("wb") as log:
        how: dict[str, Any] = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL, **tied()}
        whole = [*account(number, "dac_read_search"), sys.executable, *command]
        process = subprocess.Popen(whole, cwd=home, env=environ, **how)
        try:
            until(lambda: process.poll() is not None or get(f"http://127.0.0.1:{port}/") in (200, 401), 200)
            assert process.poll() is None, (house / f"{number}.log").read_text()
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(30)


def post(url: str, body: Any, kind: str = "application/json") -> tuple[int, Any]:
    data = json.dumps(body).encode() if kind == "application/json" else body
    request = urllib.request.Request(url, data=data, headers={"Content-Type": kind})
    try:
        with OPEN.open(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, None


class Studio:
    """A studio's page, as a program uses it."""

    def __init__(self, url: str) -> None:
        self.url = url
        with OPEN.open(f"{url}config", timeout=60) as answer:
            self._config = json.load(answer)

    def event(self, kind: str, elem: str = "") -> int:
        ids = [part["id"] for part in self._config["components"] if part["props"].get("elem_id") == elem]
        found = (
            d for d in self._config["dependencies"] for i, k in d["targets"] if k == kind and (not elem or i in ids)
        )
        return int(next(found)["id"])

    def call(self, number: int, data: list[Any], session: str) -> list[Any]:
        body = {"data": data, "fn_index": number, "session_hash": session}
        status, answer = post(f"{self.url}gradio_api/run/predict", body)
        assert status == 200
        return list(answer["data"])

    def begin(self, session: str, secret: str = "") -> list[Any]:
        """Open the page; what it is given, the secret of its workspace first."""
        return self.call(self.event("load"), [secret], session)

    def make(self, session: str, name: str) -> None:
        self.call(self.event("click", "make"), ["en", name, "", "", "plain", ["en"], 0], session)

    def upload(self) -> int:
        """The status of an upload."""
        part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jsonl"\r\n\r\n{"a": 1}\r\n--x--\r\n'
        return post(f"{self.url}gradio_api/upload", part, "multipart/form-data; boundary=x")[0]


def test_neither_reads_the_other_or_enters_there(house: Path, root: Path) -> None:
    studio = ["-c", COMMAND, "studio", "--root", "studio"]
    with ExitStack() as both:
        ann = Studio(both.enter_context(page(house, ANN, studio, root)))
        bob = Studio(both.enter_context(page(house, BOB, studio, root)))
        secret = ann.begin("ann")[0]
        ann.make("ann", NAME)
        assert NAME in json.dumps(ann.begin("ann again", secret))
        assert [one.upload() for one in (ann, bob)] == [200, 200]
        assert shell(BOB, 'ls -A "$1"; cat "$1"/*/project.json "$1"/browser.key', f"{house}/ann/studio") == ""
        assert shell(BOB, 'grep -rsl "$2" "$1"; grep -rsl "$3" "$1"', str(house), secret, NAME) == ""
        assert shell(BOB, 'find "$1" -user "$2" -type f -readable', f"{house}/tmp", str(ANN)) == ""
        assert shell(ANN, 'ls -A "$1"', f"{house}/bob/studio") == ""
        names = {part.name for part in (house / "ann").rglob("*")}  # what only root sees
        assert secret not in names
        for name in sorted(names):
            assert NAME not in json.dumps(ann.begin("bob", name[:32]))


def test_neither_keeps_the_other_out(house: Path, root: Path) -> None:
    gradio = ["-m", "apps.assistant_gradio", "pocket"]
    guess = (
        "import sys, urllib.request as u, urllib.error as e\n"
        "def come(word):\n"
        "    try: return u.build_opener(u.ProxyHandler({})).open(sys.argv[1] + 'login', b'password=' + word).status\n"
        "    except e.HTTPError as error: return error.code\n"
        "print(*[come(word.encode()) for word in sys.argv[2:]])"
    )

    def guesses(number: int, url: str, *words: str) -> list[int]:
        command = [*account(number, "dac_read_search"), sys.executable, "-c", guess, url, *words]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
        return [int(status) for status in done.stdout.split()]

    with page(house, ANN, gradio, root, WORKBENCH_PASSWORD=WORD) as url:
        right = WORD.replace(" ", "+")
        assert guesses(BOB, url, *["wrong"] * 7, right) == [400] * 5 + [429] * 3
        assert guesses(ANN, url, right) == [200]
        assert (
            shell(BOB, 'tr "\\0" "\\n" < /proc/"$1"/environ; ps -ef | grep -c "$2"; true', "self", WORD).count(WORD)
            == 0
        )


def test_a_flood_of_openings_keeps_nobody_out_of_the_studio(house: Path, root: Path) -> None:
    with page(house, ANN, ["-c", COMMAND, "studio", "--root", "studio"], root) as url:
        studio = Studio(url)
        for number in range(60):
            studio.begin(f"bob{number}")
        secret = studio.begin("ann")[0]
        studio.make("ann", NAME)
        assert NAME in json.dumps(studio.begin("ann again", secret))
