"""The check before a bundle is pushed: a fresh environment from that folder alone, started offline, asked a question.

Knows processes, environments and the two web servers' ways of being asked; nothing of models. What is checked is a
clone of the bundle: a file that was not committed, or a large one that git-lfs does not hold, is found missing.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from workbench.errors import Failed
from workbench.export.bundle_files import added_by_host
from workbench.export.bundle_git import clone
from workbench.runs.process import tied

START = 120.0  # seconds until the page is up; what is aimed at, with its first answer, is 10
ASK = 900.0  # seconds for an answer of a large model on a CPU
INSTALL = 3600.0
_NOWHERE = "http://127.0.0.1:9"  # nothing listens at the discard port: whatever honours proxies stays offline
_OPEN = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Checked:
    """Hold what a pre-flight found.

    Args:
        answer: what the app said.
        install, start: seconds until the libraries were there; from the start of the app to the answer's end.
    """

    answer: str
    install: float
    start: float


def preflight(
    folder: str | Path, question: str, *, reuse: bool = False, tell: Callable[[str], None] = lambda _: None
) -> Checked:
    """Clone the bundle, make an environment from its ``requirements.txt``, start it offline, and ask.

    Args:
        folder: the bundle.
        question: what is asked.
        reuse: take the libraries of this environment instead of installing them; of the project itself the clone sees
            nothing but what the bundle carries.
        tell: told what is being done: ``clone``, ``install``, ``start``, ``ask``.

    Raises:
        Failed: one of these did not work; says which, and the last lines of its output.
    """
    with tempfile.TemporaryDirectory(prefix="workbench-preflight-", ignore_cleanup_errors=True) as scratch:
        bundle_copy, root = Path(scratch) / "bundle", Path(scratch)
        tell("clone")
        clone(Path(folder).expanduser(), bundle_copy)
        begun = time.monotonic()
        tell("install")
        python = _environment(root / "env", bundle_copy, reuse)
        installed = time.monotonic()
        tell("start")
        streamlit = "Streamlit" in (bundle_copy / "assistant" / "__init__.py").read_text(encoding="utf-8")
        with _running(python, bundle_copy, root) as (process, port):
            _until_up(process, port, root, "/_stcore/health" if streamlit else "/gradio_api/info", installed)
            if not streamlit:
                tell("ask")
                answer = _ask_gradio(process, port, root, question)
        if streamlit:
            tell("ask")
            answer = _ask_streamlit(python, bundle_copy, question)
        return Checked(answer, installed - begun, time.monotonic() - installed)


def _environment(folder: Path, bundle_folder: Path, reuse: bool) -> Path:
    """The Python of a fresh environment with the bundle's libraries."""
    _run(
        [sys.executable, "-m", "venv", *(["--without-pip"] if reuse else []), str(folder)],
        bundle_folder,
        {},
        "environment",
    )
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if reuse:
        paths = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
        inside = _run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], bundle_folder, {}, "python"
        )
        # folders in a .pth are not searched for further .pth, so an editable workbench does not come along
        (Path(inside.strip()) / "libraries.pth").write_text("\n".join(sorted(paths)) + "\n", encoding="utf-8")
    else:
        install = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--requirement",
            "requirements.txt",
            *added_by_host(bundle_folder),
        ]
        theirs = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        _run(
            install, bundle_folder, theirs, "install", timeout=INSTALL
        )  # by the person's own settings of pip, and its cache
    code = "import workbench, pathlib; print(pathlib.Path(workbench.__file__).resolve().parent)"
    location = _run([str(python), "-c", code], bundle_folder, {}, "import").strip()
    if Path(location) != (bundle_folder / "workbench").resolve():
        raise Failed("deploy.preflight", stage="import", reason=location)
    return python


