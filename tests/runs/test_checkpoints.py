from __future__ import annotations

import json
import shutil

import pytest

from workbench.errors import Failed
from workbench.runs import Run, checkpoint_writer, checkpoints, prune, set_best
from workbench.runs.checkpoints import clean, heal


def save(run, step, score=None, content="w"):
    with checkpoint_writer(run, step, reason="interval", score=score, why=f"score {score}") as folder:
        (folder.path / "weights").write_text(content)


@pytest.fixture(autouse=True)
def _closed(run):
    yield
    run.events.close()


def steps(run):
    return [checkpoint.step for checkpoint in run.checkpoints()]


def test_a_checkpoint_appears_whole_with_its_event(run):
    with checkpoint_writer(run, 100, reason="interval") as folder:
        (folder.path / "weights").write_text("w")
        assert run.checkpoints() == []
    (checkpoint,) = run.checkpoints()
    assert (checkpoint.step, checkpoint.path.name, checkpoint.reason) == (100, "step-000100", "interval")
    (event,) = run.events.all()
    assert (event.kind, event.step, event.path, event.reason) == (
        "checkpoint",
        100,
        "checkpoints/step-000100",
        "interval",
    )


def test_checkpoints_are_in_the_order_of_steps_beyond_a_million(run):
    for step in (1_000_000, 5, 999_999):
        save(run, step)
    assert steps(run) == [5, 999_999, 1_000_000]
    assert run.latest().step == 1_000_000


def test_an_error_while_saving_leaves_nothing_of_it(run):
    save(run, 1)
    with pytest.raises(ZeroDivisionError), checkpoint_writer(run, 2) as folder:
        (folder.path / "half").write_text("")
        raise ZeroDivisionError
    assert [path.name for path in (run.path / "checkpoints").iterdir()] == ["step-000001"]
    assert len(run.events.all()) == 1


def test_a_run_folder_that_was_deleted_is_not_made_anew(run):
    shutil.rmtree(run.path)
    with pytest.raises((Failed, FileNotFoundError)), checkpoint_writer(run, 2):
        pass
    assert not run.path.exists()


def test_a_full_disk_while_saving_keeps_the_earlier_ones(run):
    resource = pytest.importorskip("resource")
    save(run, 1, score=1.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(Failed, match="No space left"):
            save(run, 2, score=2.0, content="w" * 9000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (steps(run), run.best().step) == ([1], 1)
    assert [path.name for path in (run.path / "checkpoints").iterdir()] == ["step-000001"]


def test_a_library_that_wraps_a_full_disk_is_understood(run):
    with pytest.raises(Failed, match="No space left on the disk for"), checkpoint_writer(run, 1):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")


def test_the_highest_score_is_the_best_and_the_earlier_of_equals(run):
    for step, score in [(1, 0.5), (2, 0.9), (3, 0.9), (4, 0.1), (5, None)]:
        save(run, step, score)
    best = run.best()
    assert (best.step, best.score, best.reason, best.path.name) == (2, 0.9, "score 0.9", "step-000002")


def test_a_score_may_be_known_only_after_writing(run):
    with checkpoint_writer(run, 1) as folder:
        folder.score, folder.why = 0.7, "measured late"
    assert (run.best().score, run.best().reason) == (0.7, "measured late")


def test_the_best_and_the_last_are_never_pruned(run):
    for step, score in [(1, 0.1), (2, 0.9), (3, 0.2), (4, 0.3), (5, 0.4)]:
        save(run, step, score)
    assert prune(run, 2) == [1, 3]
    assert steps(run) == [2, 4, 5]
    assert prune(run, 0) == [4]
    assert steps(run) == [2, 5]
    assert prune(run, None) == []


def test_the_best_survives_the_move_of_the_folder(run, tmp_path):
    save(run, 3, 1.0)
    run.events.close()
    moved = Run(shutil.move(run.path, tmp_path / "moved"))
    assert moved.best().path == tmp_path / "moved" / "checkpoints" / "step-000003"


def test_a_best_whose_folder_is_gone_is_no_best(run):
    save(run, 3, 1.0)
    shutil.rmtree(run.best().path)
    assert run.best() is None
    save(run, 4, 0.5)
    assert run.best().step == 4


def test_another_best_may_be_named_by_hand(run):
    save(run, 1, 0.9)
    save(run, 2, 0.1)
    set_best(run, run.latest(), score=None, reason="by hand")
    assert (run.best().step, run.best().score, run.best().reason) == (2, None, "by hand")


def test_saving_a_step_again_replaces_it(run):
    save(run, 1, content="old")
    save(run, 1, content="new")
    assert (run.latest().path / "weights").read_text() == "new"
    assert steps(run) == [1]


def test_what_a_kill_left_is_cleaned_and_a_replaced_checkpoint_put_back(run):
    save(run, 1)
    folder = run.path / "checkpoints"
    (folder / "tmp-step-000002").mkdir()
    (folder / "tmp-gone-step-000000").mkdir()
    (folder / "step-000001").rename(folder / "tmp-old-step-000001")
    (run.path / ".state.json.123.tmp").write_text("half")
    assert steps(run) == []
    clean(run)
    assert sorted(path.name for path in folder.iterdir()) == ["step-000001"]
    assert list(run.path.glob(".*")) == []


def test_a_kill_between_the_checkpoint_and_its_event_is_healed(run):
    save(run, 1, 0.5)
    save(run, 2, 0.9)
    run.events.rewind(1)
    (run.path / "best.json").unlink()
    heal(run)
    heal(run)
    assert [event.step for event in run.events.all()] == [1, 2]
    assert run.best().step == 2


def test_a_folder_that_only_looks_like_a_checkpoint_is_none(run):
    for name in ("step-1", "step-abc", "tmp-step-000001", "step-000009.bak"):
        (run.path / "checkpoints" / name).mkdir(parents=True)
    (run.path / "checkpoints" / "step-000007").write_text("a file")
    assert checkpoints.checkpoints(run) == []


@pytest.mark.parametrize("note", ["", "{", "[]", '{"step": "two"}', '{"step": 1e400}', '{"step": -1}', "[" * 100_000])
def test_where_the_note_of_the_best_is_damaged_the_scores_in_the_checkpoints_say_it(run, note):
    for step, score in ((1, 0.2), (2, 0.9), (3, 0.9), (4, 0.1)):
        save(run, step, score)
    (run.path / "best.json").write_text(note)
    assert (run.best().step, run.best().score) == (2, 0.9)
    save(run, 5, 0.5)
    assert json.loads((run.path / "best.json").read_text())["step"] == 2
    save(run, 6, 1.5)
    assert run.best().step == 6
