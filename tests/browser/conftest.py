"""A real browser, where there is one. Knows Playwright and Chromium; nothing of what is shown.

WORKBENCH_CHROMIUM names the browser, else ``chromium`` or ``google-chrome`` of the PATH is taken; without one, or
without Playwright, these tests are skipped. WORKBENCH_SCREENSHOTS names a folder for pictures, to be looked at.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from workbench.runs.process import tied

ROOT = Path(__file__).resolve().parents[2]
_OFF = ("gpu", "quic", "background-networking", "component-update", "sync")
_CAMERA = "--use-fake-device-for-media-stream"  # a page asks for leave as ever
FLAGS = ["--headless", "--no-sandbox", "--no-first-run", _CAMERA, *(f"--disable-{name}" for name in _OFF)]
Open = Callable[..., Any]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium."""
    api = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("WORKBENCH_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.skip("no Chromium: set WORKBENCH_CHROMIUM")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


@contextmanager
def served(command: Sequence[str], folder: Path) -> Iterator[str]:
    """A server, as a person starts it with Python's arguments ``command`` in ``folder``; gives its address."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "WORKBENCH_LANG": "en"}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True, **tied(),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield found[0]
                break
        else:
            raise AssertionError("it did not start")
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """``show(html, **context)`` opens a page; a request to the network or an error on it fails the test."""
    contexts, wrong = [], []

    def show(html: str, *, width: int = 1280, height: int = 720, **options: Any) -> Any:
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if request.url != file.as_uri() else None)
        page.goto(file.as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``picture(page, name)`` keeps a screenshot where WORKBENCH_SCREENSHOTS asks for one."""
    folder = os.environ.get("WORKBENCH_SCREENSHOTS")

    def keep(page: Any, name: str, **options: Any) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(Path(folder) / f"{name}.png"), **options)

    return keep


# Until what moves has come to rest; one that is paused never does.
STILL = """() => Promise.race([
    Promise.all(document.getAnimations()
        .filter((one) => one.effect.getComputedTiming().iterations !== Infinity)
        .map((one) => one.finished.catch(() => null))),
    new Promise((done) => setTimeout(done, 3000)),
]).then(() => null)"""


@pytest.fixture(scope="session")
def faults() -> Callable[[Any], list[str]]:
    """``faults(page)``: what axe-core finds seriously wrong with a page for people who cannot see or point well."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def look(page: Any) -> list[str]:
        page.evaluate(STILL)  # half-way between two colours a button has neither's contrast
        found = axe.run(page).response["violations"]
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        return [f"{one['id']}: {node['html'][:160]} {node['any'][:1]}" for one in grave for node in one["nodes"]]

    def serious(page: Any) -> list[str]:
        return look(page) and look(page)  # a page may begin to move while it is looked at; what is wrong stays wrong

    return serious
