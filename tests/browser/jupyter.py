"""A JupyterLab of the tests' own, as ``workbench lab`` starts it, and a page in it. Knows JupyterLab; no panel."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.cli import lab as command_of

ROOT = Path(__file__).resolve().parents[2]
OPEN = {"IdentityProvider.token": "", "ServerApp.password": "", "ServerApp.disable_check_xsrf": "True"}
PATIENCE = 120_000  # ms; a kernel on a busy machine is slow


class Lab:
    """A server over ``place``; ends with :meth:`close`.

    Args:
        place: the folder of the notebooks; everything that the server writes goes beside it.
        dark: JupyterLab's dark theme.
        lang: what ``WORKBENCH_LANG`` says in the kernels.
    """

    def __init__(self, place: Path, *, dark: bool = False, lang: str = "en") -> None:
        self.place, own = place, place.parent / f"{place.name}-own"
        (own / "settings").mkdir(parents=True)
        told = command_of.environment(own / "settings", lang)
        if dark:
            file = own / "settings" / "labconfig" / "default_setting_overrides.json"
            theme = {"@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Dark"}}
            file.write_text(json.dumps(json.loads(file.read_text()) | theme), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        argv = command_of.command(place, self.port, browser=False)
        argv += [f"--{name}={value}" for name, value in OPEN.items()] + (["--allow-root"] if os.name != "nt" else [])
        folders = {name: str(own / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environ = {**told, **folders, "IPYTHONDIR": str(own), "PYTHONPATH": path}
        environ["HF_HOME"] = str(own / "hub")  # that of the tests ends with them
        environ["WORKBENCH_LINE"] = str(own / "line")  # no training of another test holds the device
        self.log = (own / "server.log").open("wb")
        self.process = subprocess.Popen(argv, env=environ, stdout=self.log, stderr=subprocess.STDOUT, cwd=place)
        self.url = f"http://127.0.0.1:{self.port}"
        try:
            self._wait()
        except BaseException:
            self.process.kill()
            raise

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE / 1000
        while not self._answers():
            assert self.process.poll() is None, Path(self.log.name).read_text()
            assert time.monotonic() < until, "JupyterLab does not answer"
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("api/status"))
        except OSError:
            return False

    def ask(self, path: str, method: str = "GET") -> Any:
        """What the server's own interface says."""
        request = urllib.request.Request(f"{self.url}/{path}", method=method)
        with urllib.request.urlopen(request, timeout=30) as reply:
            body = reply.read()
        return json.loads(body) if body else None

    def end_kernels(self) -> None:
        """End every kernel with its session."""
        for session in self.ask("api/sessions"):
            self.ask(f"api/sessions/{session['id']}", "DELETE")

    def close(self) -> None:
        """End the server and its kernels."""
        self.end_kernels()
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()


def notebook(file: Path, cells: Sequence[str]) -> None:
    """Write a notebook of code cells, without outputs."""
    made = [
        {"cell_type": "code", "id": f"cell-{n}", "metadata": {}, "execution_count": None, "outputs": [], "source": cell}
        for n, cell in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    file.write_text(json.dumps(whole), encoding="utf-8")


class Notebook:
    """A notebook open in a page."""

    def __init__(self, page: Any, lab: Lab, name: str) -> None:
        self.page, self.lab, self.name = page, lab, name
        page.set_default_timeout(PATIENCE)
        self.open()

    def open(self) -> None:
        """Open it, as by its address, and wait until its kernel is ready."""
        self.page.goto(f"{self.lab.url}/lab/tree/{self.name}?reset")
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.ready()

    def ready(self) -> None:
        """Wait until the page is connected with a kernel that is idle: before that it drops what is run, without a
        word; the notebook's own indicator says idle even without a kernel."""
        self.page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()

    def run(self, cell: int = 0) -> None:
        """Run a cell, as a person does: a click into it, then Shift+Enter."""
        self.page.locator(".jp-CodeCell").nth(cell).locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Shift+Enter")

    def restart(self) -> None:
        """Restart the kernel through the menu."""
        self.page.get_by_role("menuitem", name="Kernel", exact=True).click()
        self.page.get_by_text("Restart Kernel…", exact=True).click()
        self.page.locator(".jp-Dialog").get_by_role("button", name="Confirm").click()
        self.page.wait_for_selector(".jp-Dialog", state="detached")
        self.page.wait_for_timeout(2000)  # until then the page may still show the old kernel's state
        self.ready()

    def save(self) -> None:
        """Save it, and wait until it is saved."""
        self.page.get_by_role("menuitem", name="File", exact=True).click()
        self.page.locator('.lm-Menu-item[data-command="docmanager:save"]').click()
        self.page.wait_for_timeout(1500)

    def outputs(self, cell: int = 0) -> list[dict[str, Any]]:
        """The outputs of a cell in the saved file."""
        whole = json.loads((self.lab.place / self.name).read_text(encoding="utf-8"))
        found: list[dict[str, Any]] = whole["cells"][cell]["outputs"]
        return found