def _run(command: list[str], folder: Path, env: Mapping[str, str], stage: str, *, timeout: float = START) -> str:
    try:
        process = subprocess.run(  # noqa: S603  a list, never a shell
            command, cwd=folder, env={**_variables(folder.parent), **env}, capture_output=True, text=True,
            encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL, timeout=timeout, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Failed("deploy.preflight", stage=stage, reason=f"{timeout:.0f} s") from error
    if process.returncode:
        raise Failed("deploy.preflight", stage=stage, reason=_last(process.stderr or process.stdout))
    return process.stdout


def _variables(scratch: Path) -> dict[str, str]:
    """Of this process's variables those that a system needs; none that would lead to this one's modules."""
    names = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "LANG", "WORKBENCH_LANG")
    variables = {name: os.environ[name] for name in names if name in os.environ}
    return variables | {"HOME": str(scratch), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def _offline(port: int) -> dict[str, str]:
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), _NOWHERE)
    hub = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "no_proxy": "127.0.0.1,localhost",
        "NO_PROXY": "127.0.0.1",
    }
    return {
        **proxies,
        **hub,
        "WORKBENCH_HOST": "127.0.0.1",
        "WORKBENCH_PORT": str(port),
    }


@contextmanager
def _running(python: Path, bundle_folder: Path, scratch: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The app, until the block ends; it and all that it started are ended then."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = int(tried.getsockname()[1])
    with (scratch / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  a list, never a shell
            [str(python), "app.py"],
            cwd=bundle_folder,
            env=_variables(scratch) | _offline(port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=os.name != "nt",
            **tied(),
        )
        try:
            yield process, port
        finally:
            with suppress(ProcessLookupError):
                process.kill() if os.name == "nt" else os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _until_up(process: subprocess.Popen[bytes], port: int, scratch: Path, path: str, begun: float) -> None:
    while time.monotonic() - begun < START:
        if process.poll() is not None:
            break
        try:
            with _OPEN.open(f"http://127.0.0.1:{port}{path}", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise Failed("deploy.preflight", stage="start", reason=_log(scratch))


def _ask_gradio(process: subprocess.Popen[bytes], port: int, scratch: Path, question: str) -> str:
    """By the server's own interface for programs: a call, then its events."""
    url = f"http://127.0.0.1:{port}/gradio_api/call/ask"
    body = json.dumps({"data": [question, "", 0.0, 1.0, 64]}).encode()
    latest: Any = None
    try:
        request = Request(url, data=body, headers={"Content-Type": "application/json"})
        with _OPEN.open(request, timeout=START) as answer:
            event = json.load(answer)["event_id"]
        with _OPEN.open(f"{url}/{event}", timeout=ASK) as answer:
            kind = ""
            for raw in answer:
                line = raw.decode("utf-8").strip()
                kind = line.removeprefix("event:").strip() if line.startswith("event:") else kind
                if line.startswith("data:") and kind in ("complete", "generating", "error"):
                    latest = json.loads(line.removeprefix("data:"))
    except (HTTPError, URLError, OSError, ValueError) as error:
        raise Failed("deploy.preflight", stage="ask", reason=f"{error} {_log(scratch)}") from error
    if process.poll() is not None or kind != "complete" or not latest or not str(latest[0]).strip():
        raise Failed("deploy.preflight", stage="ask", reason=f"{latest or ''} {_log(scratch)}".strip())
    return str(latest[0])


# What Streamlit's server and its page say to each other is its own affair. So the server is asked whether it is up, and
# then the page itself, the bundle's app.py, in Streamlit's public test runner: in the bundle's environment, with the
# model in a process of its own as ever, and after the server ended, for two models at once may be too large.
_STREAMLIT = """
import json, sys
from streamlit import config
from streamlit.testing.v1 import AppTest
app, question, seconds = sys.argv[1:]
config.set_option("server.address", "127.0.0.1")  # the page asks where it is served: elsewhere it wants a password
page = AppTest.from_file(app, default_timeout=float(seconds)).run()
assert not page.exception, page.exception[0].message
page.slider(key="longest").set_value(64)
page.chat_input[0].set_value(question).run()
assert not page.exception, page.exception[0].message
print(json.dumps([[shown.value for shown in page.chat_message[-1].text][-1:], page.html[-1].value]))
"""


def _ask_streamlit(python: Path, bundle_folder: Path, question: str) -> str:
    command = [str(python), "-c", _STREAMLIT, str(bundle_folder / "app.py"), question, str(ASK)]
    output = _run(command, bundle_folder, _offline(0), "ask", timeout=ASK + START)
    texts, note = json.loads(output.strip().splitlines()[-1])
    if not "".join(texts).strip(" …"):
        raise Failed("deploy.preflight", stage="ask", reason=note)
    return str(texts[0])


def _log(scratch: Path) -> str:
    return _last((scratch / "log").read_text(encoding="utf-8", errors="replace"))


def _last(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-15:]) or "–"
