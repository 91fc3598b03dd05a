from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.zygote import real_workers
from workbench.cli import run as command
from workbench.runs import Run, checkpoint_writer, claim, front
from workbench.runs.process import started


@pytest.fixture(autouse=True)
def _speaks_english_here(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def done(tmp_path):
    """A run that ended after two steps."""
    run = Run.create(tmp_path / "runs" / "sprout", "a: 1\n")
    with claim(run, total_steps=2) as worker:
        for step in (1, 2):
            worker.beat(step)
            worker.log("train", step=step, loss=2.0 / step)
            worker.log("eval", step=step, loss=1.5, identity=0.5 * step, leak=0.0)
            worker.log("verdict", step=step, verdict="good", reason="it knows [its] name")
            with checkpoint_writer(run, step, score=float(step), why="identity"):
                pass
    return run


def left_by(run, status):
    """As a worker leaves it that was killed."""
    record = json.loads((run.path / "state.json").read_text())
    (run.path / "state.json").write_text(json.dumps({**record, "status": status, "process_start": "other", "step": 1}))


def test_show_as_json_tells_state_step_best_and_how_to_go_on(done, capsys):
    assert command(["runs", "show", "sprout", "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert (known["state"], known["step"], known["total_steps"]) == ("ended", 2, 2)
    assert known["best"] == {
        "step": 2,
        "path": str(done.path / "checkpoints" / "step-000002"),
        "score": 2.0,
        "reason": "identity",
    }
    assert [c["step"] for c in known["checkpoints"]] == [1, 2]
    assert (known["train"]["loss"], known["eval"]["identity"], known["verdict"]["verdict"]) == (1.0, 1.0, "good")
    assert known["next"] == "workbench convert runs/sprout adapters/sprout"


def test_show_says_the_same_in_words(done, capsys):
    assert command(["runs", "show", str(done.path)]) == 0
    out = capsys.readouterr().out
    for word in ("ended", "2/2", "1.000 (step 2)", "identity 100%", "it knows [its] name", "workbench convert"):
        assert word in out


def test_show_speaks_chinese(done, capsys, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LANG", "zh")
    assert command(["runs", "show", "sprout"]) == 0
    assert "训练到第 2 步，结束。" in capsys.readouterr().out


def test_a_killed_run_is_shown_with_the_command_to_go_on(done, capsys):
    left_by(done, "running")
    assert command(["runs", "show", "sprout", "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert (known["state"], known["step"]) == ("died", 2)  # the log knows more steps than the last heartbeat
    assert known["next"] == "workbench train runs/sprout/recipe.yaml --out runs/sprout --resume"
    assert known["next"] in known["remedy"] and "worker.log" in known["remedy"]


def test_list_tells_every_run_and_only_runs(done, capsys):
    (done.path.parent / "notes").mkdir()
    Run.create(done.path.parent / "新的", "a: 1\n")
    assert command(["runs", "list", "--json"]) == 0
    assert {each["name"]: each["state"] for each in json.loads(capsys.readouterr().out)} == {
        "sprout": "ended",
        "新的": "new",
    }
    assert command(["runs", "list", "runs"]) == 0
    out = capsys.readouterr().out
    assert "sprout" in out and "not started" in out


def test_a_list_of_nothing_says_how_to_begin(capsys):
    assert command(["runs", "list"]) == 0
    assert "workbench quickstart" in capsys.readouterr().out
    assert command(["runs", "list", "nowhere"]) == 2


@pytest.mark.parametrize("verb", ["show", "watch", "stop"])
def test_an_unknown_run_names_the_nearest_and_exits_with_2(done, capsys, verb):
    assert command(["runs", verb, "sprot"]) == 2
    assert "Nearest: sprout" in capsys.readouterr().err


def test_watching_a_run_that_ended_shows_all_of_it(done, capsys):
    assert command(["runs", "watch", "sprout"]) == 0
    out = capsys.readouterr().out
    assert "identity" in out and "ended, step 2" in out


def test_watching_as_json_gives_the_events(done, capsys):
    assert command(["runs", "watch", "sprout", "--json"]) == 0
    kinds = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert kinds == [event.kind for event in done.events.all()]


def test_a_replay_gives_the_recorded_events_in_order(done, capsys):
    left_by(done, "running")
    assert command(["runs", "watch", "sprout", "--replay", "--speed", "1000", "--json"]) == 0
    numbers = [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 5
    assert command(["runs", "watch", "sprout", "--replay", "--speed", "0"]) == 2


def test_a_replay_tells_each_look_with_its_numbers_and_ends_with_the_best(done, capsys):
    assert command(["runs", "watch", "sprout", "--replay", "--speed", "1000"]) == 0
    out = capsys.readouterr().out
    assert "step    1  held-out loss 1.500  identity  50%  leak  0%  good" in out
    assert "step    2  held-out loss 1.500  identity 100%  leak  0%  good" in out
    assert "ended, step 2" in out and "best checkpoint: step 2: identity" in out and "workbench convert" in out
    left_by(done, "running")  # a recording of one that died is no failure of the replay
    assert command(["runs", "watch", "sprout", "--replay", "--speed", "1000"]) == 0


def test_watching_a_run_that_failed_is_a_failure_with_its_words(done, capsys):
    left_by(done, "running")
    assert command(["runs", "watch", "sprout"]) == 1
    err = capsys.readouterr().err
    assert "gone without a word" in err and "--resume" in err and "Traceback" not in err


def test_stopping_what_has_ended_says_so(done, capsys):
    assert command(["runs", "stop", "sprout"]) == 0
    assert "Nothing to stop" in capsys.readouterr().out


SLOW = """
import sys, time
from workbench.runs import Run, claim
with claim(Run(sys.argv[1]), total_steps=10_000) as worker:
    for step in range(1, 10_000):
        worker.beat(step)
        worker.log("train", step=step, loss=1.0)
        time.sleep(0.01)
        if worker.stop_requested and len(sys.argv) == 2:
            break
"""


@pytest.fixture
def slow(tmp_path):
    from workbench import runs

    run = Run.create(tmp_path / "runs" / "slow", "a: 1\n")
    yield run
    runs.stop(run, 0, kill=True)


def begin(run, *more):
    from workbench import runs

    runs.start(run, [sys.executable, "-c", SLOW, str(run.path), *more])
    end = time.monotonic() + 20
    while not run.events.all():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_ctrl_c_leaves_the_watching_and_not_the_training(slow):
    begin(slow)
    watcher = subprocess.Popen(
        [sys.executable, "-c", "from workbench.cli import main; main()", "runs", "watch", "slow", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background jobs ignore Ctrl-C, and so would this
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    assert json.loads(watcher.stdout.readline())["kind"] == "status"
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=20)
    assert watcher.returncode == 0
    assert "the training goes on" in err and "workbench runs watch runs/slow" in err
    assert slow.state().status == "running"


def test_stop_waits_for_the_end_when_asked_to(slow, capsys):
    begin(slow)
    assert command(["runs", "stop", "slow", "--timeout", "20"]) == 0
    assert "slow: stopped" in capsys.readouterr().out


def test_stop_fails_in_time_and_kill_ends_it(slow, capsys):
    begin(slow, "deaf")
    assert command(["runs", "stop", "slow"]) == 0
    assert "Asked" in capsys.readouterr().out
    assert command(["runs", "stop", "slow", "--timeout", "0.1"]) == 1
    assert "--kill" in capsys.readouterr().err
    pid = slow.state().pid
    assert command(["runs", "stop", "slow", "--timeout", "0.1", "--kill"]) == 0
    assert "slow: stopped" in capsys.readouterr().out
    assert slow.state().pid == pid and started(pid) is None


def test_the_texts_of_both_languages_have_the_same_keys_and_values():
    from string import Formatter

    from workbench.texts import lookup

    def shape(node):
        if isinstance(node, dict):
            return {key: shape(value) for key, value in node.items()}
        return sorted({name for _, name, _, _ in Formatter().parse(node) if name})

    for key in ("cli", "status", "state", "busy", "died", "unknown", "crashed", "still_running"):
        assert shape(lookup(f"runs.{key}", "en")) == shape(lookup(f"runs.{key}", "zh"))


@pytest.mark.parametrize("wrong", [["no-such-recipe"], ["pocket-qlora"], ["pocket-qlora", "--set", "persona.nme=x"]])
def test_the_worker_that_waits_for_a_recipe_that_is_refused_is_ended(wrong, tmp_path, monkeypatch, capsys):
    popen, begun = front._popen, []
    waits = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    monkeypatch.setattr(front, "_popen", lambda _, *more: begun.append(popen(waits, *more)) or begun[-1])
    with real_workers():
        assert command(["train", *wrong, "--out", "run"]) == 2
    assert capsys.readouterr().err.count("workbench:") == 1
    assert len(begun) == 1 and begun[0].wait(20) != 0
    assert list(tmp_path.iterdir()) == []


def test_runs_beside_each_other_as_words_json_and_a_page(done, tmp_path, capsys):
    assert command(["runs", "note", "sprout", "rate too high", "--star", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "sprout", "note": "rate too high", "star": True}
    (done.path / "recipe.yaml").write_text("persona: {name: Sprout}\n")
    assert command(["runs", "compare", "sprout", "--out", "g.html"]) == 0
    out = capsys.readouterr().out
    assert "★ sprout" in out and "1: rate too high" in out and "2/2" in out
    assert "rate too high" not in (tmp_path / "g.html").read_text(encoding="utf-8")
    assert command(["runs", "compare", "sprout", "--out", "g.html"]) == 2
    assert command(["runs", "compare", "g.html", "--json"]) == 0
    capsys.readouterr()
    assert command(["runs", "compare", "--out", "g.html", "--overwrite", "--notes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["note"] == "rate too high"
    assert "rate too high" in (tmp_path / "g.html").read_text(encoding="utf-8")


def test_a_note_is_read_taken_away_and_of_an_unknown_run_refused(done, capsys):
    assert command(["runs", "note", "sprout"]) == 0
    assert "Nothing is noted" in capsys.readouterr().out
    assert command(["runs", "note", "sprout", "x"]) == command(["runs", "note", "sprout", ""]) == 0
    assert "Nothing is noted" in capsys.readouterr().out.splitlines()[-1]
    assert command(["runs", "note", "sprot", "x"]) == command(["runs", "compare", "sprot"]) == 2
