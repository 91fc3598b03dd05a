"""A class of thirty on one line: all finish, nobody waits much longer than the others, a killed server changes nothing.

The trainings train nothing (``toy_worker.py``), but they are started, wait, and hold tickets as every training does.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.conftest import TOY
from tests.waiting import until
from workbench import runs
from workbench.runs import Run
from workbench.runs.line import Line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
STUDENTS, EACH = 30, 2
# What a server does for its students: it starts their trainings, and lives on. Killed, it takes none with it.
SERVER = """
import sys, time
from pathlib import Path
from workbench import runs
for folder in sys.argv[2:]:
    runs.start(runs.Run(folder), [sys.executable, sys.argv[1], folder])
print("started", flush=True)
time.sleep(600)
"""


def made(root: Path, student: int, number: int) -> Run:
    recipe = f"steps: 6\nsave: 3\ndelay: 0.01\nowner: student{student:02d}\n"
    return Run.create(root / f"student{student:02d}" / f"run{number}", recipe)


def server(folders: list[Path]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SERVER, str(TOY), *map(str, folders)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "started\n"
    return process


def began(run: Run) -> float:
    """When it had its turn: the time of its first step."""
    return next(event.time for event in run.events.all() if event.kind == "train")


def test_thirty_students_share_one_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_LINE", str(tmp_path / "line"))
    line = Line(tmp_path / "line")
    device = line.take("teacher", "holds the device", ["cpu"])
    assert device.begin()
    everyone = [made(tmp_path, student, number) for number in range(EACH) for student in range(STUDENTS)]
    half = len(everyone) // 2
    servers = [server([run.path for run in part]) for part in (everyone[:half], everyone[half:])]
    until(lambda: len(line.tickets()) == len(everyone) + 1, 300, 0.5)
    places = [ticket.owner for ticket in line.tickets()][1:]
    assert len(set(places[:STUDENTS])) == STUDENTS, "everybody's first comes before anybody's second"
    device.leave()
    until(lambda: any(run.state().status == "ended" for run in everyone), 120, 0.1)
    for process in servers:
        process.kill()
        process.communicate()
    states = [runs.wait(run, 600) for run in everyone]
    assert [state.status for state in states] == ["ended"] * len(everyone)
    assert not line.tickets()
    order = sorted(everyone, key=began)
    # how many trainings each student saw begin before their own, over all of theirs
    waited = [
        sum(place for place, run in enumerate(order) if run.path.parent.name == f"student{student:02d}")
        for student in range(STUDENTS)
    ]
    assert max(waited) <= 2 * statistics.fmean(waited)
    firsts = {run.path.parent.name for run in order[: STUDENTS + 2]}
    assert len(firsts) >= STUDENTS - 2
    times = [[event.time for event in run.events.all() if event.kind == "train"] for run in order]
    assert all(before[-1] <= after[0] for before, after in itertools.pairwise(times)), "one at a time"
