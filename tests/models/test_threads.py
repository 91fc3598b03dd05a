"""How many threads compute beside others: what the counters say, affinity, quota; what a run tells of a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.models import threads as module
from workbench.models.threads import Threads, quota, threads_for, usable_cores
from workbench.runs import Run
from workbench.training.sharing import KEY, Sharing


@pytest.mark.parametrize(
    ("cores", "others", "most", "number"),
    [
        (2, 0.0, 2, 2),  # quiet
        (2, 0.2, 2, 2),  # a page that is drawn now and then
        (2, 1.0, 2, 1),  # one busy neighbour
        (2, 2.0, 2, 1),  # two of them, before this process has begun
        (2, 1.33, 2, 1),  # and while it has its third of them all
        (16, 4.0, 16, 12),
        (16, 0.0, 8, 8),  # no more than the library has use for
        (0.5, 0.0, 2, 1),  # half a core of a container
        (1.5, 0.0, 16, 1),
    ],
)
def test_as_many_threads_as_others_leave_free(cores: float, others: float, most: int, number: int) -> None:
    assert threads_for(cores, others, most) == number


def test_a_containers_quota_counts_and_the_narrowest_of_several(tmp_path: Path) -> None:
    group, root = tmp_path / "cgroup", tmp_path / "fs"
    (root / "class" / "student").mkdir(parents=True)
    group.write_text("0::/class/student\n")
    assert quota(root, group) is None
    (root / "class" / "student" / "cpu.max").write_text("max 100000\n")
    assert quota(root, group) is None
    (root / "class" / "cpu.max").write_text("150000 100000\n")
    assert quota(root, group) == 1.5
    (root / "cpu.max").write_text("50000 100000\n")
    assert quota(root, group) == 0.5


def test_the_older_groups_quota_counts_too(tmp_path: Path) -> None:
    group, root = tmp_path / "cgroup", tmp_path / "fs"
    (root / "cpu" / "docker").mkdir(parents=True)
    group.write_text("5:memory:/docker\n4:cpu,cpuacct:/docker\n")
    (root / "cpu" / "docker" / "cpu.cfs_quota_us").write_text("200000\n")
    (root / "cpu" / "docker" / "cpu.cfs_period_us").write_text("100000\n")
    assert quota(root, group) == 2.0
    (root / "cpu" / "docker" / "cpu.cfs_quota_us").write_text("-1\n")
    assert quota(root, group) is None


def test_the_cores_of_this_process_are_those_of_its_affinity() -> None:
    assert 0 < usable_cores() <= len(module._own_cores())


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float, float]]:
    """What the system says, look after look: the clock, the work of all, the work of this process."""
    torch = pytest.importorskip("torch")
    number = [2]
    monkeypatch.setattr(torch, "get_num_threads", lambda: number[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: number.__setitem__(0, count))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(module, "usable_cores", lambda: 2.0)
    monkeypatch.setattr(module, "FIRST", 0.0)
    seen = [(0.0, 0.0, 0.0), (1.0, 2.0, 0.0), (11.0, 22.0, 7.0), (21.0, 42.0, 26.0), (31.0, 52.0, 36.0)]
    monkeypatch.setattr(module, "_counters", lambda: seen.pop(0))
    return seen


def test_the_number_follows_what_is_free_at_each_look(counters: list[tuple[float, float, float]]) -> None:
    threads = Threads()
    first = threads.look()  # two busy neighbours
    assert first is not None and (first.threads, first.before, first.others) == (1, 2, 2.0)
    assert threads.look() is None  # they have two thirds
    freed = threads.look()  # one tenth of a core is left to others
    assert freed is not None and (freed.threads, round(freed.others, 1)) == (2, 0.1)
    assert threads.look() is None


def test_a_number_that_somebody_chose_stays(
    counters: list[tuple[float, float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = Threads(1)
    assert fixed.look() is None and fixed.current == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert Threads().look() is None and len(counters) == 5


def test_a_run_that_goes_on_with_another_number_says_so(
    counters: list[tuple[float, float, float]], tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run", "model: {}\n")
    sharing = Sharing(run, None)
    told = sharing.look()
    assert told is not None and (told["threads"], told["before"]) == (1, 2)
    run.events.append("status", state="running", key=KEY, values=told)
    assert sharing.look() is None
    run.events.close()
    resumed = Sharing(run, 2)
    told = resumed.look()
    assert told is not None and (told["threads"], told["before"]) == (2, 1)
    assert resumed.look() is None


def test_twenty_steps_in_a_notebook_leave_the_busy_cores_alone_and_the_kernel_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch")
    from workbench.models import peeking
    from workbench.steps.mask_lab import LabStep

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(module, "usable_cores", lambda: 2.0)
    monkeypatch.setattr(module, "FIRST", 0.0)
    clock = iter(range(1000))
    monkeypatch.setattr(module, "_counters", lambda: (now := float(next(clock)), 2 * now, 0.0))  # two busy neighbours
    few = peeking.few_steps
    monkeypatch.setattr(peeking, "few_steps", lambda *args, **more: few(*args, **{**more, "steps": 2, "batch": 1}))
    before, seen = torch.get_num_threads(), []
    try:
        torch.set_num_threads(2)
        LabStep(lang="en").try_out(lambda *_: seen.append(torch.get_num_threads()))
        assert seen == [1, 1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
