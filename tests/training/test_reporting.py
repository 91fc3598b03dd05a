"""Programs that draw curves get the numbers of a run, and a broken one costs no step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import tiny as small
from workbench.cli import run as command
from workbench.errors import Failed
from workbench.runs import Run, claim
from workbench.runs.events import Event, from_record
from workbench.training import load_recipe, reporting
from workbench.training.reporting import Reports, check_writers, numbers_of, reported
from workbench.training.settings import Recipe


def event(kind: str, **fields: object) -> Event:
    return from_record({"kind": kind, "time": 0.0, "seq": 1, **fields})


def recipe_for(*names: str) -> Recipe:
    return load_recipe("pocket-qlora", ["persona.name=Sprout", f"report_to=[{', '.join(names)}]"])


def report(run: Run, *names: str, resumed: int | None = None) -> None:
    """Two steps and an evaluation of a worker that reports."""
    with claim(run, resume_from=resumed) as hold, reported(hold, run, recipe_for(*names), resumed):
        begin = resumed or 0
        hold.log("train", step=begin + 1, loss=2.0, learning_rate=1e-3)
        hold.log("train", step=begin + 2, loss=1.5, learning_rate=1e-3)
        hold.log("eval", step=begin + 2, loss=1.75, identity=0.5)
        hold.log("verdict", step=begin + 2, verdict="learning", reason="")


def new_run(folder: Path) -> Run:
    return Run.create(folder, "model: {name: pocket}\n", {})


def test_numbers_bear_the_names_that_trainer_gives_them() -> None:
    assert numbers_of(event("train", step=1, loss=2.0, grad_norm=None)) == {"train/loss": 2.0}
    assert numbers_of(event("eval", step=1, identity=0.5, leak=0.0)) == {"eval/identity": 0.5, "eval/leak": 0.0}
    assert numbers_of(event("verdict", step=1, verdict="good")) == {}


def test_a_writer_that_fails_is_told_of_once_and_the_other_goes_on() -> None:
    class Broken:
        def write(self, numbers: Mapping[str, float], step: int) -> None:
            raise OSError("no space")

        def close(self) -> None:
            raise AssertionError("it was let go")

    class Whole(Broken):
        def write(self, numbers: Mapping[str, float], step: int) -> None:
            steps.append(step)

        def close(self) -> None:
            steps.append(0)

    steps: list[int] = []
    wrong: list[tuple[str, str]] = []
    reports = Reports({"one": Broken(), "two": Whole()}, lambda *what: wrong.append(what))
    for step in (1, 2):
        reports.hear(event("train", step=step, loss=1.0))
    reports.close()
    assert wrong == [("one", "OSError: no space")] and steps == [1, 2, 0]


def test_a_writer_that_cannot_begin_is_a_sentence_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise PermissionError("its folder")

    monkeypatch.setattr(reporting, "_WRITERS", {"trackio": broken})
    run = new_run(tmp_path / "run")
    report(run, "trackio")
    told = [e for e in run.events.all() if e.kind == "status" and e.key == "training.state.not_reported"]  # type: ignore[attr-defined]
    assert [e.values["name"] for e in told] == ["trackio"] and run.state().status == "ended"  # type: ignore[attr-defined]


def test_what_is_not_installed_is_refused_before_a_folder_is_made(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reporting, "find_spec", lambda name: None)
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    with pytest.raises(Failed, match="tensorboard"):
        check_writers(["tensorboard"])
    settings = [word for one in small.overrides(tiny) for word in ("--set", one)]
    out = tmp_path / "run"
    assert command(["train", "pocket-qlora", "--out", str(out), *settings, "--report-to", "trackio"]) == 1
    assert "writers" in capsys.readouterr().err and not out.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_shows_the_curves_and_a_resumed_run_takes_steps_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = new_run(tmp_path / "run")
    report(run, "tensorboard")
    report(run, "tensorboard", resumed=1)
    shown = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert {"train/loss", "train/learning_rate", "eval/loss", "eval/identity"} == set(shown.Tags()["scalars"])
    assert [(e.step, e.value) for e in shown.Scalars("train/loss")] == [(1, 2.0), (2, 2.0), (3, 1.5)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_trackio_keeps_a_run_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trackio")
    import trackio.sqlite_storage as store

    run = new_run(tmp_path / "sprout")
    for module in (store, __import__("trackio.utils", fromlist=["utils"])):
        monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path / "store")
    report(run, "trackio")
    logs = store.SQLiteStorage.get_logs(reporting.PROJECT, "sprout")
    assert [(row["step"], row.get("train/loss"), row.get("eval/loss")) for row in logs] == [
        (1, 2.0, None), (2, 1.5, None), (2, None, 1.75),
    ]  # fmt: skip
    assert [file.name for file in (tmp_path / "store").glob("*.db")] == [f"{reporting.PROJECT}.db"]
