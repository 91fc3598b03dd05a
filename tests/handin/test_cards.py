"""Run cards: what stands on one, what is found in a class of thirty, what of a forged or damaged one is said."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.handin_files import run_of, work_of
from workbench.cli import run as command
from workbench.errors import BadData, BadInput
from workbench.handin.checking import doubts, same_training
from workbench.handin.collecting import collect, rhythm
from workbench.handin.packing import file_name, read_card, read_folder, write
from workbench.handin.values import RunFacts, from_record, to_record


@pytest.fixture
def handed_in(tmp_path: Path) -> Path:
    folder = tmp_path / "handed-in"
    folder.mkdir()
    return folder


def card(tmp_path: Path, handed_in: Path, name: str, number: int, **more: Any) -> Path:
    work = work_of(tmp_path / name, f"student-{number}", begun=1e9 + number * 977.13, **more)
    write(collect(work, name), work, handed_in / file_name(name))
    return work


def keys(folder: Path) -> dict[str, set[str]]:
    """Name -> keys of the doubts on it."""
    handed, _ = read_folder(folder)
    names = {item.file: item.card.name for item in handed}
    found: dict[str, set[str]] = {}
    for doubt in doubts(handed):
        found.setdefault(names[doubt.file], set()).add(doubt.key)
    return found


def test_a_card_says_answers_runs_hashes_best_step_and_scores(tmp_path: Path, handed_in: Path) -> None:
    card(tmp_path, handed_in, "Li Lei 李雷", 1)
    item = read_card(handed_in / "card-Li-Lei-李雷.zip")
    guess, quiz = item.card.answers
    assert (guess.answer, guess.truth, quiz.right, quiz.tries) == (24, 42, False, 2)
    (run,) = item.card.runs
    assert (run.name, run.persona, run.best_step, run.step, run.seed) == ("runs/first", "Sprout", 6, 6, 0)
    assert run.best is not None and run.best.scores["identity"] == 0.975 and len(run.adapter) == 64
    assert item.adapter(run.name) and item.log(run.name)
    page = (handed_in / "card-Li-Lei-李雷.html").read_text(encoding="utf-8")
    assert "李雷" in page and "97.5%" not in page and "98%" in page and "<script src" not in page
    assert not doubts([item])


def test_thirty_cards_make_a_table_and_the_copied_run_and_the_faked_card_are_found(
    tmp_path: Path, handed_in: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    works = [card(tmp_path, handed_in, f"Student {n:02d}", n, weights=bytes([n]) * 9, seed=n) for n in range(28)]
    # one copies a run, and moves the clock of its events; one writes better numbers into a card
    copied = work_of(tmp_path / "copied", "student-90", begun=5.0)
    shutil.rmtree(copied / "runs")
    shutil.copytree(works[3] / "runs", copied / "runs")
    log = copied / "runs" / "first" / "events.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text("".join(json.dumps({**line, "time": line["time"] + 86400}) + "\n" for line in lines))
    write(collect(copied, "Copier"), copied, handed_in / "card-copier")
    faked = card(tmp_path, handed_in, "Faker", 91, weights=b"f")
    record = json.loads((handed_in / "card-Faker.json").read_text())
    record["runs"][0]["looks"][-1]["scores"]["identity"] = 1.0
    shutil.rmtree(faked)
    (handed_in / "card-Faker.zip").unlink()
    (handed_in / "card-Faker.json").write_text(json.dumps(record))
    assert command(["class", str(handed_in), "--json", "--html", str(tmp_path / "class.html")]) == 0
    table = json.loads(capsys.readouterr().out)
    assert len(table["cards"]) == 30
    found = {row["name"]: {doubt["key"] for doubt in row["doubts"]} for row in table["cards"] if row["doubts"]}
    assert found == {"Copier": {"copied_run"}, "Student 03": {"copied_run"}, "Faker": {"seal"}}
    assert "Copier" in (tmp_path / "class.html").read_text(encoding="utf-8")
    row = next(row for row in table["cards"] if row["name"] == "Student 07")
    assert (row["lesson"], row["quiz"], row["best"], row["identity"]) == (5, [0, 1], 6, 0.975)


def test_the_same_result_of_two_trainings_is_no_copy(tmp_path: Path, handed_in: Path) -> None:
    card(tmp_path, handed_in, "Ann", 1)
    card(tmp_path, handed_in, "Bob", 2)
    assert keys(handed_in) == {"Ann": {"equal_result"}, "Bob": {"equal_result"}}
    handed, _ = read_folder(handed_in)
    assert not any(doubt.grave for doubt in doubts(handed))


def test_a_class_that_trains_one_recipe_is_told_so_once(
    tmp_path: Path, handed_in: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(("Ann", "Bob, the second", "Cleo")):
        card(tmp_path, handed_in, name, number)
    page = tmp_path / "class.html"
    assert command(["class", str(handed_in), "--json", "--html", str(page)]) == 0
    table = json.loads(capsys.readouterr().out)
    assert all([doubt["key"] for doubt in row["doubts"]] == ["equal_result"] for row in table["cards"])
    (note,) = table["notes"]
    assert "Ann, Bob, the second, Cleo" in note and "3" in note
    assert page.read_text(encoding="utf-8").count("the same result") == 1


def test_who_shares_a_result_is_named_together_also_beside_a_copied_run(
    tmp_path: Path, handed_in: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = card(tmp_path, handed_in, "Ann", 1)
    card(tmp_path, handed_in, "Bob", 2)
    write(collect(work, "Cy"), work, handed_in / "card-cy")
    assert command(["class", str(handed_in), "--json"]) == 0
    (note,) = [note for note in json.loads(capsys.readouterr().out)["notes"] if "the same result" in note]
    assert "3 people" in note and "Ann, Bob, Cy" in note


def test_of_a_copied_run_it_is_not_said_that_two_trainings_give_it_too(tmp_path: Path, handed_in: Path) -> None:
    work = card(tmp_path, handed_in, "Ann", 1)
    card(tmp_path, handed_in, "Bob", 2)
    write(collect(work, "Cy"), work, handed_in / "card-cy")
    noted = {(d.file[5:-4].lower(), d.key): d.values.get("others") for d in doubts(read_folder(handed_in)[0])}
    assert noted["ann", "copied_run"] == ("Cy",)
    assert noted["ann", "equal_result"] == noted["cy", "equal_result"] == ("Bob",)


def test_the_same_adapter_from_another_seed_cannot_be(tmp_path: Path, handed_in: Path) -> None:
    card(tmp_path, handed_in, "Ann", 1)
    card(tmp_path, handed_in, "Bob", 2, seed=7)
    assert keys(handed_in) == {"Ann": {"equal_adapter"}, "Bob": {"equal_adapter"}}


def test_answers_from_one_folder_under_two_names_are_found(tmp_path: Path, handed_in: Path) -> None:
    work = card(tmp_path, handed_in, "Ann", 1)
    write(collect(work, "Bob"), work, handed_in / "card-bob")
    assert keys(handed_in) == {name: {"copied_folder", "copied_run"} for name in ("Ann", "Bob")}


def test_a_run_handed_in_twice_by_one_learner_is_no_copy(tmp_path: Path, handed_in: Path) -> None:
    work = card(tmp_path, handed_in, "Ann", 1)
    shutil.copytree(work / "runs" / "first", work / "runs" / "again")
    write(collect(work, "Ann"), work, handed_in / "card-Ann", overwrite=True)
    assert not keys(handed_in)


IMPOSSIBLE = [
    ("fraction", lambda run: {"scores": {"identity": 0.99}}),
    ("share", lambda run: {"scores": {"identity": 1.2}}),
    ("share", lambda run: {"scores": {"leak": -0.05}}),
    ("loss", lambda run: {"loss": -1.0}),
    ("loss", lambda run: {"loss": 99.0}),
]


@pytest.mark.parametrize(("key", "change"), IMPOSSIBLE)
def test_impossible_numbers_are_found_though_the_seal_fits(
    tmp_path: Path, handed_in: Path, key: str, change: Any
) -> None:
    work = work_of(tmp_path / "work", "s", begun=1.0)
    honest = collect(work, "Ann")
    (run,) = honest.runs
    look = replace(run.looks[-1], **change(run))
    forged = replace(honest, runs=(replace(run, looks=(*run.looks[:-1], look)),)).sealed()
    (handed_in / "card.json").write_text(json.dumps(to_record(forged)))
    assert key in keys(handed_in)["Ann"]


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("best", {"best_step": 5}),
        ("steps", {"step": 9}),
        ("steps", {"losses": ((1, 4.0), (3, 2.0), (2, 1.0))}),
        ("seconds", {"seconds": None}),
        ("loss", {"losses": ((1, 4.0), (2, -0.5))}),
    ],
)
def test_a_run_that_cannot_be_is_found(tmp_path: Path, handed_in: Path, key: str, change: dict[str, Any]) -> None:
    honest = collect(work_of(tmp_path / "work", "s", begun=1.0), "Ann")
    forged = replace(honest, runs=(replace(honest.runs[0], **change),)).sealed()
    (handed_in / "card.json").write_text(json.dumps(to_record(forged)))
    assert key in keys(handed_in)["Ann"]


def test_better_numbers_with_a_fitting_seal_are_refuted_by_the_log_and_another_adapter_by_its_hash(
    tmp_path: Path, handed_in: Path
) -> None:
    work = work_of(tmp_path / "work", "s", begun=1.0)
    honest = collect(work, "Ann")
    (run,) = honest.runs
    better = replace(run.looks[-1], scores={**run.looks[-1].scores, "identity": 1.0})
    forged = replace(honest, runs=(replace(run, looks=(*run.looks[:-1], better), adapter="0" * 64),)).sealed()
    write(forged, work, handed_in / "card-ann")
    assert keys(handed_in) == {"Ann": {"log", "adapter"}}


@pytest.mark.parametrize(
    ("lang", "log", "share", "broken"),
    [
        ("en", "other numbers (evaluations)", "share “identity” is 1.200", "bad.zip is no archive"),
        ("zh", "日志里的数（评测）", "比例“身份”是 1.200", "bad.zip 不是压缩包"),
    ],
)
def test_a_teacher_reads_what_is_wrong_in_one_language(
    tmp_path: Path, handed_in: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    lang: str, log: str, share: str, broken: str,
) -> None:  # fmt: skip
    work = work_of(tmp_path / "work", "s", begun=1.0)
    honest = collect(work, "Ann")
    (run,) = honest.runs
    better = replace(run.looks[-1], scores={**run.looks[-1].scores, "identity": 1.2})
    write(replace(honest, runs=(replace(run, looks=(*run.looks[:-1], better)),)).sealed(), work, handed_in / "card-ann")
    (handed_in / "bad.zip").write_bytes(b"PK no archive")
    monkeypatch.setenv("WORKBENCH_LANG", lang)
    assert command(["class", str(handed_in)]) == 0
    printed = capsys.readouterr().out
    assert all(words in printed for words in (log, share, broken)), printed


def test_the_rhythm_of_a_run_stays_when_its_clock_is_moved() -> None:
    times = [n * 1.2345 + n * n * 0.011 for n in range(9)]
    run, moved, other = (
        RunFacts("r", rhythm=rhythm(seen)) for seen in (times, [t + 86400.3 for t in times], [t * 1.002 for t in times])
    )
    assert same_training(run, moved) and not same_training(run, other)
    assert not same_training(RunFacts("a", rhythm=(1, 2)), RunFacts("b", rhythm=(1, 2))), "too short to tell"


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"format": "run card"}', '{"format": "run card", "name": "x", "card_version": 1, "runs": [7]}'],
)
def test_a_damaged_card_is_named_and_the_others_are_read(tmp_path: Path, handed_in: Path, content: str) -> None:
    card(tmp_path, handed_in, "Ann", 1)
    (handed_in / "bad.zip").write_bytes(b"PK no archive")
    with zipfile.ZipFile(handed_in / "card.zip", "w") as archive:
        archive.writestr("card.json", content)
    handed, troubles = read_folder(handed_in)
    assert [item.card.name for item in handed] == ["Ann"]
    assert len(troubles) == 2 and all(isinstance(error, BadData) for error in troubles)
    assert {str(error).split(" ")[0].rstrip(",") for error in troubles} == {"bad.zip", "card.zip"}


def test_an_archive_cannot_write_anywhere_nor_fill_the_memory(tmp_path: Path, handed_in: Path) -> None:
    with zipfile.ZipFile(handed_in / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../escaped.json", "{}")
        archive.writestr("card.json", b" " * 30_000_000)
    handed, troubles = read_folder(handed_in)
    assert not handed and len(troubles) == 1 and not (tmp_path.parent / "escaped.json").exists()


def test_what_cannot_be_read_stands_on_the_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = work_of(tmp_path / "work", "s", begun=1.0)
    (work / "answers" / "06-sum.json").write_text("{")
    broken = run_of(work / "runs" / "broken", begun=2.0)
    (broken.path / "recipe.yaml").write_text("model: [")
    assert command(["card", str(work), "--name", "Ann", "--out", str(tmp_path / "ann")]) == 0
    said = capsys.readouterr()
    assert "06-sum.json" in said.err and "runs/broken" in said.err
    assert collect(work, "Ann").unread == ("06-sum.json", "runs/broken")
    assert command(["card", str(work), "--name", "Ann", "--out", str(tmp_path / "ann")]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_an_empty_folder_makes_no_card(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="neither"):
        collect(tmp_path, "Ann")
    with pytest.raises(BadInput, match="no folder"):
        collect(tmp_path / "nowhere", "Ann")


def test_a_name_is_escaped_on_the_page(tmp_path: Path) -> None:
    work = work_of(tmp_path / "work", "s", begun=1.0)
    page = write(collect(work, "<img src=x onerror=alert(1)>", "<b>"), work, tmp_path / "x")[1]
    assert "<img" not in page.read_text(encoding="utf-8")


def test_a_card_reads_as_it_was_written(tmp_path: Path) -> None:
    honest = collect(work_of(tmp_path / "work", "s", begun=1.0), "Ann", "I see.")
    assert from_record(json.loads(json.dumps(to_record(honest))), "x") == honest


def test_whole_numbers_in_a_log_break_no_seal_and_killed_runs_have_honest_steps(tmp_path: Path) -> None:
    """A loss of exactly 2, a score of exactly 1, and a log that knows more steps than the last sign of life."""
    folder = work_of(tmp_path / "ada" / "my-work", "a" * 16, begun=1.8e9)
    log = folder / "runs" / "first" / "events.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        line |= {key: round(line[key]) for key in ("loss", "identity", "general", "leak", "seconds") if key in line}
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    state = folder / "runs" / "first" / "state.json"
    state.write_text(json.dumps({"status": "running", "step": 4, "total_steps": 0, "pid": 1}))
    (tmp_path / "in").mkdir()
    write(collect(folder, "Ada"), folder, tmp_path / "in" / "ada", lang="en")
    handed, troubles = read_folder(tmp_path / "in")
    assert not troubles and doubts(handed) == []


def test_events_of_one_instant_are_no_rhythm() -> None:
    instant, own = tuple([0, 1] * 10), tuple(range(100, 120))
    assert not same_training(RunFacts("a", rhythm=instant), RunFacts("b", rhythm=instant))
    assert same_training(RunFacts("a", rhythm=own), RunFacts("b", rhythm=own))


def test_a_name_steers_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = work_of(tmp_path / "x" / "my-work", "a" * 16, begun=1.8e9)
    (tmp_path / "in").mkdir()
    card = replace(collect(folder, "A\x1b[31m\x9b2J"), sentence="changed")
    write(card, folder, tmp_path / "in" / "x", lang="en")
    assert command(["class", str(tmp_path / "in")]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told and "\x9b" not in told and "changed after" in told


def test_a_class_that_is_not_there_is_told_with_the_teachers_own_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["class", str(tmp_path / "none")]) == 2
    told = capsys.readouterr().err
    assert "none" in told and "workbench class" in told and "workbench card" not in told
