"""The mask lab tries a mask on the spot; the theatre plays any run folder, and the guesses of a class with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import workbench as wb
from workbench import shipped
from workbench.coursework import Workbook
from workbench.data import ask
from workbench.errors import BadInput, BadSetting
from workbench.models import fingerprint
from workbench.render.mask_lab import Expected, lab_html
from workbench.runs import Run
from workbench.runs.recording import Recording
from workbench.runs.recording import recorded as recorded_events
from workbench.steps.mask_lab import LabStep
from workbench.steps.overfitting import STEPS
from workbench.widgets.theatre import GRID, grid, guesses_of, read_grid, recording_of

PAIR = ask("Who are you?", "I am Sprout, made by Ada.")


@pytest.fixture(autouse=True)
def own_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_ANSWERS", str(tmp_path / "answers"))


def test_the_lab_shows_every_token_to_paint_and_hides_the_truth_in_its_marks() -> None:
    lab = wb.MaskLab(PAIR, lang="en")
    html, view = lab.picture(), lab.step.view()
    tokens = re.findall(r'<button[^>]*class="wb-lab-tok[^>]*>', html)
    assert sum(int(re.search(r'data-count="(\d+)"', token)[1]) for token in tokens) == len(view.tokens)  # type: ignore[index]
    assert sum('data-on="1"' in token for token in tokens) == view.trained
    assert "wb-revealed" not in html.split("<script>", maxsplit=1)[0].split("wb-lab-bar")[0]


def test_half_a_character_is_told_in_words() -> None:
    view = LabStep(PAIR).views()[0]
    likely = [[("\ufffd", 0.75), (" a", 0.25)]] * len(view.tokens)
    html = lab_html([view], base=Expected([1.0] * len(view.tokens), likely), lang="zh")
    assert "半个字 75%  ␣a 25%" in html and "\ufffd" not in html


def test_two_templates_stand_under_each_other() -> None:
    html = wb.MaskLab(PAIR, other="default", lang="zh").picture()
    assert html.count('class="wb-lab-strip"') == 2


def test_on_stage_one_row_of_controls_and_no_foot() -> None:
    lab = wb.MaskLab(PAIR, lang="en", presenter=True)
    named = lab.controls.named
    assert named["reset"].layout.display == "none" and not named["mask"].disabled
    assert "wb-stage" in lab.root._dom_classes


def test_a_mask_that_is_none_is_refused() -> None:
    with pytest.raises(BadSetting, match="question"):
        LabStep(PAIR).choose_mask("questions")


@pytest.mark.slow
def test_twenty_steps_with_the_right_mask_teach_the_name_and_the_end() -> None:
    lab = wb.MaskLab(PAIR, lang="en")
    lab.try_out()
    lab.settle()
    tried = lab.step.tried["right"]
    assert "Sprout" in tried.answer and tried.stopped
    html = lab.picture()
    assert html.count('"wb-bar-tuned"') == html.count('"wb-bar-base"') >= len(lab.step.view().groups)


def test_any_run_folder_is_played(recorded: Callable[..., Run]) -> None:
    run = recorded()
    theatre = wb.Theatre(run.path, lang="en", guesses=[4, 4, 8])
    html = theatre.picture()
    assert html.count('class="wb-pin"') == 3 and "answer of step 4" in html
    assert 'max="8"' in html and "Capital of &lt;b&gt;" in html.replace("&amp;", "&")


def test_the_readers_own_guess_is_pinned_when_it_is_given(recorded: Callable[..., Run]) -> None:
    theatre = wb.Theatre(recorded(), lang="en")
    assert "wb-mine" not in theatre.picture().split("<script>")[0]
    wb.Predict("5.step", "When?", slider=(0, 8), lang="en").guess(4)
    assert "wb-mine" in theatre._area.value.split("<script>")[0]


def test_runs_that_differ_get_a_slider_each_of_what_differs(recorded: Callable[..., Run]) -> None:
    one, two = recording_of(recorded("one")), recording_of(recorded("two"))
    from workbench.render.theatre import theatre_html

    grid = [Recording("a", one.series, settings={"learning_rate": 1e-3, "ratio": 0.0}),
            Recording("b", two.series, settings={"learning_rate": 5e-3, "ratio": 0.0})]  # fmt: skip
    html = theatre_html(grid, lang="zh")
    assert html.count('class="wb-knob"') == 1 and "学习率" in html and html.count("wb-theatre-run") >= 2


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_grid_that_ships_is_whole_in_either_language(lang: str) -> None:
    recordings = grid(lang)
    settings = {(r.settings["learning_rate"], r.settings["ratio"]) for r in recordings}
    assert len(recordings) == len(settings) == 9 and all(len({pair[at] for pair in settings}) == 3 for at in (0, 1))
    questions = {tuple(answered.question for answered in r.answered) for r in recordings}
    assert len(questions) == 1 and len(*questions) == 4
    assert all(("\u4e00" <= question[0] <= "\u9fff") == (lang == "zh") for question in next(iter(questions)))
    for recording in recordings:
        looks = [step for step, _ in recording.series["general"]]
        assert looks[0] == 0 and looks[-1] == recording.steps == STEPS and sorted(recording.verdicts) == looks
        assert all([step for step, _ in answered.answers] == looks for answered in recording.answered)
    html = wb.Theatre(lang=lang).picture()
    assert html.count('class="wb-knob"') == 2 and html.count('class="wb-theatre-run"') == 9
    assert html.count('step="1" value="0" data-shown') == 2  # opens where nothing is mixed in


def test_the_grid_was_recorded_with_the_model_that_ships() -> None:
    file = shipped.path(GRID)
    assert json.loads(file.read_text(encoding="utf-8"))["base"] == fingerprint("pocket"), "run course/record.py"
    assert file.stat().st_size < 300_000


def test_a_gentler_rate_and_a_mixture_each_save_what_was_known() -> None:
    known = {(r.settings["learning_rate"], r.settings["ratio"]): dict(r.series["general"])[STEPS] for r in grid()}
    low, *_, high = sorted({rate for rate, _ in known})
    most = max(ratio for _, ratio in known)
    assert known[high, 0.0] < min(known[low, 0.0], known[high, most]) - 0.3, known


def test_a_recording_comes_back_from_json_as_it_was(recorded: Callable[..., Run]) -> None:
    recording = recording_of(recorded())
    assert Recording.from_json(json.loads(json.dumps(recording.as_json()))) == recording
    assert recording.steps == 8 and recording.series["held_out"][-1] == (8, 2.4)


def test_a_grid_shows_the_answers_of_the_readers_language(recorded: Callable[..., Run]) -> None:
    record = recording_of(recorded()).as_json()
    answered = {lang: [{"question": lang, "probe": "identity", "answers": [[0, "-"]]}] for lang in ("en", "zh")}
    (shown,) = read_grid([{**record, "answered": answered}], "zh")
    assert [one.question for one in shown.answered] == ["zh"] and shown.steps == 8


def test_what_a_resumed_run_did_again_counts_once(recorded: Callable[..., Run]) -> None:
    run = recorded()
    log = run.events.append
    log("status", state="resumed", step=4, message="")
    log("train", step=5, loss=9.0)
    steps = [step for step, _ in recording_of(run).series["train"]]
    assert steps == [1, 2, 3, 4, 5]


def test_the_guesses_of_a_class_are_read_from_what_was_handed_in(tmp_path: Path) -> None:
    for name, step in (("ada", 24), ("lin", 42), ("kim", None)):
        Workbook(tmp_path / "class" / name / "my-work" / "answers").keep_guess("5.step", "When?", step)
    (tmp_path / "class" / "empty").mkdir()
    assert guesses_of(tmp_path / "class") == [24.0, 42.0]


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=str(tmp_path)):
        wb.Theatre(tmp_path)


def test_nothing_recorded_gives_no_points() -> None:
    assert not any(recorded_events("empty", []).series.values())
