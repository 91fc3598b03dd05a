"""How long ``import workbench`` and ``workbench --help`` take in a new process. Knows clocks; not part of the tests.

    python benchmarks/import_time.py [times]

The best of several runs counts: whatever else the machine does can only add to it. The import may take 0.15 s.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

CASES = {
    "python alone": "pass",
    "import workbench": "import workbench",
    "workbench --help": "from workbench.cli import run; run(['--help'])",
}


def seconds(code: str, times: int) -> float:
    """The shortest of ``times`` runs of ``code``, each in a new process."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - begun)
    return min(taken)


def main() -> None:
    """Print what each case takes beyond starting Python."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    found = {name: seconds(code, times) for name, code in CASES.items()}
    alone = found["python alone"]
    print(
        json.dumps(
            {
                name: round(taken - alone, 3) if code != "pass" else round(taken, 3)
                for (name, taken), code in zip(found.items(), CASES.values(), strict=True)
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
