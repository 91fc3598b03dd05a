"""A process that has the libraries loaded and forks a worker for each line that it reads: a start in milliseconds.

Run by its path; prints the pid of each. Each child is the real worker in a session of its own.
"""

from __future__ import annotations

import os
import sys

from workbench.environment import prepare


def main() -> None:
    prepare()
    import peft  # noqa: F401
    import torch  # noqa: F401
    import transformers  # noqa: F401
    from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer  # noqa: F401

    from workbench.training.worker import main as work

    for line in sys.stdin:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            os._exit(work([line.strip()]))
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("gone", flush=True)


if __name__ == "__main__":
    main()
