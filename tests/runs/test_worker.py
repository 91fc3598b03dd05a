from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.waiting import until
from workbench import runs
from workbench.errors import BadInput, Failed, Interrupted
from workbench.runs import checkpoint_writer, claim, stop_requested
from workbench.runs.process import Lock, Process, started

TOY = Path(__file__).parent / "toy_worker.py"
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


def facts(run):
    """All that must be the same however often a run was interrupted."""
    events = [event for event in run.events.all() if event.kind != "status"]
    return [(event.kind, event.step, getattr(event, "loss", None), getattr(event, "path", None)) for event in events]


# --- in this process ---


def test_a_claimed_run_runs_and_then_has_ended(run):
    with claim(run, total_steps=2) as worker:
        worker.beat(1)
        assert (run.state().status, run.state().pid, run.state().total_steps) == ("running", os.getpid(), 2)
        worker.beat(2)
    assert (run.state().status, run.state().step) == ("ended", 2)
    assert [event.state for event in run.events.all()] == ["running", "ended"]


def test_a_heartbeat_is_cheap_enough_for_every_step(run):
    with claim(run) as worker:
        worker.beat(1)
        before = (run.path / "state.json").stat().st_mtime_ns
        for step in range(2, 1000):
            worker.beat(step)
        writes = (run.path / "state.json").stat().st_mtime_ns != before
        assert not writes or time.time_ns() - before > 4e8


def test_a_second_claim_is_refused_and_names_pid_and_time(run):
    with claim(run), pytest.raises(BadInput, match=rf"pid {os.getpid()}, since \d{{4}}-\d\d-\d\d"), claim(run):
        pass
    assert run.state().status == "ended"


def test_a_refused_claim_changes_nothing(run):
    with claim(run):
        before = (run.path / "state.json").read_bytes(), run.events.path.read_bytes()
        with pytest.raises(BadInput), claim(run):
            pass
        assert ((run.path / "state.json").read_bytes(), run.events.path.read_bytes()) == before


def test_an_error_of_ours_is_told_with_its_remedy(run):
    with pytest.raises(Failed), claim(run):
        raise Failed("runs.no_space", path="disk", reason="full")
    state = run.state()
    assert (state.status, state.key) == ("failed", "runs.no_space")
    assert "disk" in state.message and "--resume" in state.remedy
    assert run.events.all()[-1].message == state.message


def test_an_unknown_error_becomes_a_sentence_and_its_traceback_goes_to_the_worker_log(run):
    with pytest.raises(Failed, match="ZeroDivisionError: by what") as caught, claim(run) as worker:
        worker.beat(1)
        raise ZeroDivisionError("by what")
    assert "Traceback" not in str(caught.value) and "--resume" in str(caught.value)
    assert "Traceback" in run.worker_log(100)
    assert run.state().status == "failed"


def test_ctrl_c_asks_to_stop_and_a_second_one_ends_at_once(run):
    with pytest.raises(Interrupted, match="--resume"), claim(run, total_steps=9) as worker:
        signal.raise_signal(signal.SIGINT)
        assert worker.stop_requested
        signal.raise_signal(signal.SIGINT)
    assert run.state().status == "stopped"


def test_sigterm_asks_to_stop_and_the_old_handler_comes_back(run):
    before = signal.getsignal(signal.SIGTERM)
    with claim(run, total_steps=9) as worker:
        worker.beat(3)
        signal.raise_signal(signal.SIGTERM)
        assert worker.stop_requested
        assert run.state().status == "stopping"
    assert signal.getsignal(signal.SIGTERM) is before
    assert (run.state().status, run.state().step) == ("stopped", 3)


def test_a_stop_asked_for_at_the_last_step_is_an_end(run):
    with claim(run, total_steps=2) as worker:
        (run.path / "stop").touch()
        worker.beat(2)
        assert worker.stop_requested
    assert run.state().status == "ended"


def test_an_old_wish_to_stop_does_not_stop_the_next_start(run):
    (run.path / "stop").touch()
    with claim(run) as worker:
        assert not stop_requested(run) and not worker.stop_requested


