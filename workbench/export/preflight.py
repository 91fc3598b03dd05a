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
        with _running(python, bundle_copy, root) as (process, port):
            streamlit = (bundle_copy / "assistant" / "__init__.py").read_text(encoding="utf-8").count("Streamlit") > 0
            if streamlit:
                _until_up(process, port, root, "/_stcore/health", installed)
                tell("ask")
                answer = _ask_streamlit(python, port, bundle_copy, root, question)
            else:
                _until_up(process, port, root, "/gradio_api/info", installed)
                tell("ask")
                answer = _ask_gradio(process, port, root, question)
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


# Streamlit's page speaks a protocol of its own, by messages that its library knows: the page, then the question. After
# an answer the page begins anew; what was not sent by then never is, so only the page's last run has all of the answer.
_STREAMLIT = """
import json, sys
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
url, question, seconds = sys.argv[1:]
with connect(url, subprotocols=["streamlit"], max_size=None) as line:
    def run(back):
        line.send(back.SerializeToString())
        while True:
            told = ForwardMsg.FromString(line.recv(timeout=float(seconds)))
            if told.WhichOneof("type") == "script_finished":
                if told.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    return
                continue
            element = told.delta.new_element
            assert element.WhichOneof("type") != "exception", element.exception.message
            yield element
    page = list(run(BackMsg(rerun_script={})))
    asked = BackMsg(rerun_script={})
    box = next(element.chat_input for element in page if element.HasField("chat_input"))
    widget = asked.rerun_script.widget_states.widgets.add(id=box.id)
    widget.chat_input_value.data = question
    longest = next(e.slider for e in page if e.HasField("slider") and e.slider.id.endswith("-longest"))
    asked.rerun_script.widget_states.widgets.add(id=longest.id).double_array_value.data.append(64)
    said = note = ""
    for element in run(asked):
        said = element.text.body if element.HasField("text") else said
        note = element.html.body if element.HasField("html") else note
print(json.dumps([said, note]))
"""


def _ask_streamlit(python: Path, port: int, bundle_folder: Path, scratch: Path, question: str) -> str:
    command = [str(python), "-c", _STREAMLIT, f"ws://127.0.0.1:{port}/_stcore/stream", question, str(ASK)]
    reply, note = json.loads(_run(command, bundle_folder, _offline(port), "ask", timeout=ASK).strip().splitlines()[-1])
    if not reply.strip(" …"):
        raise Failed("deploy.preflight", stage="ask", reason=f"{note} {_log(scratch)}")
    return str(reply)


def _log(scratch: Path) -> str:
    return _last((scratch / "log").read_text(encoding="utf-8", errors="replace"))


def _last(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-15:]) or "–"
