"""How soon the page of an assistant says its first word, and what fifty visitors at once get.

Starts the Gradio page with the embedded model in a process of its own, as a person would, and asks it over HTTP as a
browser does: the time runs from the sending of the question to the arrival of the first piece of the answer.

    python benchmarks/chat_page.py [--visitors 50] [--browser]

With ``--browser`` also in Chromium: from the click on "Send" to the frame in which the first piece is drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from workbench.runs.process import tied  # noqa: E402

QUESTION = "What is the capital of France?"


def ask(url: str, session: str, question: str) -> tuple[float, float, str]:
    """Seconds to the first piece and to the end, and the answer."""
    body = json.dumps({"data": [question, "", 0.0, 1.0, 64], "session_hash": session}).encode()
    began, first, said = time.perf_counter(), 0.0, ""
    request = urllib.request.Request(f"{url}/gradio_api/call/ask", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        event = json.load(answer)["event_id"]
    kind = ""
    with urllib.request.urlopen(f"{url}/gradio_api/call/ask/{event}") as events:
        for raw in events:
            line = raw.decode().strip()
            if line.startswith("event:"):
                kind = line.removeprefix("event:").strip()
            elif line.startswith("data:") and kind in ("generating", "complete"):
                said = json.loads(line.removeprefix("data:"))[0]
                first = first or time.perf_counter() - began
    return first, time.perf_counter() - began, said


def measure(url: str, visitors: int) -> None:
    ask(url, "warm", QUESTION)
    alone = [ask(url, f"alone{i}", QUESTION) for i in range(20)]
    firsts = sorted(first for first, _, _ in alone)
    print(
        f"first piece, alone: median {statistics.median(firsts) * 1e3:.0f} ms, slowest of 20 {firsts[-1] * 1e3:.0f} ms"
    )
    print(f"whole answer, alone: median {statistics.median(end for _, end, _ in alone) * 1e3:.0f} ms")
    heard: list[tuple[float, float, str]] = []
    threads = [
        threading.Thread(target=lambda n=n: heard.append(ask(url, f"many{n}", QUESTION))) for n in range(visitors)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    right = sum(said == alone[0][2] for _, _, said in heard)
    slowest = max(end for _, end, _ in heard)
    print(f"{visitors} at once: {right} right of {len(heard)}; all after {time.perf_counter() - began:.1f} s, "
          f"slowest {slowest:.1f} s, median first piece {statistics.median(f for f, _, _ in heard):.2f} s")  # fmt: skip


# From the click to the first frame in which the newest answer holds more than the sign of waiting.
CLICK = """() => new Promise((done) => {
  const answers = () => [...document.querySelectorAll('#chat [data-testid=bot]')];
  const before = answers().length;
  const began = performance.now();
  document.querySelector('#send').click();
  const look = () => {
    const now = answers();
    const said = now.length > before ? now[now.length - 1].textContent.trim() : '';
    if (said && said !== '…') done(performance.now() - began);
    else requestAnimationFrame(look);
  };
  look();
})"""


def in_a_browser(url: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = os.environ.get("WORKBENCH_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(url)
        times = []
        for _ in range(12):
            page.locator("#question textarea").fill(QUESTION)
            times.append(page.evaluate(CLICK))
            page.locator("#send").wait_for()
            page.locator("#new").click()
            page.wait_for_timeout(300)
        browser.close()
    times = sorted(times[2:])
    print(f"first piece drawn after the click: median {statistics.median(times):.0f} ms, slowest {times[-1]:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--browser", action="store_true")
    given = parser.parse_args()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "WORKBENCH_LANG": "en"}
    began = time.perf_counter()
    command = [sys.executable, "-m", "apps.assistant_gradio", "pocket"]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, **tied())
    try:
        assert process.stdout is not None
        url = next(m[0] for line in process.stdout if (m := re.search(r"http://127\.0\.0\.1:\d+", line)))
        up = time.perf_counter() - began
        ask(url, "first", QUESTION)
        print(f"from the start of the program: page {up:.1f} s, first answer's end {time.perf_counter() - began:.1f} s")
        measure(url, given.visitors)
        if given.browser:
            in_a_browser(url)
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
