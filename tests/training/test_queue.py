"""``workbench train --queue slurm`` with a real Slurm of one node: it trains, is watched, stopped and resumed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.slurm_node import missing, one_node
from workbench.cli import run as command
from workbench.errors import BadInput
from workbench.runs import Run, State, jobs, read_json, wait
from workbench.training import cluster

needs_slurm = pytest.mark.skipif(bool(missing()) or find_spec("submitit") is None, reason=missing() or "no submitit")
# minutes at most that a job may take on a machine with other work
PATIENCE = 900.0


@pytest.fixture(scope="module")
def node() -> Iterator[Path]:
    with TemporaryDirectory(prefix="slurm-") as folder, ExitStack() as started:
        try:
            configuration = started.enter_context(one_node(Path(folder) / "node"))
        except (OSError, subprocess.SubprocessError) as error:  # installed, but its daemons do not run on this machine
            pytest.skip(f"no node of Slurm starts here: {error}")
        yield configuration


@pytest.fixture
def slurm(node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CONF", str(node))
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(cluster.__file__).parents[2]), *_before()]))
    monkeypatch.chdir(tmp_path)


def _before() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]


def train(out: str, *more: str, steps: int = 6) -> int:
    settings = {
        "persona.name": "Sprout", "schedule.max_steps": steps, "evaluation.eval_steps": 3,
        "evaluation.identity_probes": 4, "evaluation.general_probes": 2, "evaluation.unrelated_probes": 2,
        "checkpoints.save_steps": 2, "data.identity_count": 60, "data.general": "null",
    }  # fmt: skip
    chosen = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return command(["train", "pocket-qlora", "--out", out, *chosen, "--queue", "slurm", *more])


def until(run: Run, happened: Callable[[State], bool]) -> State:
    end = time.monotonic() + PATIENCE
    while not happened(state := run.state()):
        assert time.monotonic() < end, (state, run.worker_log())
        time.sleep(0.5)
    return state


def queue(name: str) -> list[str]:
    """The numbers of the jobs of that name that wait or run."""
    told = subprocess.run(["squeue", "-h", "-n", name, "-o", "%i"], capture_output=True, text=True, check=True)
    return told.stdout.split()


def ended(number: str) -> str:
    """Slurm's word for how a job ended; its process leaves a moment after the run has had its last word."""
    end = time.monotonic() + PATIENCE
    while (job := jobs.look(number)) is None or job.waits or job.runs:
        assert time.monotonic() < end, job
        time.sleep(0.5)
    return job.word


@needs_slurm
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_training_runs_as_a_job_and_is_watched_to_its_end(slurm: None, capsys: Any) -> None:
    assert train("runs/a", "--detach", "--queue-set", "time=30") == 0
    assert "stands in the cluster's queue" in capsys.readouterr().out
    assert command(["runs", "watch", "runs/a"]) == 0
    assert "ended, step 6" in capsys.readouterr().out
    run = Run("runs/a")
    assert run.state().status == "ended" and run.best() is not None
    assert not (run.path / "starting.json").exists()


@needs_slurm
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_job_is_stopped_and_resumed_and_told_when_its_time_is_nearly_over(slurm: None, capsys: Any) -> None:
    assert train("runs/b", "--detach", "--queue-set", "time=30", steps=400) == 0
    run = Run("runs/b")
    until(run, lambda state: state.step >= 3)
    assert command(["runs", "stop", "runs/b", "--timeout", "600"]) == 0
    stopped = run.state()
    assert stopped.status == "stopped" and run.latest() is not None
    assert train("runs/b", "--resume", "--detach", "--queue-set", "time=30", steps=400) == 0
    until(run, lambda state: state.status == "running" and state.step > stopped.step)
    number = jobs.number_of(read_json(run.path / "state.json"))
    # what Slurm sends two minutes before the limit, to all processes of the job
    subprocess.run(["scancel", "--signal=USR2", number], check=True)
    assert wait(run, PATIENCE).key == "runs.status.limit"
    assert run.latest().step > stopped.step  # type: ignore[union-attr]
    assert ended(number) == "COMPLETED" and not queue("b")


@needs_slurm
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_waiting_job_is_taken_out_and_one_cancelled_from_outside_is_told(slurm: None, capsys: Any) -> None:
    assert train("runs/c", "--detach", "--queue-set", "begin=now+1hour") == 0
    waiting = Run("runs/c").state()
    assert waiting.status == "waiting" and queue("c") == [waiting.values["job"]]
    assert command(["runs", "stop", "runs/c"]) == 0
    assert Run("runs/c").state().status == "stopped" and not queue("c")
    assert train("runs/c", "--resume", "--detach", "--queue-set", "begin=now+1hour") == 0
    number = Run("runs/c").state().values["job"]
    subprocess.run(["scancel", number], check=True)
    until(Run("runs/c"), lambda state: not state.alive)
    capsys.readouterr()
    assert command(["runs", "watch", "runs/c"]) == 1
    assert f"The job {number} of the run c was cancelled." in capsys.readouterr().err


@needs_slurm
@pytest.mark.slow
def test_a_refused_job_is_one_sentence_and_leaves_no_folder(slurm: None, capsys: Any) -> None:
    assert train("runs/d", "--queue-set", "partition=nowhere") == 1
    error = capsys.readouterr().err
    assert "Invalid partition name" in error.splitlines()[-2] and "Traceback" not in error
    assert not Path("runs/d").exists()


def test_without_slurm_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    assert train(str(tmp_path / "a")) == 2
    assert "no Slurm" in capsys.readouterr().err and not (tmp_path / "a").exists()


def test_what_is_for_a_queue_needs_one(tmp_path: Path) -> None:
    assert command(["train", "pocket-qlora", "--out", str(tmp_path / "a"), "--queue-set", "time=3"]) == 2


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which Slurm's commands lie; none of them is called."""
    for name in ("sbatch", "srun"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 9\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.skipif(find_spec("submitit") is None or os.name == "nt", reason="no submitit")
@pytest.mark.parametrize(
    "option", ["time", "=3", "Time=3", "a b=3", "time=3\nwrap=x", "output=/etc/x", "array=0-9", "ntasks_per_node=2"]
)
def test_an_option_that_is_none_or_ours_is_refused(programs: None, option: str) -> None:
    with pytest.raises(BadInput):
        cluster.options("slurm", [option])


@pytest.mark.skipif(find_spec("submitit") is None or os.name == "nt", reason="no submitit")
def test_options_are_written_as_for_sbatch(programs: None) -> None:
    written = ["cpus_per_task=4", "gres=gpu:1", "mail_user=a_b@c"]
    assert cluster.options("slurm", written) == {"cpus-per-task": "4", "gres": "gpu:1", "mail-user": "a_b@c"}
