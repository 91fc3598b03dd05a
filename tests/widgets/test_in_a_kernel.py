"""A panel in a real kernel, without a page: mistakes, a click while a cell waits, an hour of live updates."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.recordings import record, tiny_settings
from workbench.runs import Run, is_run, stop, wait

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


class Kernel:
    """A kernel with the repository on its path, and a page's part of the talk with it."""

    def __init__(self, place: Path) -> None:
        manager = pytest.importorskip("jupyter_client.manager")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "PYTHONPATH": path, "IPYTHONDIR": str(place / "ipython")}
        self.manager, self.client = manager.start_new_kernel(startup_timeout=120, cwd=str(place), env=env)

    def run(self, code: str, timeout: float = 300) -> tuple[str, dict[str, Any]]:
        """What the cell printed, and how it ended."""
        printed: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, timeout=timeout, output_hook=hear)
        return "".join(printed), reply["content"]

    def begin(self, code: str) -> str:
        """Run a cell without waiting for its end; gives the request's number."""
        return str(self.client.execute(code))

    def end_of(self, request: str, timeout: float) -> dict[str, Any]:
        """How that cell ended."""
        while True:
            reply = self.client.get_shell_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == request:
                return dict(reply["content"])

    def click(self, button: str) -> None:
        """A click, as a page sends it."""
        data = {"method": "custom", "content": {"event": "click"}, "buffers": []}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", {"comm_id": button, "data": data}))

    def close(self) -> None:
        """End it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    found = Kernel(tmp_path)
    yield found
    found.close()
    for run in (path.parent for path in tmp_path.rglob("events.jsonl")):
        stop(Run(run), 60, kill=True)


def test_a_mistake_is_told_in_a_notebook_without_a_traceback(kernel: Kernel) -> None:
    _, ended = kernel.run("import workbench as wb\nwb.TrainPanel('pocket-qlor')")
    assert ended["ename"] == "UnknownName"
    assert "pocket-qlora" in "\n".join(ended["traceback"])
    assert "File" not in "\n".join(ended["traceback"])


def test_a_click_on_stop_ends_the_training_while_a_cell_awaits_it(kernel: Kernel, tiny: Path, tmp_path: Path) -> None:
    settings = tiny_settings(tiny, steps=20_000)
    made = f"panel = wb.TrainPanel(out='long', settings={settings!r}, lang='en')\ndisplay(panel)"
    button, ended = kernel.run(f"import workbench as wb\n{made}\nprint(panel.controls.named['stop'].model_id)")
    assert ended["status"] == "ok", ended
    waiting = kernel.begin("panel.start()\nrun = await panel.ended()")
    until = time.monotonic() + 240
    while not is_run(tmp_path / "long") or not any(e.kind == "train" for e in Run(tmp_path / "long").events.all()):
        assert time.monotonic() < until
        time.sleep(0.5)
    run = Run(tmp_path / "long")
    kernel.click(button.strip())
    assert kernel.end_of(waiting, timeout=240)["status"] == "ok"
    assert wait(run, 60).status == "stopped"
    shown, _ = kernel.run("print(panel._words.value, panel.controls.named['resume'].disabled)")
    assert "stopped" in shown
    assert "False" in shown


# An hour of a training that makes four steps a second and looks at itself every twenty seconds, as fast as it is drawn.
HOUR = """
import os, psutil
from tests.recordings import evaluate
from workbench.runs import Run

def megabytes():
    return psutil.Process(os.getpid()).memory_info().rss / 1e6

run, step, grown = Run({out!r}), 8, []
for number in range({evaluations}):
    for _ in range(80):
        step += 1
        run.events.append("train", step=step, loss=2.0, seconds=0.25 * step)
    evaluate(run, step, 2.0 + number % 3)
    panel._read()
    panel._draw()
    if number % 2 == 0:
        panel.keep()
    if number % 15 == 0:
        grown.append(megabytes())
print(*grown, megabytes())
"""


def test_an_hour_of_live_updates_grows_the_kernel_by_less_than_50_mb(kernel: Kernel, tmp_path: Path) -> None:
    run = record(tmp_path / "hour")
    kernel.run(f"import workbench as wb\npanel = wb.TrainPanel(out={str(run.path)!r}, lang='en')\npanel")
    printed, ended = kernel.run(HOUR.format(out=str(run.path), evaluations=180), timeout=280)
    assert ended["status"] == "ok", ended
    grown = [float(number) for number in printed.split()]
    print("MB:", *(f"{number:.0f}" for number in grown))
    assert grown[-1] - grown[0] < 25  # a page that looks every ten seconds draws twice as often
