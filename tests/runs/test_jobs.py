"""A run that a cluster's job trains: where it stands, by what Slurm's own commands answer."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import BadInput, Failed
from workbench.runs import Run, front, jobs
from workbench.runs.process import Process
from workbench.runs.state import mark
from workbench.runs.summary import words

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Slurm's commands are scripts here")

# as Slurm 22.05 answers
ANSWER = "JobId=7 JobName=a UserId=root(0) Nice=0 JobState={word} Reason={reason} Dependency=(null) Requeue=1"


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``answers(word, reason)``: what Slurm says of job 7 from now on; without a word it has forgotten it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")

    def answer(word: str = "", reason: str = "None", scancel: int = 0) -> None:
        known = f'echo "{ANSWER.format(word=word, reason=reason)}"'
        forgotten = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
        for name, body in (("scontrol", known if word else forgotten), ("scancel", f"echo no >&2; exit {scancel}")):
            (programs / name).write_text(f"#!/bin/sh\n{body}\n")
            (programs / name).chmod(0o755)
        jobs._answers.clear()

    return answer


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that was sent off as job 7."""
    made = Run.create(tmp_path / "runs" / "sprout", "a: 1\n")
    return front.enqueue(made, lambda: "7")


def test_a_job_that_waits_is_a_run_that_waits_and_says_why(run: Run, answers: Any) -> None:
    answers("PENDING", "Nodes_required_for_job_are_DOWN")
    state = run.state()
    assert (state.status, state.alive) == ("waiting", True)
    assert words(run, state, "en")[0] == "Waiting in the cluster's queue as job 7 (Nodes required for job are DOWN)."
    assert "作业号 7" in words(run, state, "zh")[0]
    with pytest.raises(BadInput):
        front.enqueue(run, lambda: "8")


def test_a_job_that_has_begun_is_a_run_that_starts(run: Run, answers: Any) -> None:
    answers("RUNNING")
    assert run.state().status == "starting"


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("CANCELLED", "was cancelled"),
        ("TIMEOUT", "time limit"),
        ("NODE_FAIL", "fell out"),
        ("OUT_OF_MEMORY", "more memory"),
        ("FAILED", "ended with an error"),
        ("", "no more of it"),
        ("A_NEWER_WORD", "no more of it"),
    ],
)
def test_a_job_that_is_over_is_a_run_that_died_and_each_end_has_a_sentence(
    run: Run, answers: Any, word: str, says: str
) -> None:
    answers(word)
    state = run.state()
    say, do = words(run, state, "en")
    assert state.status == "died" and says in say and "job 7" in say
    assert "--resume --queue slurm" in do and words(run, state, "zh")[0] != say


def test_where_slurm_does_not_answer_nothing_is_made_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    jobs._answers.clear()
    assert run.state().status == "waiting"


def test_stopping_what_waits_takes_it_out_of_the_queue(run: Run, answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers("PENDING")
    monkeypatch.setattr(jobs, "cancel", lambda number: answers("CANCELLED"))
    assert front.stop(run).status == "stopped"
    assert not (run.path / "starting.json").exists()
    assert [event.state for event in run.events.all()] == ["stopped"]  # type: ignore[attr-defined]


def test_what_slurm_does_not_let_us_end_is_said(run: Run, answers: Any) -> None:
    answers("PENDING", scancel=1)
    with pytest.raises(Failed, match="scancel 7"):
        front.stop(run)


def test_a_worker_on_another_machine_lives_as_long_as_its_job(run: Run, answers: Any) -> None:
    (run.path / "starting.json").unlink()
    worker = {**Process.current().record(), **mark(run.path), "host": "node-7", "job": "7", "status": "running"}
    (run.path / "state.json").write_text(json.dumps({**worker, "step": 3, "updated": time.time() - 86_400}))
    answers("RUNNING")
    assert run.state().status == "running"
    answers("NODE_FAIL")
    assert (run.state().status, run.state().key) == ("died", "runs.job.node")
    answers("PENDING", "BeginTime")  # sent to the next machine
    assert (run.state().status, run.state().step) == ("waiting", 3)


@pytest.mark.parametrize("number", ["7; rm", "-1", "", None, "9" * 19, 7.5, ["7"]])
def test_only_a_number_is_the_number_of_a_job(number: Any) -> None:
    assert not jobs.number_of({"job": number})


def test_only_a_job_that_was_sent_off_for_a_run_is_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")  # a notebook's own job must not be ended with a training
    assert jobs.here() == {}
    monkeypatch.setenv(jobs.MINE, "7")
    assert jobs.here() == {"job": "7"}
