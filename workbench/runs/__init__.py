"""The run folder and its event log: write, read, follow, replay; the worker's process and its front ends.

Knows files and processes, and stands on the standard library alone; must not know how training is done, nor who looks.
"""

from __future__ import annotations

from workbench.runs.checkpoints import (
    Best,
    Checkpoint,
    CheckpointFolder,
    checkpoint_writer,
    consider,
    judge,
    prune,
    set_best,
)
from workbench.runs.events import (
    CheckpointEvent,
    EvalEvent,
    Event,
    SampleEvent,
    StatusEvent,
    TrainEvent,
    VerdictEvent,
)
from workbench.runs.files import read_json, saving, sha256, write_bytes, write_json
from workbench.runs.finding import is_run
from workbench.runs.front import attach, busy, find, list_runs, resume_command, start, stop, wait
from workbench.runs.log import EventLog, Reader
from workbench.runs.manifest import manifest, versions
from workbench.runs.run import Run
from workbench.runs.state import State
from workbench.runs.summary import brief, next_command, summary, words
from workbench.runs.worker import Claim, claim, stop_requested

__all__ = [
    "Best",
    "Checkpoint",
    "CheckpointEvent",
    "CheckpointFolder",
    "Claim",
    "EvalEvent",
    "Event",
    "EventLog",
    "Reader",
    "Run",
    "SampleEvent",
    "State",
    "StatusEvent",
    "TrainEvent",
    "VerdictEvent",
    "attach",
    "brief",
    "busy",
    "checkpoint_writer",
    "claim",
    "consider",
    "find",
    "is_run",
    "judge",
    "list_runs",
    "manifest",
    "next_command",
    "prune",
    "read_json",
    "resume_command",
    "saving",
    "set_best",
    "sha256",
    "start",
    "stop",
    "stop_requested",
    "summary",
    "versions",
    "wait",
    "words",
    "write_bytes",
    "write_json",
]
