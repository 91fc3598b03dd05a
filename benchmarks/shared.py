"""Training beside other busy processes, measured in one run: milliseconds a step of ours and of plain Trainer + PEFT.

    python benchmarks/shared.py [--busy 2] [--rows 240] [--rounds 1] [--json shared.json]

First with nothing else to do, then beside ``--busy`` processes that count, as on a server that others use too. The same
model, conversations, adapter and tokens a step as in ``train.py``, each way in a process of its own; timed are the
steps alone. Ours chooses its threads as its worker does, at the start, by affinity, quota and load; plain Trainer takes
torch's own number. ``--rounds`` evens out a machine whose speed drifts: the quickest counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import train

from workbench.environment import FOR_WORKERS

WAYS = ("workbench", "plain Trainer + PEFT")
COUNT = "n = 0\nwhile True:\n    n += 1"
SETTLES = 3.0  # seconds after which the load of the busy processes is seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=2, help="processes beside")
    parser.add_argument("--rows", type=int, default=240, help="training conversations, 16 a step")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        print(json.dumps(ours(json.loads(given.work))))
        return 0
    report: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="shared-") as scratch:
        order = {"model": "pocket", "batch": 16, "epochs": 1, "twice": False, **train.PLAIN}
        order = train.with_data(order, given.rows, Path(scratch))
        for count in (0, given.busy):
            with busy(count):
                rounds = [{way: measured(way, order) for way in WAYS} for _ in range(given.rounds)]
            report[str(count)] = {way: min((r[way] for r in rounds), key=lambda r: float(r["ms"])) for way in WAYS}
    print("| busy processes beside | " + " | ".join(f"{way}, ms/step (threads)" for way in WAYS) + " |")
    print("|---|" + "---|" * len(WAYS))
    for count, row in report.items():
        print(f"| {count} | " + " | ".join(f"{row[way]['ms']:.0f} ({row[way]['threads']})" for way in WAYS) + " |")
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but count, while it lasts."""
    processes = [subprocess.Popen([sys.executable, "-c", COUNT]) for _ in range(count)]
    try:
        time.sleep(SETTLES if count else 0.0)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measured(way: str, order: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds a step and the threads of one way, in a process of its own."""
    print(f"{way} …", file=sys.stderr, flush=True)
    told = {**order, "out": f"{order['work']}/out", "attention": "sdpa"}
    if way == WAYS[0]:
        command = [sys.executable, __file__, "--work", json.dumps(told)]
        result = train.last_json(command, dict(FOR_WORKERS))
    else:
        result = {"threads": "torch's own", **train.child({**told, "way": "plain"})}
    return {"ms": 1000 * result["seconds"] / result["steps"], **result}


def ours(told: dict[str, Any]) -> dict[str, Any]:
    """The workbench's own loop, with as many threads as its worker would take."""
    from workbench.models.threads import Threads

    threads = Threads(None)
    threads.look()
    return {**train.ours(told), "threads": threads.current}


if __name__ == "__main__":
    sys.exit(main())
