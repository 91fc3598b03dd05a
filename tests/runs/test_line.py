"""The one line for the device: who is next, what a kill leaves, what one account can do to another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.waiting import until
from workbench import runs
from workbench.errors import BadInput
from workbench.runs import line as module
from workbench.runs.common import put
from workbench.runs.line import Line
from workbench.runs.queueing import ASLEEP, Entry, Rules, forecast, in_order, is_next, usual

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
ANN, BOB = 61001, 61002


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the line of this test is kept."""
    monkeypatch.setenv("WORKBENCH_LINE", str(tmp_path / "line"))
    return tmp_path / "line"


@pytest.fixture
def line(folder: Path) -> Line:
    return Line(folder)


def entry(
    name: str, owner: str, asked: int, *, began: float | None = None, awake: bool = True, **more: object
) -> Entry:
    touched = time.time() - (0 if awake else 2 * ASLEEP)
    fields = {"run": "r", "devices": ("cpu",), "over": None, **more}
    return Entry(name=name, owner=(0, owner), asked=asked, touched=touched, began=began, **fields)  # type: ignore[arg-type]


def names(entries: list[Entry]) -> str:
    return "".join(entry.name for entry in entries)


def test_everybodys_first_comes_before_anybodys_second() -> None:
    asked = [
        entry("a", "ann", 1),
        entry("b", "ann", 2),
        entry("c", "ann", 3),
        entry("d", "bob", 4),
        entry("e", "cy", 5),
    ]
    assert names(in_order(asked)) == "adebc"


def test_what_trains_counts_as_its_owners_first() -> None:
    asked = [entry("a", "ann", 1, began=time.time()), entry("b", "ann", 2), entry("c", "bob", 3)]
    assert names(in_order(asked)) == "cb"


def test_a_process_that_is_stopped_is_passed_and_keeps_its_place_for_later() -> None:
    asked = [entry("a", "ann", 1, awake=False), entry("b", "bob", 2)]
    assert is_next("b", asked, {"cpu": 1})
    woken = [entry("a", "ann", 1), entry("b", "bob", 2)]
    assert is_next("a", woken, {"cpu": 1}) and not is_next("b", woken, {"cpu": 1})


def test_who_needs_two_devices_is_not_passed_for_ever_by_those_who_need_one() -> None:
    asked = [entry("a", "ann", 1, devices=("gpu-0", "gpu-1")), entry("b", "bob", 2, devices=("gpu-1",))]
    assert not is_next("a", asked, {"gpu-0": 0, "gpu-1": 1})
    assert not is_next("b", asked, {"gpu-0": 0, "gpu-1": 1})
    assert is_next("b", asked, {"gpu-0": 1, "gpu-1": 2})


def test_the_expected_time_follows_from_what_trains_and_from_what_trainings_took() -> None:
    begun = time.time() - 40
    asked = [entry("a", "ann", 1, began=begun, over=begun + 100), entry("b", "bob", 2), entry("c", "cy", 3)]
    assert usual([], asked) == 100 and usual([], asked[1:]) is None
    waits = forecast(asked, Rules(), 100)
    assert [round(waits[name]) for name in "abc"] == [60, 60, 160]
    assert [round(forecast(asked, Rules(at_once=2), 100)[name]) for name in "bc"] == [0, 60]
    assert forecast(asked[1:], Rules(), None) == {"b": 0, "c": float("inf")}


def test_the_second_begins_when_the_first_has_left(line: Line) -> None:
    first, second = line.take("ann", "one", ["cpu"]), line.take("bob", "two", ["cpu"])
    assert not second.begin() and first.begin() and not second.begin()
    assert [(t.run, t.place) for t in line.tickets("bob")] == [("one", 0), ("two", 1)]
    assert [t.mine for t in line.tickets("bob")] == [False, True]
    first.leave(finished=True)
    assert second.begin()
    assert [ticket.place for ticket in line.tickets()] == [0]
    second.leave()
    assert not line.tickets() and not list(line.folder.glob("ticket-*"))


def test_trainings_on_different_devices_do_not_wait_for_each_other(line: Line) -> None:
    turns = [line.take("ann", "one", ["gpu-0"]), line.take("bob", "two", ["gpu-1"])]
    assert turns[0].begin() and turns[1].begin()