def test_beginning_anew_takes_back_all_events_but_the_status(run):
    with claim(run) as worker:
        worker.log("eval", step=0)
        worker.log("train", step=1)
    with claim(run) as worker:
        worker.log("eval", step=0)
    assert [(event.kind, event.step) for event in run.events.all() if event.kind != "status"] == [("eval", 0)]


def test_going_on_from_step_nought_keeps_its_events(run):
    with claim(run) as worker:
        worker.log("eval", step=0)
        worker.log("train", step=1)
    with claim(run, resume_from=0):
        pass
    assert facts(run) == [("eval", 0, None, None)]
    assert [event.state for event in run.events.all() if event.kind == "status"][2] == "resumed"


def test_a_resume_says_what_a_kill_left_unsaid(run):
    with claim(run), checkpoint_writer(run, 3, score=1.0):
        pass
    run.events.rewind(2)
    (run.path / "best.json").unlink()
    with claim(run, resume_from=3):
        assert facts(run) == [("checkpoint", 3, None, "checkpoints/step-000003")]
        assert run.best().step == 3


# --- other processes ---


@linux
def test_a_process_that_is_gone_or_another_of_the_same_number_has_died(run):
    record = {**Process.current().record(), "status": "running", "step": 4, "updated": time.time()}
    (run.path / "state.json").write_text(json.dumps(record))
    assert run.state().status == "running"
    (run.path / "state.json").write_text(json.dumps({**record, "process_start": "other:1"}))
    assert (run.state().status, run.state().step) == ("died", 4)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (run.path / "state.json").write_text(json.dumps({**record, "pid": gone.pid}))
    assert run.state().status == "died"


def test_a_copy_of_a_live_runs_folder_is_not_the_live_run(toy, tmp_path):
    run = toy.start(toy.make(steps=1000))
    until(lambda: run.state().status == "running" and run.latest())
    pid = run.state().pid
    passing = shutil.ignore_patterns(".*.tmp", "tmp-*")
    copy = runs.Run(shutil.copytree(run.path, tmp_path / "copy", ignore=passing))
    assert (copy.state().status, run.state().status) == ("died", "running")
    assert runs.stop(copy, 0.1, kill=True).status == "died"
    assert started(pid) and run.state().status == "running"
    assert runs.stop(toy.start(copy), 20).status == "stopped", copy.worker_log()
    assert copy.state().pid != pid == run.state().pid


def test_a_live_runs_folder_may_be_moved(toy, tmp_path):
    run = toy.start(toy.make(steps=1000))
    until(lambda: run.state().status == "running")
    moved = runs.Run(run.path.rename(tmp_path / "moved"))
    assert moved.state().status == "running" and moved.state().pid
    runs.stop(moved, 0, kill=True)


@linux
def test_a_zombie_is_not_alive():
    child = subprocess.Popen([sys.executable, "-c", ""])
    until(lambda: started(child.pid) is None)
    child.wait()


def test_a_worker_on_another_machine_is_known_by_its_sign_of_life(run):
    record = {"pid": 1, "host": "not-" + socket.gethostname(), "status": "running", "updated": time.time()}
    (run.path / "state.json").write_text(json.dumps(record))
    assert run.state().status == "running"
    with pytest.raises(BadInput, match="already works"), claim(run):
        pass
    (run.path / "state.json").write_text(json.dumps({**record, "updated": time.time() - 3600}))
    assert run.state().status == "died"


def test_a_started_worker_works_by_itself_to_the_end(toy):
    run = toy.start(toy.make(delay=0))
    assert run.state().alive
    assert runs.wait(run, 20).status == "ended"
    assert [checkpoint.step for checkpoint in run.checkpoints()][-1] == 20
    assert "Traceback" not in run.worker_log()


@linux
def test_a_worker_has_its_own_session_and_no_open_files_of_ours(toy, tmp_path):
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        run = toy.start(toy.make(steps=1000))
        until(lambda: run.state().status == "running")
        pid = run.state().pid
        assert os.getsid(pid) == pid != os.getsid(0)
        links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    assert not any("secret" in link for link in links)
    assert links.count("/dev/null") == 1


def test_a_second_start_is_refused_while_the_first_lives(toy):
    run = toy.start(toy.make(steps=1000))
    for _ in range(2):
        with pytest.raises(BadInput, match="already works"):
            toy.start(run)
        until(lambda: run.state().status == "running")
    assert str(run.state().pid) in str(runs.busy(run))


