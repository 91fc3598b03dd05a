"""Where a run stands: what its worker wrote, and what follows when the worker is gone.

Knows processes; must not know what they train.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from workbench.runs import jobs
from workbench.runs.files import number, read_json
from workbench.runs.process import Lock, Process

Status = Literal["new", "starting", "waiting", "running", "stopping", "ended", "stopped", "failed", "died"]
LIVING = ("starting", "waiting", "running", "stopping")
FINAL: tuple[Status, ...] = ("ended", "stopped", "failed")

# seconds without a sign of life after which a worker that cannot be asked (another machine) counts as dead
SILENCE = 600.0
# no step, no process and no second since 1970 has a number beyond it
MEANT = 1e11
# seconds that a front end has between announcing a worker and starting it
LAUNCH = 60.0


@dataclass(frozen=True, slots=True)
class State:
    """Hold where a run stands.

    Args:
        status: new (made, never started), starting (the process is there, the worker not yet), waiting (in the line for
            the device; ``values`` has ``place`` and ``waiting``, how many wait), running, stopping (asked to save and
            end), ended (as planned), stopped (on request), failed (with an error that says what to do), died (the
            process is gone without a word: killed, power cut).
        step: optimizer steps done, as far as the worker last said.
        total_steps: steps of the whole run; 0 where not yet known.
        pid: the worker's process; 0 where there is none.
        host: its machine.
        since: when it started, seconds since 1970, UTC; 0 where it never did.
        updated: its last sign of life, likewise.
        message: for an end, what happened, in the worker's language.
        remedy: what to do next.
        key: the text's key, so that it can be said in another language.
        values: what the text names.
        error: the error's class, for ``failed``.
    """

    status: Status
    step: int = 0
    total_steps: int = 0
    pid: int = 0
    host: str = ""
    since: float = 0.0
    updated: float = 0.0
    message: str = ""
    remedy: str = ""
    key: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def alive(self) -> bool:
        """Tell whether a process works on it."""
        return self.status in LIVING


def derive(folder: Path) -> State:
    """Return the state of the run in ``folder``, from its files and the system's processes."""
    launch = read_launch(folder)
    if launch is not None:
        return _launched(launch, folder)
    record = read_json(folder / "state.json")
    if record is None:
        return State("new")
    return _state(record, *_status(record, folder))


def read_launch(folder: Path) -> dict[str, Any] | None:
    """Return what a front end announced and no worker has taken up yet."""
    path = folder / "starting.json"
    try:
        announced = path.stat().st_mtime
    except OSError:
        return None
    record = read_json(path) or {}
    return {**record, "time": number(record.get("time")) or announced}


def launching(launch: Mapping[str, Any], folder: Path) -> bool:
    """Tell whether the announced process lives, or may still come."""
    process, number_ = Process.from_record(launch), jobs.number_of(launch)
    if number_:
        job = jobs.look(number_)
        return not _copied(launch, folder) and (job is None or job.waits or job.runs)
    if process is None:
        return time.time() - float(launch["time"]) < LAUNCH
    return not _copied(launch, folder) and _alive(process, float(launch["time"]), folder)


def mark(folder: Path) -> dict[str, int]:
    """Return what tells a folder from its copy, for the record of the process that works in it: its number on the
    disk."""
    try:
        return {"folder": folder.stat().st_ino}
    except OSError:
        return {}


def foreign(record: Mapping[str, Any], folder: Path) -> bool:
    """Tell whether ``record`` was written on this machine for another folder, of which this one is a copy."""
    noted, current = record.get("folder"), mark(folder).get("folder")
    return bool(noted and current) and record.get("host") == socket.gethostname() and noted != current


def _copied(record: Mapping[str, Any], folder: Path) -> bool:
    return foreign(record, folder) and not Lock(folder / "lock").is_held()


def _launched(launch: Mapping[str, Any], folder: Path) -> State:
    status: Status = "starting" if launching(launch, folder) else "died"
    said: dict[str, Any] = {}
    if jobs.number_of(launch):
        status, said = _of_job(launch, status)
    before = read_json(folder / "state.json") or {}
    now = {"pid": launch.get("pid"), "host": launch.get("host"), "since": launch["time"], "updated": launch["time"]}
    return _state({"step": before.get("step"), "total_steps": before.get("total_steps"), **now}, status, said)


def _of_job(record: Mapping[str, Any], status: Status) -> tuple[Status, dict[str, Any]]:
    """Where a run stands whose process is a job's, or will be, and the text that says so."""
    job = jobs.look(jobs.number_of(record))
    values = {"job": jobs.number_of(record), "reason": (job.reason if job else "") or "–"}
    if status == "died":
        if job is not None and job.waits:  # taken from a machine that fell out, and sent to the next
            return "waiting", {"key": "runs.job.waits", "values": values}
        return "died", {"key": f"runs.job.{job.end}", "values": values} if job is not None and not job.runs else {}
    if job is None or job.waits:
        return "waiting", {"key": "runs.job.waits", "values": values}
    return status, {}


def _status(record: Mapping[str, Any], folder: Path) -> tuple[Status, dict[str, Any]]:
    """Where a run stands whose worker has written ``record``, and what is to be said of it instead of its own words."""
    status = record.get("status")
    for final in FINAL:
        if status == final:
            return final, {}
    process = Process.from_record(record)
    if process is None or _copied(record, folder) or not _works(process, record, folder):
        return _of_job(record, "died") if jobs.number_of(record) else ("died", {})
    if (folder / "stop").exists():
        return "stopping", {}
    return ("waiting" if status == "waiting" else "running"), {}


def _works(process: Process, record: Mapping[str, Any], folder: Path) -> bool:
    """Whether the worker lives; of one on another machine its job says so, where it has one."""
    job = jobs.look(jobs.number_of(record)) if jobs.number_of(record) and process.alive() is None else None
    return job.runs if job is not None else _alive(process, _number(record, "updated"), folder)


def _alive(process: Process, updated: float, folder: Path) -> bool:
    answer = process.alive()
    if answer is not None:
        return answer
    if Lock(folder / "lock").is_held():
        return True
    return process.host != socket.gethostname() and time.time() - updated < SILENCE


def _number(record: Mapping[str, Any], name: str) -> float:
    value = number(record.get(name)) or 0.0
    return value if 0 <= value < MEANT else 0.0  # what no run can have counted was damaged


def _state(record: Mapping[str, Any], status: Status, said: Mapping[str, Any] | None = None) -> State:
    record = {**record, **(said or {})}
    values = record.get("values")
    return State(
        status=status,
        step=int(_number(record, "step")),
        total_steps=int(_number(record, "total_steps")),
        pid=int(_number(record, "pid")),
        host=str(record.get("host") or ""),
        since=_number(record, "since"),
        updated=_number(record, "updated"),
        message=str(record.get("message") or ""),
        remedy=str(record.get("remedy") or ""),
        key=str(record.get("key") or ""),
        values=values if isinstance(values, dict) else {},
        error=str(record.get("error") or ""),
    )
