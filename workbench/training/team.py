"""The processes that share a training: who leads, what all agree on, how the others are started and how they end.

Knows processes and torch.distributed; nothing of models. One process alone is a team too, and imports nothing.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from workbench.errors import Failed, WorkbenchError
from workbench.runs import Run, read_json, write_json
from workbench.runs.process import end_with_parent
from workbench.training.settings import Recipe

# Set in the environment of a process that a leader started: the leader's pid.
LEADER = "WORKBENCH_LEADER"
# An evaluation of a large model, done by the leader alone, may keep the others waiting.
PATIENCE = timedelta(hours=2)
# Seconds for the others to end by themselves after the last step, and for a failing one to say why.
FAREWELL, WORD = 30.0, 3.0


class Team:
    """Represent one process, or one of several.

    Args:
        rank: its number; 0 leads: it alone holds the run and writes events.
        size: how many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def leads(self) -> bool:
        """Tell whether this process writes what the run says."""
        return self.rank == 0

    def agree(self, *flags: int) -> tuple[int, ...]:
        """Return what the leader said, in every process."""
        if self.size == 1:
            return flags
        import torch
        import torch.distributed as dist

        tensor = torch.tensor(flags, dtype=torch.long, device=self._device())
        dist.broadcast(tensor, 0)
        return tuple(int(n) for n in tensor)

    def sum(self, value: float) -> float:
        """Return the sum over all processes, in every process."""
        if self.size == 1:
            return value
        import torch
        import torch.distributed as dist

        tensor = torch.tensor(value, dtype=torch.float64, device=self._device())
        dist.all_reduce(tensor)
        return float(tensor)

    def meet(self) -> None:
        """Wait until all are here."""
        self.agree(0)

    @staticmethod
    def _device() -> str:
        import torch.distributed as dist

        return "cuda" if dist.get_backend() == "nccl" else "cpu"


class Onlooker:
    """Hold what a process that does not lead has in place of the claim on the run: nothing is written, nobody asks
    it."""

    step = 0
    stop_requested = False

    def log(self, *_: Any, **__: Any) -> None:
        """Do nothing."""

    def beat(self, step: int, total_steps: int | None = None) -> None:  # noqa: ARG002
        """Remember the step."""
        self.step = step

    def finish(self, outcome: str, message: str = "") -> None:
        """Do nothing."""


def launched(recipe: Recipe) -> bool:
    """Tell whether torchrun, or DeepSpeed's launcher, started this process as one of several that train by
    ``recipe``."""
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    return recipe.runtime.deepspeed is not None and all(name in os.environ for name in names)


def join(recipe: Recipe) -> Team:
    """Become one of those that the environment names (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT)."""
    import torch
    import torch.distributed as dist

    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    local = int(os.environ.setdefault("LOCAL_RANK", "0"))
    on_gpu = torch.cuda.is_available() and (recipe.runtime.device or "cuda").startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(local % torch.cuda.device_count())
    else:
        os.environ["DS_ACCELERATOR"] = "cpu"  # DeepSpeed asks for it when it is imported
        torch.set_num_threads(max(1, torch.get_num_threads() // max(1, recipe.runtime.nproc)))
    dist.init_process_group("nccl" if on_gpu else "gloo", rank=rank, world_size=size, timeout=PATIENCE)
    return Team(rank, size)


@contextmanager
def gathered(run: Run, recipe: Recipe) -> Iterator[Team]:
    """Start the whole team of a run whose leader this process is: the others are started, and ended with it."""
    if recipe.runtime.deepspeed is None:
        yield Team()
        return
    size = recipe.runtime.nproc
    for note in run.path.glob("rank-*.json"):
        note.unlink()
    rendezvous = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(size)}
    if sys.platform.startswith("linux"):
        rendezvous["GLOO_SOCKET_IFNAME"] = "lo"  # else gloo asks what address the machine's name has, and may get none
    os.environ.update(rendezvous, RANK="0", LOCAL_RANK="0")
    processes = [_start(run, rank) for rank in range(1, size)]
    deadline = 0.0
    try:
        yield join(recipe)
        _part()
        deadline = time.monotonic() + FAREWELL
    except WorkbenchError:
        raise
    except Exception as error:
        raise _blamed(run, size) or error from error
    finally:
        _end(processes, deadline)


@contextmanager
def following(run: Run, recipe: Recipe) -> Iterator[Team]:
    """Join as one of the others: end when its leader does, and leaves a note of what went wrong."""
    rank = os.environ["RANK"]
    _heed_the_leader()
    end_with_parent(int(os.environ[LEADER]))  # elsewhere than on Linux the lost connection ends it
    try:
        yield join(recipe)
        _part()
    except WorkbenchError as error:
        with suppress(WorkbenchError):
            write_json(run.path / f"rank-{rank}.json", {"key": error.key, "values": dict(error.values)})
        raise


def _heed_the_leader() -> None:
    """Leave a wish to end to the leader, which agrees with all when to save: a cluster, and a terminal's Ctrl-C, tell
    every process, and one that ended at once would take the others' work with it."""
    for name in ("SIGTERM", "SIGINT", "SIGUSR2"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _part() -> None:
    """All are done: end the connection."""
    import torch.distributed as dist

    dist.destroy_process_group()


def _start(run: Run, rank: int) -> subprocess.Popen[bytes]:
    variables = {"RANK": str(rank), "LOCAL_RANK": str(rank), LEADER: str(os.getpid())}
    command = [sys.executable, "-m", "workbench.training.worker", str(run.path)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env={**os.environ, **variables})  # noqa: S603  a list


def _end(processes: list[subprocess.Popen[bytes]], deadline: float) -> None:
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        process.kill()  # of one that has ended, nothing
        process.wait()


def _blamed(run: Run, size: int) -> Failed | None:
    """What another process said before it ended: the cause of a leader's lost connection."""
    if size == 1:
        return None
    until = time.monotonic() + WORD
    while time.monotonic() < until:
        for path in sorted(run.path.glob("rank-*.json")):
            note = read_json(path) or {}
            if note.get("key"):
                return Failed(str(note["key"]), **dict(note.get("values") or {}))
        time.sleep(0.1)
    return None


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def checkpoint_part(run: Run, step: int) -> Path:
    """Tell where the checkpoint of ``step`` is being written, in every process that sees the run's folder."""
    return run.path / "checkpoints" / f"tmp-step-{step:06d}"