def test_a_worker_that_dies_before_its_first_word_has_died_and_can_be_started_again(toy):
    run = toy.make(delay=0)
    runs.start(run, [sys.executable, "-c", "print('no such module'); raise SystemExit(1)"])
    assert runs.wait(run, 20).status == "died"
    assert "no such module" in run.worker_log()
    assert runs.wait(toy.start(run), 20).status == "ended"


def test_a_command_that_does_not_exist_leaves_the_run_as_it_was(toy):
    run = toy.make()
    with pytest.raises(Failed, match="refused"):
        runs.start(run, ["/no/such/program"])
    assert run.state().status == "new"


def test_stop_saves_and_the_run_goes_on_later_as_if_never_stopped(toy):
    whole = toy.start(toy.make("whole", steps=62, delay=0, save=1000))
    run = toy.start(toy.make("parted", steps=62, delay=0.05, save=1000))
    until(lambda: len(run.events.all()) >= 8)
    state = runs.stop(run, 20)
    assert state.status == "stopped" and 5 <= state.step < 62
    assert run.latest().step == state.step
    assert runs.wait(toy.start(run), 20).status == "ended"
    assert runs.wait(whole, 20).status == "ended"
    extra = [fact for fact in facts(run) if fact not in facts(whole)]
    assert [kind for kind, *_ in extra] == ["checkpoint"]  # the one that the stop saved
    assert [fact for fact in facts(run) if fact not in extra] == facts(whole)


def test_a_stop_while_the_worker_is_still_starting_is_heard(toy):
    run = toy.start(toy.make(steps=1000))
    assert runs.stop(run, 20).status == "stopped"
    assert run.state().step < 1000


def test_stopping_what_does_not_run_does_nothing(run):
    assert runs.stop(run, 1).status == "new"
    assert not stop_requested(run)


def test_a_worker_that_does_not_hear_is_ended_by_force(toy):
    run = toy.make(steps=1000)
    toy.started.append(run)
    deaf = "import sys, time; from workbench.runs import Run, claim\nwith claim(Run(sys.argv[1])): time.sleep(60)"
    runs.start(run, [sys.executable, "-c", deaf, str(run.path)])
    until(lambda: run.state().status == "running")
    pid = run.state().pid
    assert runs.stop(run, 0.1).status == "stopping"
    assert runs.stop(run, 0.1, kill=True).status == "stopped"
    assert started(pid) is None
    assert run.events.all()[-1].state == "stopped"


@linux
def test_the_lock_is_free_at_once_after_a_kill_although_a_child_lives(toy):
    run = toy.start(toy.make(steps=1000, at_3="fork"))
    until(lambda: (run.path / "child").exists() and (run.path / "child").read_text())
    child = int((run.path / "child").read_text())
    os.kill(run.state().pid, signal.SIGKILL)
    try:
        until(lambda: run.state().status == "died")
        lock = Lock(run.path / "lock")
        assert started(child) and lock.acquire()
        lock.release()
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize(("deed", "word"), [("crash", "ZeroDivisionError"), ("full", "No space left")])
def test_a_worker_that_fails_says_why_and_keeps_its_checkpoints(toy, deed, word):
    run = toy.start(toy.make(at_12=deed, steps=400, delay=0))
    state = runs.wait(run, 20)
    assert state.status == "failed" and word in state.message and "--resume" in state.remedy
    assert run.checkpoints()[-1].step >= 10
    assert all((checkpoint.path / "weights").read_text() for checkpoint in run.checkpoints())


