"""Which devices a recipe needs, and the wait in the line for them. Knows recipes and the line; loads no library."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.runs import Claim
from workbench.runs.line import Line, owner_here
from workbench.training.settings import Recipe

_CPU = ("cpu",)


def devices(recipe: Recipe) -> tuple[str, ...]:
    """Return the devices that a training by ``recipe`` takes, by the names that the line has for them."""
    chosen, gpus = recipe.runtime.device or "", visible_gpus()
    if chosen.startswith("cpu") or not gpus:
        return _CPU
    index = re.fullmatch(r"cuda:(\d+)", chosen)
    if index is not None:
        return (gpus[min(int(index[1]), len(gpus) - 1)],)
    count = recipe.runtime.nproc if recipe.runtime.deepspeed else 1
    return tuple(gpus[:count])


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as the line names them; asks no library, since none is loaded yet."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        return [_named(name) for name in names if name and name != "-1"]
    present = sorted(int(path.name[6:]) for path in Path("/dev").glob("nvidia[0-9]*") if path.name[6:].isdigit())
    if not present and shutil.which("nvidia-smi"):  # Windows, and Linux inside it, show no such files
        present = [0]
    return [f"gpu-{number}" for number in range(len(present))]


def _named(name: str) -> str:
    return f"gpu-{name}" if name.isdigit() else re.sub(r"[^A-Za-z0-9-]", "-", name)[:60]


def check_line(owner: str | None = None) -> None:
    """Refuse a training more than its owner may have in the line, before anything is made for it.

    Raises:
        BadInput: this owner has as many tickets as one may have. Failed: there can be no line.
    """
    line = Line.standing()
    if line is not None:
        line.check(owner_here() if owner is None else owner)


def make_room() -> None:
    """Begin this process anew, without the libraries that it has loaded, where it would only wait with them in memory:
    a class of thirty that starts at once must fit."""
    with suppress(WorkbenchError, OSError):
        line = Line.standing()
        if line is not None and line.is_crowded() and sys.platform != "win32":
            os.execv(sys.executable, [sys.executable, "-m", "workbench.training.worker", str(Path.cwd())])  # noqa: S606


@contextmanager
def turn(hold: Claim, recipe: Recipe) -> Iterator[bool]:
    """Wait for the devices of ``recipe`` and have them while it lasts; False where a stop was requested meanwhile."""
    owner = str(hold.run.manifest().get("owner") or "")
    with hold.turn(owner, devices(recipe)) as begins:
        yield begins
