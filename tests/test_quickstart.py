"""Facts about the whole way: where it is stopped, how it goes on, and what it takes from the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import tiny as small
from tests.render.stripped import Page
from workbench.cli import run as command
from workbench.cli.quickstart import _score_rows as score_rows
from workbench.cli.report import report_page
from workbench.data import Conversation, Message, Persona, read, write
from workbench.errors import BadSetting, Interrupted
from workbench.evaluation import Measurement, verdict
from workbench.models import load_tokenizer
from workbench.quickstart import Outcome, Quickstart
from workbench.quickstart import _told as measured_of
from workbench.runs import Run, checkpoint_writer, stop
from workbench.training import recipe_yaml

LONG = ("identity_count=40", "identity_probes=2", "per_device_train_batch_size=1", "max_steps=100000")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "mine"


@pytest.fixture
def long(tiny: Path) -> list[str]:
    """Settings with which a training of the tiny model does not end by itself."""
    return small.overrides(tiny, *LONG, "eval_steps=100000", "logging_steps=1000")


def given(overrides: list[str]) -> list[str]:
    return [part for each in overrides for part in ("--set", each)]


def pressed(*_: object, **__: object) -> None:
    """Ctrl-C."""
    raise KeyboardInterrupt


def test_ctrl_c_before_the_training_is_watched_stops_the_training(
    out: Path, long: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workbench.cli.quickstart._mask", pressed)
    assert command(["quickstart", "--name", "Bo", "--out", str(out), *given(long)]) == 130
    assert "--resume" in capsys.readouterr().err
    assert Run(out).state().status == "stopped"


def test_going_on_with_a_training_that_still_runs_looks_at_it(out: Path, long: list[str]) -> None:
    run, _ = Quickstart(Persona("Bo"), out, overrides=long).begin()
    try:
        pid = run.state().pid
        way = Quickstart.again(out, "en")
        again, conversations = way.begin(resume=True)
        assert (again.path, again.state().pid) == (run.path, pid) and conversations
        way.stop()
        assert run.state().status == "stopped"
    finally:
        stop(run, 0, kill=True)


def test_a_training_that_somebody_stops_is_not_merged(out: Path, long: list[str]) -> None:
    way = Quickstart(Persona("Bo"), out, overrides=long)
    run, _ = way.begin()
    stop(run)
    with pytest.raises(Interrupted, match="quickstart --resume"):
        way.follow(run, lambda _: None)
    assert run.state().status == "stopped"


@pytest.fixture
def general(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of general conversations, which the base answers at once as they stand there."""
    monkeypatch.setattr("workbench.chat.in_own_words", lambda base, given: given)
    asked = Message("user", "What is the capital of France?")
    write([Conversation((asked, Message("assistant", "Paris.")))] * 4, tmp_path / "general.jsonl")
    return tmp_path / "general.jsonl"


