"""The panel of the training: a run found again, curves, answers, checkpoints, stop, recordings, memory."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recordings import evaluate, tiny_settings
from workbench.runs import Run, State, wait
from workbench.widgets import TrainPanel
from workbench.widgets.form import MAIN
from workbench.widgets.spoiling import SHOWN

Recorded = Callable[..., Run]


def test_a_finished_run_is_found_and_shown(recorded: Recorded) -> None:
    panel = TrainPanel(out=recorded().path, lang="en")
    assert panel._curves.value.count("<svg") == 2
    assert "overfitting" in panel._curves.value
    assert "answer of step 8" in panel._samples.value
    assert "&lt;b&gt;France" in panel._samples.value
    assert panel._bar.value == panel._bar.max == 8


def test_what_is_found_speaks_the_other_language_after_a_switch(recorded: Recorded) -> None:
    panel = TrainPanel(out=recorded().path, lang="en")
    panel.speak("zh")
    assert "过拟合" in panel._curves.value
    assert "第 8 步，共 8 步" in panel._words.value


def test_a_panel_made_anew_shows_the_same_as_the_one_before_the_kernel_ended(recorded: Recorded) -> None:
    run = recorded()
    first, second = TrainPanel(out=run.path, lang="en"), TrainPanel(out=run.path, lang="en")
    assert first.picture() == second.picture()
    assert "<svg" in first.picture()


def test_without_a_run_only_starting_is_possible(tmp_path: Path) -> None:
    named = TrainPanel(out=tmp_path / "none", lang="en").controls.named
    assert [named[name].disabled for name in ("start", "stop", "resume")] == [False, True, True]


def test_a_panel_of_its_own_names_the_assistant_so_that_it_can_start(tmp_path: Path) -> None:
    assert TrainPanel(out=tmp_path / "none", lang="zh").step.recipe.persona.name == "小芽"


def test_the_form_holds_every_setting_with_its_help(tmp_path: Path) -> None:
    from workbench.steps import fields

    panel = TrainPanel(out=tmp_path / "none", lang="en")
    panel.controls.named["all_settings"].children[0].value = True
    assert all(one.key in panel.controls.named for one in fields())
    assert "Too high" in panel.controls.named["optimizer.learning_rate"].tooltip
    panel.controls.named["schedule.lr_scheduler_type"].value = "cosine"
    assert panel.step.recipe.schedule.lr_scheduler_type == "cosine"


def shown(panel: TrainPanel) -> str:
    """The memory forecast, when it is worked out."""
    while panel.tick():
        time.sleep(0.05)
    return str(panel._memory.view.value)


@pytest.mark.parametrize(("lang", "words"), [("en", "How large each step is"), ("zh", "每一步走多大")])
def test_what_a_beginner_turns_is_named_in_words_and_by_its_own_name(tmp_path: Path, lang: str, words: str) -> None:
    panel = TrainPanel(out=tmp_path / "run", lang=lang)
    rate = panel.controls.named["optimizer.learning_rate"]
    assert rate.description == words and rate.tooltip.startswith("learning_rate · ")
    panel.controls.named["all_settings"].children[0].value = True
    names = [panel.controls.named[name].description for name in (*MAIN, *SHOWN)]
    assert all(names) and not any("_" in name for name in names)


def test_the_memory_forecast_comes_when_it_is_unfolded_and_follows_the_settings(tiny: Path, tmp_path: Path) -> None:
    panel = TrainPanel(out=tmp_path / "none", settings=tiny_settings(tiny), lang="en")
    assert shown(panel) == ""
    panel._memory.fold.value = True
    assert "pocket-qlora fits: with 4 conversations of 200 tokens" in shown(panel)
    assert "weights of the base" in panel._memory.view.value
    panel.controls.named["schedule.per_device_train_batch_size"].value = "2"
    assert "with 2 conversations" in shown(panel)
    panel.speak("zh")
    assert "放得下" in shown(panel)


def test_what_does_not_fit_is_told_with_what_to_lower(tiny: Path, tmp_path: Path) -> None:
    settings = {**tiny_settings(tiny), "schedule": {"per_device_train_batch_size": 65_536}}
    panel = TrainPanel(out=tmp_path / "none", settings=settings, lang="en")
    panel._memory.fold.value = True
    assert "✗ pocket-qlora does not fit" in shown(panel)
    assert "schedule.per_device_train_batch_size=32768" in panel._memory.view.value


def test_a_forecast_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    panel = TrainPanel(out=tmp_path / "none", settings={"model.name": "poket"}, lang="en")
    panel._memory.fold.value = True
    assert "poket" in shown(panel)
    assert "✗" in panel._memory.view.value


def test_another_recipe_fills_the_form(tmp_path: Path) -> None:
    panel = TrainPanel(out=tmp_path / "none", lang="en")
    panel.controls.named["recipe"].value = "pocket-overfit"
    assert panel.controls.named["schedule.num_train_epochs"].value == "6"


def test_a_recording_is_played_and_leaves_its_folder_alone(recorded: Recorded, tmp_path: Path) -> None:
    run = recorded()
    before = sorted((path.name, path.stat().st_mtime_ns) for path in run.path.iterdir())
    panel = TrainPanel(out=tmp_path / "none", lang="en", presenter=True)
    panel.replay(run, speed=1e9)
    while panel.tick():
        pass
    assert "Recording of recorded" in panel._words.value
    assert panel._curves.value.count("<svg") == 2
    assert sorted((path.name, path.stat().st_mtime_ns) for path in run.path.iterdir()) == before
    panel.reset()
    assert panel.run is None
    assert "<svg" not in panel._curves.value and "as soon as it trains" in panel._curves.value


def test_an_error_that_goes_by_stops_no_panel(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = TrainPanel(out=recorded().path, lang="en")
    monkeypatch.setattr(Run, "state", lambda _: State("running", 3, 8))
    with monkeypatch.context() as broken:
        broken.setattr(panel.step, "poll", lambda: 1 / 0)
        assert panel.tick()
        assert "ZeroDivision" in panel._card.value
    assert panel.tick()
    assert panel._card.value == ""
    monkeypatch.setattr(panel.step, "poll", lambda: 1 / 0)
    assert sum(panel.tick() for _ in range(100)) < 20


def test_of_two_panels_on_one_run_the_later_looks(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded()
    monkeypatch.setattr(Run, "state", lambda _: State("running", 3, 8))

    async def kernel() -> None:
        panels = [TrainPanel(out=run.path, lang="en") for _ in range(3)]
        other = TrainPanel(out=run.path.with_name("other"), lang="en")
        await asyncio.sleep(0)
        assert [panel.ticker.awake for panel in panels] == [False, False, True]
        panels[0].wake()
        await asyncio.sleep(0)
        assert panels[0].ticker.awake and not other.ticker.awake
        for panel in panels:
            panel.ticker.rest()

    asyncio.run(asyncio.wait_for(kernel(), 20))


def test_a_worker_that_fails_is_told_by_a_card(recorded: Recorded) -> None:
    from workbench.runs import write_json

    run = recorded()
    told = {"status": "failed", "key": "training.no_4bit", "values": {"reason": "<no> kernel"}, "step": 3}
    write_json(run.path / "state.json", told)
    panel = TrainPanel(out=run.path, lang="en")
    assert "&lt;no&gt; kernel" in panel._card.value
    assert "quantization=none" in panel._card.value
    assert not panel.controls.named["resume"].disabled


@pytest.mark.slow
def test_a_training_is_started_stopped_resumed_and_ends(tiny: Path, tmp_path: Path) -> None:
    panel = TrainPanel(out=tmp_path / "first", settings=tiny_settings(tiny, steps=400), lang="en")
    named = panel.controls.named
    named["start"].click()
    panel.settle()
    assert panel.run is not None
    while not panel.step.history.train:
        panel.tick()
    assert (named["start"].disabled, named["stop"].disabled) == (True, False)
    named["stop"].click()
    wait(panel.run, 120)
    panel.tick()
    assert panel.run.state().status == "stopped"
    assert not named["resume"].disabled
    stopped = panel.step.history.step
    assert panel.checkpoint is not None
    again = TrainPanel(out=tmp_path / "first", settings=tiny_settings(tiny, steps=400), lang="en")
    again.controls.named["resume"].click()
    run = again.wait(240)
    assert run is not None
    assert run.state().status == "ended"
    assert again.step.history.step == 400 > stopped
    assert "★" in str(again._checkpoint.options)


def grown_by(panel: TrainPanel, run: Run, evaluations: int, steps_between: int, since: int = 0) -> float:
    """MB by which this process grows while the panel shows so many evaluations, drawing each."""
    import psutil

    def megabytes() -> float:
        return psutil.Process(os.getpid()).memory_info().rss / 1e6

    step, before = panel.step.history.step, 0.0
    for number in range(evaluations):
        for _ in range(steps_between):
            step += 1
            run.events.append("train", step=step, loss=2.0, seconds=0.1 * step)
        evaluate(run, step, 2.0 + number % 3)
        panel._read()
        panel._draw()
        if number == since:
            before = megabytes()
    return megabytes() - before


def test_live_updates_leave_nothing_behind(recorded: Recorded) -> None:
    run = recorded()
    panel = TrainPanel(out=run.path, lang="en")
    # The caches are full by then. Alone it grows by less than 4; after a whole suite other things move in that memory.
    assert grown_by(panel, run, evaluations=36, steps_between=50, since=20) < 25


def test_a_look_without_news_draws_and_sends_nothing(recorded: Recorded) -> None:
    panel = TrainPanel(out=recorded().path, lang="en")
    sent: list[Any] = []
    for widget in (panel._curves, panel._words, panel._samples, panel._numbers):
        widget.observe(sent.append, names="value")
    for _ in range(5):
        panel.tick()
    assert sent == []
