"""Workers without the wait for their imports: a process that has the libraries loaded forks the real worker.

Run by its path it is that process: for each line, a JSON object, it forks a worker in a session of its own and prints
its pid. :func:`forked_workers` makes the front end start its workers so. Nothing else of a start is different, and
where a system cannot fork, nothing at all.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

WORKER = "workbench.training.worker"
# A variable of a worker's: a JSON object, names of ``resource`` limits with what it is allowed; of RLIMIT_AS, beyond
# what it takes at its start.
LIMITS = "WORKBENCH_TEST_LIMITS"


class Zygote:
    """The process, begun when the first worker is wanted."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def spawn(self, run: Path, env: Mapping[str, str]) -> int:
        """Start the worker of ``run`` with all the variables of ``env``; its pid."""
        if self.process is None:
            command = [sys.executable, str(Path(__file__))]
            own = {**os.environ, "PYTHONSAFEPATH": "1"}  # the folders beside this file are no packages
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self.process = subprocess.Popen(command, env=own, text=True, **pipes)
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"run": str(run), "env": dict(env)}) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        """End it; workers that still live go on."""
        if self.process is not None and self.process.stdin and self.process.stdout:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()
            self.process = None


ZYGOTE = Zygote()
_real: list[bool] = []


@contextmanager
def forked_workers() -> Iterator[None]:
    """While it lasts, ``workbench.runs.start`` forks its training workers."""
    from workbench.runs import Run, front

    spawn, ahead = front._spawn, front.ahead

    def forked(run: Run, command: list[str], env: Mapping[str, str] | None) -> int:
        if _real or command[1:3] != ["-m", WORKER]:
            return spawn(run, command, env)
        return ZYGOTE.spawn(run.path, {**os.environ, **(env or {})})

    if sys.platform == "linux":
        front._spawn, front.ahead = forked, lambda: ahead() if _real else nullcontext()
    try:
        yield
    finally:
        front._spawn, front.ahead = spawn, ahead
        ZYGOTE.close()


@contextmanager
def real_workers() -> Iterator[None]:
    """While it lasts, workers are started as everywhere outside the tests."""
    _real.append(True)
    try:
        yield
    finally:
        _real.pop()


def main() -> None:
    """Fork a worker for each line of the input."""
    from workbench.environment import prepare

    prepare()
    import bitsandbytes  # noqa: F401
    import peft  # noqa: F401
    import torch  # noqa: F401
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM  # noqa: F401

    from workbench.training import assemble, forecast, loop, single, worker  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system takes the dead away
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(_child(json.loads(line)))
        print(pid, flush=True)


def _child(told: dict[str, object]) -> int:
    from workbench.training.worker import main as work

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    run = Path(str(told["run"]))
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(run / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number, opened in ((0, null), (1, log), (2, log)):
        os.dup2(opened, number)
    os.chdir(run)
    os.environ.clear()
    os.environ.update(told["env"])  # type: ignore[call-overload]
    try:
        _limit(json.loads(os.environ.pop(LIMITS, "{}")))
        return work([str(run)])
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _limit(limits: Mapping[str, int]) -> None:
    if not limits:
        return
    import resource

    for name, allowed in limits.items():
        taken = 0
        if name == "RLIMIT_AS":
            import torch

            torch.ones(64, 64) @ torch.ones(64, 64)  # the libraries' own threads and buffers are there before
            status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            taken = int(next(line for line in status if line.startswith("VmSize")).split()[1]) * 1024
        resource.setrlimit(getattr(resource, name), (taken + allowed, taken + allowed))


if __name__ == "__main__":
    main()