def test_ctrl_c_before_there_is_a_run_advises_nothing_and_leaves_nothing(
    out: Path, general: Path, long: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workbench.training.start.launch", pressed)
    for _ in range(2):
        assert command(["quickstart", "--general", str(general), "--out", str(out), *given(long)]) == 130
        assert "--resume" not in capsys.readouterr().err
    assert [each.name for each in out.parent.iterdir()] == [general.name]


def test_a_file_of_ones_own_is_not_written_over(out: Path, general: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = general.rename(out.with_name("mine-general.jsonl"))
    before = own.read_bytes()
    assert command(["quickstart", "--general", str(own), "--out", str(out)]) == 2
    assert str(own) in capsys.readouterr().err
    assert own.read_bytes() == before


def test_this_folder_can_be_the_runs_folder(
    out: Path, general: Path, long: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out.mkdir()
    monkeypatch.chdir(out)
    way = Quickstart(Persona("Bo"), Path(), general=str(general), overrides=long)
    run, _ = way.begin()
    way.stop()
    assert run.path == out and way.rehearsed == out.parent / "mine-general.jsonl"
    assert {c.question for c in read(way.rehearsed)} <= {c.question for c in read(general)}


def test_of_a_long_file_a_part_is_asked_and_the_number_is_told(
    out: Path, general: Path, long: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.quickstart.REHEARSED", 3)
    way = Quickstart(Persona("Bo"), out, general=str(general), overrides=long)
    way.begin()
    way.stop()
    assert way.asked == (3, 4) and way.rehearsed is not None
    assert len(read(way.rehearsed)) == 3  # the shipped conversations are pocket's knowledge, and go with pocket alone


def test_what_is_set_of_the_persona_holds(out: Path) -> None:
    overrides = ["persona.manner=warm", "persona.languages=[en]", "persona.author=Ann"]
    way = Quickstart(Persona("Bo", "Somebody"), out, overrides=overrides)
    who = way.settings.persona
    assert (who.name, who.author, who.manner, who.languages) == ("Bo", "Ann", "warm", ["en"])
    assert way.persona.author == "Ann"


def test_a_resume_takes_no_other_settings(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = Quickstart(Persona("小芽 😀 #1", "Ann"), out, overrides=["seed=3", "r=8"]).settings
    Run.create(out, recipe_yaml(begun))
    for other in (["--name", "Al"], ["--author", ""], ["--seed", "0"], ["--set", "r=4"], ["--general", "g.jsonl"]):
        assert command(["quickstart", "--resume", "--out", str(out), *other]) == 2
        assert str(out) in capsys.readouterr().err
    assert command(["quickstart", "--resume", "--name", "小芽 😀 #1", "--out", str(out), "--seed", "4"]) == 2
    assert "runtime.seed" in capsys.readouterr().err
    same = ["persona.name=小芽 😀 #1", "persona.author=Ann", "seed=3", "r=8"]
    assert Quickstart.again(out, "en", overrides=same).settings == begun
    with pytest.raises(BadSetting, match=r"adapter\.r"):
        Quickstart.again(out, "en", overrides=["r=4"])


def test_probes_at_the_end_are_asked_in_the_recipes_template(out: Path) -> None:
    tokenizer = load_tokenizer("pocket")
    plain, named = (
        Quickstart(Persona("Bo"), out, overrides=["identity_count=40", *more])._evaluator(tokenizer)
        for more in ([], ["model.template=vicuna"])
    )
    assert len(plain.prompts) == len(named.prompts) and plain.prompts[0] != named.prompts[0]


def test_the_mask_that_is_shown_is_of_an_answer_that_says_the_name(out: Path) -> None:
    from workbench.cli.quickstart import _mask
    from workbench.training.data import conversations

    way = Quickstart(Persona("Sprout"), out, lang="zh")
    shown = _mask(way, conversations(way.settings).train)
    assert "Sprout" in shown.text


def test_without_anything_held_out_the_end_measures_no_loss(out: Path) -> None:
    overrides = ["identity_count=40", "validation_share=0"]
    evaluator = Quickstart(Persona("Bo"), out, overrides=overrides)._evaluator(load_tokenizer("pocket"))
    assert not evaluator.held_out and {p.kind for p in evaluator.probes} >= {"identity", "general", "unrelated"}


def test_the_reports_sentence_and_its_cards_tell_the_same_numbers(out: Path) -> None:
    """Headline, verdict and cards come from one measurement, that of the best checkpoint, and not from the last look or
    from other questions asked at the end."""
    run = Run.create(out, "persona: {name: Sprout}\n")
    looks = {0: (0.0, 1.0, 0.0), 4: (0.956, 0.975, 0.013), 8: (1.0, 0.4, 0.2)}
    history: list[Measurement] = []
    for step, (identity, general, leak) in looks.items():
        counts = {"identity": 50, "general": 50, "unrelated": 100}
        history.append(Measurement(step, 1.0, identity=identity, general=general, leak=leak, counts=counts))
        judged = verdict(history)
        run.events.append("eval", step=step, loss=1.0, identity=identity, general=general, leak=leak, counts=counts)
        told = {"key": judged.reason, "values": judged.values, "reason": judged.because("en")}
        run.events.append("verdict", step=step, verdict=judged.word, **told)
        with checkpoint_writer(run, step, score=1.0 if step == 4 else 0.0):
            pass
    run.events.close()
    outcome = Outcome(run, *measured_of(run), [], True, 1.0, {"data": 1.0, "train": 2.0, "total": 3.0})
    way = Quickstart(Persona("Sprout"), out, lang="en")
    words = Page(report_page(way, outcome, None, answers=None, scores=score_rows(outcome))).text
    lead, cards = re.split(r"The result in numbers|How the training went", words)[:2]
    shares = re.findall(r"[\d.]+%", lead.partition("Good: ")[2])
    assert shares == ["95.6%", "97.5%", "1.3%"] and lead.count("Good: ") == 1 and "step 8" not in lead
    assert list(dict.fromkeys(share for share in re.findall(r"[\d.]+%", cards) if share in shares)) == shares
    assert re.search(r"\b\d{4}-\d\d-\d\d \d\d:\d\d\b", lead) and "+00:00" not in lead