def test_more_than_is_allowed_to_each_is_refused_by_name(line: Line) -> None:
    line.change(each=2)
    turns = [line.take("ann", f"run{n}", ["cpu"]) for n in range(2)]
    with pytest.raises(BadInput, match="run0, run1"):
        line.take("ann", "run2", ["cpu"])
    line.take("bob", "his", ["cpu"]).leave()
    turns[0].leave()
    line.take("ann", "run2", ["cpu"]).leave()


def taken(folder: Path, owner: str, begin: bool) -> subprocess.Popen[str]:
    """A process that holds a ticket, and the device too where ``begin``."""
    code = f"""
import sys, time
from pathlib import Path
from workbench.runs.line import Line
turn = Line(Path({str(folder)!r})).take({owner!r}, "killed", ["cpu"])
while {begin} and not turn.begin(): time.sleep(0.05)
print("ready", flush=True)
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("begin", [True, False])
def test_a_killed_process_blocks_nobody(line: Line, begin: bool) -> None:
    process = taken(line.folder, "ann", begin)
    mine = line.take("bob", "mine", ["cpu"])
    assert len(line.tickets()) == 2 and not mine.begin()
    process.kill()
    process.communicate()
    assert [ticket.run for ticket in line.tickets()] == ["mine"]
    assert mine.begin()
    line.take("cy", "next", ["cpu"])
    assert len(list(line.folder.glob("ticket-*.json"))) == 2, "what the dead one left is cleared away"


def test_damaged_tickets_are_passed_over(line: Line) -> None:
    for name, content in (("0" * 24, "{"), ("1" * 24, "[]"), ("2" * 24, '{"devices": 7}'), ("x", "{}")):
        (line.folder / f"ticket-{name}.json").write_text(content)
        (line.folder / f"ticket-{name}.lock").touch()
    turn = line.take("ann", "one", ["cpu"])
    assert turn.begin() and len(line.tickets()) == 1


def test_names_of_others_cannot_write_to_the_terminal(line: Line) -> None:
    turn = line.take("ann\x1b[2J", "one\nplace 0" + "x" * 500, ["cpu"])
    ticket = line.tickets()[0]
    assert "\x1b" not in ticket.owner and "\n" not in ticket.run and len(ticket.run) <= 60
    turn.leave()


def test_a_folder_where_anybody_may_remove_tickets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(BadInput, match="1777"):
        Line(tmp_path / "open")
    (tmp_path / "link").symlink_to(tmp_path / "open")
    with pytest.raises(BadInput, match="no folder"):
        Line(tmp_path / "link")


def test_slurm_and_the_word_off_leave_the_order_to_others(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert Line.standing() is not None
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert Line.standing() is not None, "a folder that somebody names is used everywhere"
    monkeypatch.delenv("WORKBENCH_LINE")
    assert Line.standing() is None
    monkeypatch.delenv("SLURM_JOB_ID")
    monkeypatch.setenv("WORKBENCH_LINE", "off")
    assert Line.standing() is None


def test_a_worker_waits_tells_its_place_and_trains_when_it_is_its_turn(toy, line: Line) -> None:  # type: ignore[no-untyped-def]
    mine = line.take("me", "first", ["cpu"])
    assert mine.begin()
    run = toy.start(toy.make(owner="ann"))
    until(lambda: run.state().status == "waiting" and run.state().key, 200)
    state = run.state()
    assert state.alive and state.values["place"] == 1 and state.step == 0
    assert runs.words(run, state, "en")[0].startswith("Waiting for the device: place 1 of 1")
    assert "第 1 位" in runs.words(run, state, "zh")[0]
    mine.leave()
    assert runs.wait(run, 60).status == "ended"
    states = [event.state for event in run.events.all() if event.kind == "status"]
    assert states == ["running", "waiting", "running", "ended"]
    assert not line.tickets()


def test_one_that_waits_can_be_stopped_and_killed(toy, line: Line) -> None:  # type: ignore[no-untyped-def]
    mine = line.take("me", "first", ["cpu"])
    assert mine.begin()
    asked, killed = toy.start(toy.make("asked", owner="ann")), toy.start(toy.make("killed", owner="bob"))
    for run in (asked, killed):
        until(lambda run=run: run.state().status == "waiting", 200)
    assert runs.stop(asked, 60).status == "stopped"
    os.kill(killed.state().pid, signal.SIGKILL)
    until(lambda: killed.state().status == "died")
    assert [ticket.run for ticket in line.tickets()] == ["first"]
    mine.leave()
    again = toy.start(killed)
    assert runs.wait(again, 60).status == "ended"


def as_account(number: int, work: Callable[[], bool]) -> bool:
    """Whether ``work`` is true for another account, in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(number)
            os.setuid(number)
            os._exit(0 if work() else 1)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that every account reaches."""
    folder = tmp_path_factory.mktemp("shared")
    for path in (folder, *folder.parents):
        if path.owner() == "root" and str(path).startswith(("/tmp/", "/var/tmp/")) and path.stat().st_mode & 0o5 != 0o5:
            path.chmod(path.stat().st_mode | 0o055)
    return folder / "line"


@pytest.mark.skipif(not ROOT, reason="only root can be two accounts")
class TestTwoAccounts:
    def test_both_stand_in_one_line_and_neither_can_push_the_other_out(self, shared: Path) -> None:
        line = Line(shared)
        hers = line.take("", "ann", ["cpu"])  # root, whose files are nobody else's either
        assert hers.begin()

        def bob() -> bool:
            standing = Line(shared)
            turn = standing.take("", "bob", ["cpu"])
            seen = [(ticket.run, ticket.place, ticket.mine) for ticket in standing.tickets()]
            assert seen == [("ann", 0, False), ("bob", 1, True)] and not turn.begin()
            for path in shared.glob("ticket-*"):
                if path.stat().st_uid != BOB:
                    with pytest.raises(PermissionError):
                        path.unlink()
                    with pytest.raises(PermissionError):
                        path.open("a")
            with pytest.raises(BadInput, match="root"):
                standing.change(at_once=9)
            turn.leave()
            return True

        assert as_account(BOB, bob)
        assert [ticket.run for ticket in line.tickets()] == ["ann"]

    def test_who_takes_many_names_is_still_one_owner(self, shared: Path) -> None:
        Line(shared).change(each=2)

        def bob() -> bool:
            standing = Line(shared)
            turns = [standing.take(f"name{n}", "bob", ["cpu"]) for n in range(2)]
            with pytest.raises(BadInput):
                standing.take("name3", "bob", ["cpu"])
            return bool(turns)

        assert as_account(BOB, bob)

    def test_a_ticket_on_anothers_lock_and_rules_of_anybody_are_not_believed(self, shared: Path) -> None:
        line = Line(shared)
        hers = line.take("", "ann", ["cpu"])

        def bob() -> bool:
            lock = next(shared.glob("ticket-*.lock"))
            forged = shared / f"ticket-{'f' * 24}.json"
            put(forged, {"run": "forged", "devices": ["cpu"], "began": 1.0})
            (shared / f"ticket-{'f' * 24}.lock").symlink_to(lock)
            put(shared / "rules.json", {"at_once": 99, "each": 99})
            return True

        assert as_account(BOB, bob)
        assert [ticket.run for ticket in line.tickets()] == ["ann"] and line.rules() == Rules()
        assert hers.begin()

    def test_the_slot_that_one_made_the_other_can_take(self, shared: Path) -> None:
        def turns() -> bool:
            turn = Line(shared).take("", "a", ["cpu"])
            assert turn.begin()
            turn.leave(finished=True)
            return True

        Line(shared)  # a folder is made by whoever may
        assert as_account(ANN, turns) and as_account(BOB, turns) and turns()
        assert shared.stat().st_mode & 0o1777 == 0o1777
        assert len(Line(shared)._past()) == 3


def test_the_usual_folder_is_the_administrators_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SHARED_PLACES", (str(tmp_path / "var"), str(tmp_path / "tmp")))
    assert module._usual_folder() == tmp_path / "tmp"
    (tmp_path / "var").mkdir()
    assert module._usual_folder() == tmp_path / "var"
