"""Whether a machine is ready for a class, the day before: memory, time, ports, disk. Makes a short training to see what
one costs; changes nothing that stays."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Failed
from workbench.handin.trial import passing_run, unwinding
from workbench.runs.process import tied

if TYPE_CHECKING:
    from workbench.runs.events import Event
    from workbench.training import Recipe

# steps of the training that is made to see what one costs
STEPS = 6
# checkpoints that a run keeps at most, where its recipe sets no limit; and bytes of a worker's libraries
_MOST_KEPT, _LIBRARIES = 20, 500_000_000
# a kernel of a lesson, with the libraries and the small model loaded, as it is measured in a process of its own
_KERNEL = """
import os, psutil, workbench as wb
wb.Assistant.load("pocket").ask("Who are you?")
print(psutil.Process(os.getpid()).memory_full_info().uss)
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold one thing that was looked at.

    Args:
        name: ``memory``, ``time``, ``disk``, ``port``, ``line``, ``tool``.
        ok: whether it is enough; None where only a person can say.
        values: what its sentence names.
    """

    name: str
    ok: bool | None
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cost:
    """Hold what one training takes: seconds, bytes of memory, bytes on the disk."""

    seconds: float
    memory: int
    disk: int


def check(
    recipe: Recipe,
    people: int,
    ports: Sequence[int],
    folder: Path,
    minutes: float,
    on_event: Callable[[Event], None] | None = None,
) -> Iterator[Finding]:
    """Yield what ``people`` need that work in ``folder``'s place, each with a notebook, all training by ``recipe``.

    Args:
        ports: that the servers want.
        minutes: that the class has for its trainings.
        on_event: called with each event of the short training, which may first have to wait for the device.

    Raises:
        WorkbenchError: the short training could not be made.
    """
    import psutil

    from workbench.runs.line import Line

    line = Line.standing()
    at_once = line.rules().at_once if line is not None else people
    yield Finding("line", line is not None, {"folder": line.folder if line else "–", "at_once": at_once})
    for port in ports:
        yield Finding("port", is_free(port), {"port": port})
    for tool in ("git", "git-lfs"):
        yield Finding("tool", shutil.which(tool) is not None, {"tool": tool})
    with unwinding():
        kernel, cost = kernel_memory(), one_training(recipe, on_event)
    need, free = people * kernel + at_once * cost.memory, psutil.virtual_memory().available
    values = {"people": people, "kernel": kernel / 1e9, "training": cost.memory / 1e9, "at_once": at_once}
    yield Finding("memory", need <= free, {**values, "need": need / 1e9, "free": free / 1e9})
    rounds = -(-people // at_once)
    wait = rounds * cost.seconds / 60
    yield Finding(
        "time", wait <= minutes, {"people": people, "one": cost.seconds / 60, "all": wait, "minutes": minutes}
    )
    disk = people * cost.disk
    room = shutil.disk_usage(folder).free
    yield Finding("disk", disk <= room, {"people": people, "need": disk / 1e9, "free": room / 1e9})


def is_free(port: int) -> bool:
    """Tell whether a server could listen at the port, on this machine alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def kernel_memory() -> int:
    """Return the bytes that a lesson's kernel takes for itself, with model and libraries; measured."""
    done = subprocess.run(  # noqa: S603  a list, never a shell
        [sys.executable, "-c", _KERNEL], capture_output=True, text=True, check=False, **tied()
    )
    if done.returncode:
        raise Failed("handin.no_kernel", reason=(done.stderr.strip().splitlines() or ["–"])[-1])
    return int(done.stdout.split()[-1])


def one_training(recipe: Recipe, on_event: Callable[[Event], None] | None = None) -> Cost:
    """Return what a training by ``recipe`` takes: one of a few steps is made, and reckoned to the whole. However it
    ends, its worker ends too.

    Raises:
        WorkbenchError: it could not be made.
    """
    from workbench.training import train, with_overrides
    from workbench.training.forecast import outlook

    short = with_overrides(
        recipe, schedule={"max_steps": STEPS}, evaluation={"eval_steps": STEPS}, checkpoints={"save_steps": STEPS}
    )
    with passing_run() as path:
        run = train(short, path, on_event=on_event)
        events = run.events.all()
        steps = [event for event in events if event.kind == "train"]
        pace = (steps[-1].time - steps[0].time) / max(1, len(steps) - 1)
        overhead = steps[0].time - began(events)
        size = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file())
    looks = 1 + (recipe.evaluation.budget or 0.0)
    copies = min(_MOST_KEPT, recipe.checkpoints.save_total_limit or _MOST_KEPT)
    return Cost(overhead + _steps(recipe) * pace * looks, outlook(recipe).needed.total + _LIBRARIES, size * copies)


def began(events: Sequence[Event]) -> float:
    """Return when a training had the device: what it waited for it before is no part of what it costs."""
    return next((e.time for e in events if getattr(e, "key", "") == "training.state.loading"), events[0].time)


def _steps(recipe: Recipe) -> int:
    """The steps of a whole training."""
    from workbench.training.data import conversations

    schedule = recipe.schedule
    if schedule.max_steps > 0:
        return schedule.max_steps
    rows = len(conversations(recipe).train)
    a_step = schedule.per_device_train_batch_size * schedule.gradient_accumulation_steps
    return max(1, round(schedule.num_train_epochs * -(-rows // a_step)))