@pytest.mark.parametrize("wanted", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_at_random_moments_change_nothing_but_times_and_status(toy, wanted):
    whole = toy.start(toy.make("whole", steps=120, delay=0, save=4))
    run = toy.make("killed", steps=120, delay=0.004, save=4)
    dice, kills = random.Random(0), 0
    while kills < wanted:
        toy.start(run)
        if dice.random() < 0.8:  # else it is killed before its first word
            until(lambda: run.state().status == "running" or not run.state().alive)
        time.sleep(dice.uniform(0, 0.05))
        state = run.state()
        if not state.alive:
            break
        os.kill(state.pid, signal.SIGKILL)
        until(lambda: not run.state().alive)
        kills += run.state().status == "died"
        assert all((checkpoint.path / "weights").exists() for checkpoint in run.checkpoints())
    assert kills >= wanted / 2
    if run.state().status != "ended":
        assert runs.wait(toy.start(run), 30).status == "ended"
    assert runs.wait(whole, 30).status == "ended"
    assert facts(run) == facts(whole)
    assert (run.best().step, run.best().score) == (whole.best().step, whole.best().score)
    assert [c.step for c in run.checkpoints()] == [c.step for c in whole.checkpoints()]
    assert (run.latest().path / "weights").read_text() == (whole.latest().path / "weights").read_text()
    numbers = [event.seq for event in run.events.all()]
    assert numbers == sorted(set(numbers))
    assert not list((run.path / "checkpoints").glob("tmp-*"))


ON_A_SMALL_DISK = """
import subprocess, sys
from workbench import runs
disk, toy = sys.argv[1:]
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", disk]).returncode:
    sys.exit(77)
run = runs.Run.create(disk + "/run", "steps: 4000\\nsave: 50\\n")
state = runs.wait(runs.start(run, [sys.executable, toy, str(run.path)]), 60)
assert state.status == "failed" and "No space left" in state.message and "--resume" in state.remedy, state
assert run.events.all()[-1].message == state.message
assert all((checkpoint.path / "weights").read_text() for checkpoint in run.checkpoints())
assert run.latest() and run.best()
"""


@linux
def test_a_disk_that_is_full_to_the_last_byte_still_hears_why_the_run_ended(tmp_path):
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare, to mount a small disk")
    command = ["unshare", "-rm", sys.executable, "-c", ON_A_SMALL_DISK, str(tmp_path), str(TOY)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("may not mount a disk here")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "state",
    [
        '{"status": "running", "pid": Infinity, "step": Infinity, "since": 1e400, "updated": NaN}',
        '{"status": "ended", "pid": 1e300, "step": 1e300, "since": 1e300, "updated": -1}',
        '{"status": ["running"], "pid": true, "step": "two", "host": 7, "values": []}',
        '{"step": 1' + "0" * 400 + "}",
        "[" * 100_000,
    ],
)
def test_a_damaged_state_is_told_and_not_stumbled_over(run, state):
    (run.path / "state.json").write_text(state)
    (run.path / "starting.json").write_text(state)
    for _ in range(2):
        assert runs.summary(run)["state"] in ("new", "starting", "died", "ended")
        with contextlib.suppress(BadInput):
            assert runs.stop(run, 0, kill=True).status != "stopped"
        (run.path / "starting.json").unlink(missing_ok=True)


@linux
@pytest.mark.parametrize("start", ["", "right", "other:1"])
@pytest.mark.parametrize("announced", [False, True])
def test_a_process_that_does_not_work_on_the_run_is_left_alone(run, start, announced, monkeypatch):
    monkeypatch.setattr("workbench.runs.front.LEAVING", 0.2)
    victim = subprocess.Popen(["sleep", "60"], cwd="/", start_new_session=True)
    try:
        until(lambda: started(victim.pid) is not None)
        record = {**Process.of(victim.pid).record(), "status": "running", "updated": time.time(), "time": time.time()}
        record |= {} if start == "right" else {"process_start": start}
        (run.path / ("starting.json" if announced else "state.json")).write_text(json.dumps(record))
        (run.path / "lock").touch()
        lock = Lock(run.path / "lock")
        assert lock.acquire()  # somebody may hold it; it is not the victim
        try:
            with contextlib.suppress(BadInput):
                runs.stop(run, 0, kill=True)
        finally:
            lock.release()
        with contextlib.suppress(BadInput):
            runs.stop(run, 0, kill=True)
        assert victim.poll() is None and started(victim.pid)
    finally:
        victim.kill()
        victim.wait()


def test_a_run_never_ends_the_process_that_asks(run):
    record = {**Process.current().record(), "status": "running", "updated": time.time()}
    (run.path / "state.json").write_text(json.dumps(record))
    with pytest.raises(BadInput, match="left alone"):
        runs.stop(run, 0, kill=True)
