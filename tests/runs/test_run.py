from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest

from workbench import runs
from workbench.errors import BadInput, Failed, OutputExists, UnknownName
from workbench.runs import Run, files
from workbench.runs.run import is_run


def test_a_new_run_holds_its_recipe_and_manifest_and_was_never_started(run):
    assert run.recipe_text() == "steps: 10\nsave: 5\n"
    assert run.manifest() == {"seed": 1}
    assert run.state().status == "new"
    assert (run.checkpoints(), run.best(), run.latest(), run.events.all()) == ([], None, None, [])


def test_a_folder_that_is_not_empty_is_refused_by_name(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(OutputExists, match="not empty") as caught:
        Run.create(tmp_path, "a: 1\n")
    assert str(tmp_path) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_run_is_opened_again_only_when_told_to_continue(run):
    with pytest.raises(OutputExists):
        Run.create(run.path, "other: 1\n")
    again = Run.create(run.path, "other: 1\n", resume=True)
    assert again.recipe_text() == "steps: 10\nsave: 5\n"


def test_a_file_in_the_way_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(BadInput, match="is a file"):
            Run.create(path, "a: 1\n")


def test_of_two_that_make_the_same_folder_at_once_one_wins(tmp_path):
    outcome = []

    def make():
        try:
            outcome.append(Run.create(tmp_path / "run", "a: 1\n"))
        except OutputExists as error:
            outcome.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sum(isinstance(each, Run) for each in outcome) == 1


def test_an_unknown_run_names_the_nearest(run):
    with pytest.raises(UnknownName, match="Nearest: one"):
        Run(run.path.parent / "onee")
    with pytest.raises(UnknownName, match="Nearest: one"):
        runs.find("noe", run.path.parent)


def test_a_run_is_found_by_name_and_by_path(run):
    assert runs.find("one", run.path.parent).path == run.path
    assert runs.find(run.path).path == run.path
    assert [each.name for each in runs.list_runs(run.path.parent)] == ["one"]


def test_reading_a_run_changes_nothing(run):
    before = sorted(run.path.rglob("*"))
    run.state(), run.checkpoints(), run.best(), run.events.all(), run.worker_log()
    assert sorted(run.path.rglob("*")) == before


def test_a_folder_of_a_newer_version_is_read(run):
    (run.path / "state.json").write_text('{"status": "ended", "step": 9, "colour": "red", "pid": "none", "values": 3}')
    (run.path / "manifest.json").write_text('{"format": 99, "future": {"a": [1]}}')
    (run.path / "best.json").write_text('{"step": 7, "path": "elsewhere", "score": {"mean": 1}}')
    (run.path / "checkpoints" / "step-000007").mkdir(parents=True)
    (run.path / "checkpoints" / "step-000007" / "checkpoint.json").write_text('{"score": "high", "new": 1}')
    assert (run.state().status, run.state().step, run.manifest()["format"]) == ("ended", 9, 99)
    assert (run.best().step, run.best().score, run.checkpoints()[0].score) == (7, None, None)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00"])
def test_a_broken_json_file_counts_as_none(run, content):
    for name in ("state.json", "best.json", "manifest.json"):
        (run.path / name).write_text(content)
    assert (run.state().status, run.best(), run.manifest()) == ("new", None, {})


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "state.json"
    files.write_json(path, {"a": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))
    try:
        with pytest.raises(Failed, match="No space left"):
            files.write_json(path, {"a": "b" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert json.loads(path.read_text()) == {"a": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]


@pytest.fixture
def locked(tmp_path):
    """A folder that may be neither read nor written; root, who may everything, becomes somebody else for the test."""
    if not hasattr(os, "geteuid"):
        pytest.skip("folders have no such permissions here")
    folder, user = tmp_path / "locked", os.geteuid()
    Run.create(folder / "run", "a: 1\n")
    folder.chmod(0)
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    folder.chmod(0o700)


def test_a_folder_without_permission_is_named_in_a_sentence(locked):
    for attempt in (lambda: Run.create(locked / "new", "a: 1\n"), lambda: Run(locked / "run")):
        with pytest.raises(Failed, match=f"Not allowed to read or write .*{locked.name}"):
            attempt()


def test_a_refused_permission_is_told_from_other_refusals(tmp_path):
    import errno

    for number, word in [(errno.EACCES, "Not allowed"), (errno.EROFS, "Not allowed"), (errno.EIO, "refused")]:
        with pytest.raises(Failed, match=word), files.saving(tmp_path):
            raise OSError(number, os.strerror(number), str(tmp_path))


def test_the_run_folder_needs_the_standard_library_only():
    code = (
        "import sys; import workbench.runs; third = {name.split('.')[0] for name, m in sys.modules.items() "
        "if 'site-packages' in (getattr(m, '__file__', None) or '')}; print(sorted(third - {'workbench'}))"
    )
    out = subprocess.run(
        [sys.executable, "-S", "-c", _path() + code], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[]"


def _path():
    # -S leaves site-packages out: an import of anything there would fail
    from pathlib import Path

    import workbench

    return f"import sys; sys.path.insert(0, {str(Path(workbench.__file__).parent.parent)!r}); "


def test_the_manifest_names_versions_and_hashes(tmp_path):
    data = tmp_path / "data.jsonl"
    data.write_text("{}\n")
    made = runs.manifest(seed=3, data=[data], base="pocket", template_hash="t")
    assert made["data"][str(data)] == {
        "sha256": "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
        "bytes": 3,
    }
    assert made["packages"]["click"] if "click" in made["packages"] else made["python"].startswith("3.")


def test_a_folder_with_other_things_is_no_run(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    assert not is_run(tmp_path)
