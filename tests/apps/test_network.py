"""Nothing that one starts here asks anybody on the network: each of its processes is listened to from the start."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests import tiny as small
from tests.waiting import until
from workbench.runs.process import tied

PAGES = find_spec("gradio") is None or find_spec("streamlit") is None
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PAGES, reason="needs the apps' libraries"),
    pytest.mark.timeout(600),
]
COMMAND = "from workbench.cli import main; main()"
# Read by every Python process before anything else, its children's too.
LISTENER = """
import os, socket, sys

HERE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "", socket.gethostname()}

def heard(event, given):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        name = given[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(given[1], tuple):
        name = given[1][0]
    else:
        return
    name = name.decode() if isinstance(name, bytes) else name
    if name is None or name in HERE or name.startswith("127."):
        return
    note(event + " " + str(name))
    raise OSError("no network: " + str(name))

def note(line):
    with open(os.environ["LISTENER_LOG"], "a") as log:
        log.write(line + "\\n")

note("process")
sys.addaudithook(heard)
"""


class Listener:
    """What the processes that are given :attr:`environ` asked of others."""

    def __init__(self, folder: Path, root: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(LISTENER, encoding="utf-8")
        self._log, self._folder, self._root = folder / "log", folder, root

    def environ(self, *paths: Path, **more: str) -> dict[str, str]:
        """Variables of a process that is listened to, and finds its modules in ``paths``."""
        kept = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LD_LIBRARY_PATH", "LANG")
        own = {name: os.environ[name] for name in kept if name in os.environ}
        modules = os.pathsep.join(str(path) for path in (self._folder, *(paths or (self._root,))))
        told = {
            "PYTHONPATH": modules,
            "LISTENER_LOG": str(self._log),
            "HOME": str(self._folder),
            "WORKBENCH_LANG": "en",
        }
        return own | told | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"} | more

    def asked(self) -> list[str]:
        """Whom they asked; at least one of them was listened to."""
        lines = self._log.read_text(encoding="utf-8").splitlines()
        assert "process" in lines
        return [line for line in lines if line != "process"]

    @property
    def processes(self) -> int:
        """How many were listened to."""
        return self._log.read_text(encoding="utf-8").splitlines().count("process")


@pytest.fixture
def listener(tmp_path: Path, root: Path) -> Listener:
    return Listener(tmp_path / "listener", root)


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@contextmanager
def started(command: Sequence[str], folder: Path, environ: dict[str, str], port: int) -> Iterator[str]:
    """A page; gives its address once it answers."""
    with (folder / "page.log").open("wb") as log:
        how: dict[str, Any] = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL, **tied()}
        process = subprocess.Popen([sys.executable, *command], cwd=folder, env=environ, **how)
        try:
            until(lambda: process.poll() is not None or get(f"http://127.0.0.1:{port}/") == 200, 200)
            assert process.poll() is None, (folder / "page.log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def get(url: str, **headers: str) -> int:
    """The status of the page."""
    request = urllib.request.Request(url, headers={key.replace("_", "-"): value for key, value in headers.items()})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def ask_gradio(url: str) -> str:
    from gradio_client import Client

    return str(Client(url, verbose=False).predict("Who are you?", "", 0.0, 1.0, 4, api_name="/ask"))


def ask_streamlit(url: str) -> str:
    """Ask, and knock as others do: a page of another site, and one behind a proxy that calls it otherwise."""
    from tests.apps.streamlit_client import Visitor
    from tests.apps.test_assistant_streamlit import greeted

    assert greeted(int(url.rpartition(":")[2]), "elsewhere.example", origin="http://other.example") == 403
    get(url + "/_stcore/health", Origin="https://other.example")
    get(url + "/_stcore/health", Origin="https://own.example", X_Forwarded_Host="own.example")
    with Visitor(url) as visitor:
        visitor.open()
        return visitor.ask("Who are you?")


def ask_studio(url: str) -> str:
    from gradio_client import Client

    Client(url, verbose=False)
    return "there"


PAGES_AND_QUESTIONS: dict[str, tuple[list[str], dict[str, str], Callable[[str], str]]] = {
    "gradio": (["-m", "apps.assistant_gradio", "MODEL", "--device", "cpu"], {}, ask_gradio),
    "streamlit": (["-m", "apps.assistant_streamlit", "MODEL", "--device", "cpu"], {}, ask_streamlit),
    "streamlit for everybody": (
        ["-m", "apps.assistant_streamlit", "MODEL", "--device", "cpu"],
        {"WORKBENCH_HOST": "0.0.0.0", "WORKBENCH_PUBLIC": "1"},
        ask_streamlit,
    ),
    "studio": (["-c", COMMAND, "studio"], {}, ask_studio),
}


@pytest.mark.parametrize("name", PAGES_AND_QUESTIONS)
def test_a_page_asks_nobody(listener: Listener, adapter: Path, tmp_path: Path, name: str) -> None:
    command, variables, ask = PAGES_AND_QUESTIONS[name]
    port = free_port()
    environ = listener.environ(WORKBENCH_PORT=str(port), **variables)
    with started([str(adapter) if part == "MODEL" else part for part in command], tmp_path, environ, port) as url:
        assert ask(url)
    assert listener.asked() == []
    assert listener.processes >= (1 if name == "studio" else 2)  # the model's is another


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="a bundle is a git repository with git-lfs")
@pytest.mark.parametrize("way", ["gradio", "streamlit", "streamlit by its own command"])
def test_a_bundle_asks_nobody(listener: Listener, adapter: Path, tmp_path: Path, way: str) -> None:
    from workbench.export.bundle import Order, bundle

    interface: Any = way.partition(" ")[0]
    folder = bundle(Order("openxlab", str(adapter), interface), tmp_path / "bundle")
    port = free_port()
    command = ["app.py"]
    if way != interface:
        flags = ["--server.port", str(port), "--server.headless", "true", "--server.address", "0.0.0.0"]
        command = ["-m", "streamlit", "run", "app.py", *flags]
    environ = listener.environ(folder, WORKBENCH_PORT=str(port))
    with started(command, folder, environ, port) as url:
        if way == "gradio":
            assert ask_gradio(url)
        else:
            from tests.apps.streamlit_client import Visitor

            with Visitor(url) as visitor:
                visitor.open()
                assert visitor.ask("Who are you?")
    assert listener.asked() == [] and listener.processes >= 2


def test_the_quickstart_asks_nobody(listener: Listener, tiny: Path, tmp_path: Path) -> None:
    few = small.overrides(tiny, "identity_count=40", "identity_probes=2", "max_steps=2", "eval_steps=2", "save_steps=2")
    settings = [part for each in few for part in ("--set", each)]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "quickstart", "--name", "Bo", "--out", str(tmp_path / "mine"), *settings],
        cwd=tmp_path, env=listener.environ(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr and (tmp_path / "mine" / "events.jsonl").is_file(), done.stderr
    assert listener.asked() == [] and listener.processes >= 2


def test_the_listener_hears(listener: Listener) -> None:
    code = (
        "import socket, contextlib\nwith contextlib.suppress(OSError): socket.create_connection(('pages.example', 80))"
    )
    with contextlib.suppress(subprocess.SubprocessError):
        subprocess.run([sys.executable, "-c", code], env=listener.environ(), timeout=60, check=False)
    assert listener.asked() == ["socket.getaddrinfo pages.example"]
