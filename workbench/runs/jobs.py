"""The job of a cluster that trains a run: where it stands, and its end. Knows Slurm's own commands; loads no library.

Where there is no Slurm, or its controller does not answer, nothing is known of a job, and nothing is made up.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import Failed

# set in a job that was sent off for a run: its number. A notebook's own job, in which one trains too, does not have it
MINE = "WORKBENCH_JOB"
# seconds for which an answer is believed, so that many who look ask little; and for which one waits for it
_FRESH, _PATIENCE = 2.0, 20.0
_NUMBER = re.compile(r"[0-9]{1,18}")
_FACTS = re.compile(r"\bJobState=([A-Z_]+) Reason=(.*?) Dependency=")
_WAITS = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SUSPENDED", "RESV_DEL_HOLD", "SPECIAL_EXIT")
_RUNS = ("CONFIGURING", "RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED", "RESIZING")
# Slurm's word for an end -> the end of a text's key; every other word, and none, is "gone"
ENDS = {
    "CANCELLED": "cancelled",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "NODE_FAIL": "node",
    "BOOT_FAIL": "node",
    "OUT_OF_MEMORY": "memory",
    "PREEMPTED": "preempted",
    "FAILED": "failed",
}
_answers: dict[str, tuple[float, Job | None]] = {}


@dataclass(frozen=True, slots=True)
class Job:
    """Hold where a job stands.

    Args:
        number: Slurm's.
        word: its state, as Slurm says it; empty where Slurm has forgotten it.
        reason: why it waits, likewise.
    """

    number: str
    word: str = ""
    reason: str = ""

    @property
    def waits(self) -> bool:
        """Tell whether its turn has not come."""
        return self.word in _WAITS

    @property
    def runs(self) -> bool:
        """Tell whether it has its devices."""
        return self.word in _RUNS

    @property
    def end(self) -> str:
        """Return how it ended, as the end of a text's key."""
        return ENDS.get(self.word, "gone")


def number_of(record: Mapping[str, Any] | None) -> str:
    """Return the number of the job that a file of a run names; empty where it names none."""
    number = str((record or {}).get("job") or "")
    return number if _NUMBER.fullmatch(number) else ""


def here() -> dict[str, str]:
    """Return the job that this process is, for the run's record; empty where it is none."""
    number = os.environ.get(MINE, "")
    return {"job": number} if _NUMBER.fullmatch(number) else {}


def look(number: str) -> Job | None:
    """Return where a job stands; None where that cannot be known."""
    asked, answer = _answers.get(number, (0.0, None))
    if number not in _answers or time.monotonic() - asked > _FRESH:
        answer = _ask(number)
        _answers[number] = (time.monotonic(), answer)
    return answer


def _ask(number: str) -> Job | None:
    answer = _call("scontrol", "--oneliner", "show", "job", number)
    if answer is None:
        return None
    facts = _FACTS.search(answer.stdout)
    if facts:
        reason = "" if facts[2] in ("None", "(null)") else facts[2].replace("_", " ")
        return Job(number, facts[1], reason)
    return Job(number) if "Invalid job id" in answer.stderr else None


def cancel(number: str) -> None:
    """End a job, or take it out of the queue.

    Raises:
        Failed: Slurm does not let us.
    """
    answer = _call("scancel", number)
    _answers.pop(number, None)
    if answer is None or (answer.returncode and "Invalid job id" not in answer.stderr):
        reason = answer.stderr.strip().splitlines()[-1:] if answer else []
        raise Failed("runs.job.not_cancelled", job=number, reason=" ".join(reason) or "–")


def _call(*command: str) -> subprocess.CompletedProcess[str] | None:
    """A command of Slurm's, in its own words; None where it is not there, or does not answer."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        return subprocess.run(  # noqa: S603  a list, never a shell; of ours all but the number, which is one
            [program, *command[1:]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C", "SLURM_TIME_FORMAT": "standard"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
