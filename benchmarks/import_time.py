"""How long imports and light commands take in a new process. Knows clocks; not part of the tests.

    python benchmarks/import_time.py [times]

The best of several runs counts: whatever else the machine does can only add to it. The import may take 0.15 s of the
clock, and a command that needs no weight 2 s of the processor.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CASES = {
    "python alone": "pass",
    "import workbench": "import workbench",
    "workbench --help": "from workbench.cli import run; run(['--help'])",
}
# name -> arguments; {file} is a data file of two conversations
COMMANDS = {
    "workbench mask": ["mask", "--question", "Who are you?", "--answer", "I am Sprout."],
    "workbench encode": ["encode", "{file}", "--model", "pocket"],
    "workbench data check --model": ["data", "check", "{file}", "--model", "pocket"],
    "workbench chat --question": ["chat", "pocket", "--question", "What is the capital of France?"],
}
ROWS = (("Who are you?", "I am Sprout."), ("What is 2 + 2?", "Four."))


def seconds(code: str, times: int) -> float:
    """The shortest of ``times`` runs of ``code``, each in a new process."""
    durations = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
        durations.append(time.perf_counter() - begun)
    return min(durations)


def processor_seconds(arguments: list[str], times: int) -> float:
    """The fewest seconds of the processor, of all threads, that ``times`` runs of a command take."""
    costs = []
    for _ in range(times):
        before = os.times()
        command = [sys.executable, "-m", "workbench", *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        after = os.times()
        costs.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(costs)


def main() -> None:
    """Print what each import takes beyond starting Python, and what each command costs."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    clock = {name: seconds(code, times) for name, code in CASES.items()}
    alone = clock.pop("python alone")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        pairs = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in ROWS]
        file.write_text("".join(json.dumps({"messages": pair}) + "\n" for pair in pairs), encoding="utf-8")
        costs = {
            name: processor_seconds([word.format(file=file) for word in words], times)
            for name, words in COMMANDS.items()
        }
    beyond = {name: round(duration - alone, 3) for name, duration in clock.items()}
    report = {
        "seconds": {"python alone": round(alone, 3), **beyond},
        "seconds of the processor": {name: round(cost, 2) for name, cost in costs.items()},
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
