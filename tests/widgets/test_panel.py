"""What every panel does: cards, two languages, a static view, undo, presenter's mode, a kernel that stays free."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import pytest

import workbench as wb
from workbench.data import Persona
from workbench.errors import BadSetting
from workbench.widgets import ChatPanel, DataPanel, ExportPanel, MaskPanel, TrainPanel, Workbench
from workbench.widgets.controls import Ticks
from workbench.widgets.live import Job, Ticker
from workbench.widgets.panel import Panel

Says = Callable[[Any], str]
VIEW = "application/vnd.jupyter.widget-view+json"


def every(tmp_path: Path, **options: Any) -> list[Panel]:
    """One of each."""
    return [
        DataPanel(**options),
        MaskPanel(**options),
        TrainPanel(out=tmp_path / "first", **options),
        ExportPanel(**options),
        ChatPanel(**options),
        Workbench(tmp_path / "mine", **options),
    ]


def test_the_panels_are_names_of_the_package() -> None:
    assert wb.TrainPanel is TrainPanel
    assert wb.Workbench is Workbench


def test_every_panel_speaks_both_languages_and_switches(tmp_path: Path, says: Says) -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    for panel in every(tmp_path, lang="en"):
        title = panel.root.children[1].children[0]
        assert not chinese.search(title.value), panel
        panel.speak("zh")
        assert panel.controls.named["language"].value == "zh"
        assert chinese.search(title.value), panel
        buttons = [w.description for name, w in panel.controls.named.items() if name in ("undo", "reset", "start")]
        assert all(chinese.search(words) for words in buttons), panel


def test_every_choice_shows_what_is_chosen(tmp_path: Path) -> None:
    for panel in every(tmp_path):
        choices = [(name, w) for name, w in panel.controls.named.items() if isinstance(w, ipw.Dropdown)]
        empty = [name for name, choice in choices if choice.options and choice.index is None]
        assert choices or isinstance(panel, Workbench)
        assert not empty, panel


def test_the_switch_in_the_panel_changes_its_language(tmp_path: Path) -> None:
    panel = DataPanel(lang="en")
    panel.controls.named["language"].value = "zh"
    assert panel.lang == "zh"
    assert panel.controls.named["make"].description == "生成并检查"


def test_every_control_has_a_label(tmp_path: Path) -> None:
    for panel in every(tmp_path, lang="zh"):
        for name, widget in panel.controls.named.items():
            if isinstance(widget, Ticks):
                assert all(box.description for box in widget.children) and widget.tooltip is None
            elif hasattr(widget, "disabled") and name not in ("language", "step"):
                assert getattr(widget, "description", "") or widget.tooltip, f"{panel} {name}"


def test_a_panel_shows_a_widget_and_html_and_text(tmp_path: Path) -> None:
    for panel in every(tmp_path, lang="en"):
        bundle = panel._repr_mimebundle_()
        assert set(bundle) == {VIEW, "text/html", "text/plain"}
        assert bundle[VIEW]["model_id"] == panel.root.model_id
        assert "Run the cell" in bundle["text/html"]


def test_the_static_view_is_whole_html(tmp_path: Path) -> None:
    class Checker(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            if tag not in ("br", "path", "use", "img", "input", "meta", "rect", "line"):
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag not in ("path", "use", "rect", "line"):
                assert self.open.pop() == tag

    for panel in every(tmp_path, lang="zh"):
        checker = Checker()
        checker.feed(panel.static_html())
        assert checker.open == []


def test_a_mistake_becomes_a_card_with_the_remedy_and_the_control_goes_back(tmp_path: Path) -> None:
    panel = TrainPanel(out=tmp_path / "first", lang="en")
    rate = panel.controls.named["optimizer.learning_rate"]
    before = rate.value
    rate.value = "fast"
    assert 'role="alert"' in panel._card.value
    assert "needs a number" in panel._card.value
    assert "1e-3" in panel._card.value
    assert rate.value == before
    rate.value = "0.004"
    assert panel._card.value == ""
    assert panel.step.recipe.optimizer.learning_rate == 0.004


def test_what_learners_write_is_escaped_wherever_it_is_shown(tmp_path: Path) -> None:
    panel = DataPanel(persona=Persona("<img src=x onerror=alert(1)>"), lang="en")
    panel.step.change(count=20, ratio=0.0)
    panel.make()
    panel.settle()
    shown = panel._shown_rows.value + panel.static_html() + panel._card.value
    assert "&lt;img" in shown
    assert "<img" not in shown


def test_undo_and_start_over_put_the_form_back() -> None:
    panel = DataPanel(persona=Persona("Sprout"), lang="en")
    panel.controls.named["name"].value = "Moss"
    panel.controls.named["undo"].click()
    assert panel.controls.named["name"].value == "Sprout"
    panel.controls.named["ratio"].value = 8.0
    panel.reset()
    assert panel.controls.named["ratio"].value == 3.5


def test_a_change_from_elsewhere_shows_in_the_form() -> None:
    panel = DataPanel(lang="en")
    thread = threading.Thread(target=lambda: panel.step.change(name="Fern"))
    thread.start()
    thread.join()
    assert panel.controls.named["name"].value == "Fern"


def test_the_code_is_written_when_it_is_unfolded() -> None:
    panel = DataPanel(persona=Persona("Sprout"), lang="en")
    assert panel._code.value == ""
    panel.controls.named["code"].children[0].value = True
    assert "wb.Persona" in panel._code.value


def test_on_stage_type_is_large_settings_are_locked_and_the_rest_is_away(tmp_path: Path) -> None:
    for panel in every(tmp_path, lang="en", presenter=True):
        assert "wb-large" in panel.root._dom_classes
        assert panel.controls.named["code"].layout.display == "none"
        locked = panel.controls.settings - set(panel.open_on_stage)
        assert all(panel.controls.named[name].disabled for name in locked)
        assert all(
            not getattr(panel.controls.named[name], "disabled", False)  # a box has nothing to lock
            for name in panel.open_on_stage
            if name in panel.controls.named
        )


def test_a_teacher_locks_and_hides_single_controls(tmp_path: Path) -> None:
    panel = TrainPanel(out=tmp_path / "first", lang="en")
    panel.lock("adapter.r")
    panel.hide("runtime.seed", "others")
    named = panel.controls.named
    assert named["adapter.r"].disabled
    assert not named["optimizer.learning_rate"].disabled
    assert named["runtime.seed.box"].layout.display == "none"
    panel.unlock("adapter.r")
    panel.show()
    assert not named["adapter.r"].disabled
    assert named["runtime.seed.box"].layout.display is None


def test_what_is_locked_stays_locked_where_it_is_made_or_drawn_later(tmp_path: Path) -> None:
    for panel in (TrainPanel(out=tmp_path / "a", lang="en"), TrainPanel(out=tmp_path / "b", presenter=True)):
        panel.lock()
        panel.controls.named["all_settings"].children[0].value = True
        assert panel.controls.named["schedule.max_steps"].disabled
        panel.unlock("max_steps")
        assert not panel.controls.named["schedule.max_steps"].disabled
        panel.show("others")
        assert not panel.controls.named["speed"].disabled
    mask = MaskPanel(lang="en")
    mask.lock("toggles")
    mask.controls.named["conversation"].value = 2
    assert [box.disabled for box in mask._toggles.children] == [True, True]
    mask.unlock("toggles")
    assert not mask._toggles.children[0].disabled


def test_a_short_name_is_enough_and_a_wrong_one_is_refused_with_the_nearest(tmp_path: Path) -> None:
    panel = TrainPanel(out=tmp_path / "first", lang="en")
    panel.hide("learning_rate")
    assert panel.controls.named["optimizer.learning_rate.box"].layout.display == "none"
    with pytest.raises(BadSetting, match="learning_rate"):
        panel.lock("learning_rat")
    with pytest.raises(BadSetting, match=r"persona\.name"):
        panel.lock("name")


def test_the_whole_locks_and_hides_in_all_its_panels_also_in_later_ones(tmp_path: Path) -> None:
    whole = Workbench(tmp_path / "mine", lang="en")
    whole.lock()
    whole.hide("seed")
    data, train = (whole.open(step).controls.named for step in ("data", "train"))
    assert data["name"].disabled and train["optimizer.learning_rate"].disabled
    assert data["seed.box"].layout.display == train["runtime.seed.box"].layout.display == "none"
    whole.show()
    whole.unlock("name")
    assert not data["name"].disabled and train["optimizer.learning_rate"].disabled
    assert data["seed.box"].layout.display is None
    assert data["language"].layout.display == whole.controls.named["undo"].layout.display == "none"
    with pytest.raises(BadSetting, match="temperature"):
        whole.lock("temperatur")


def test_an_error_in_a_thread_becomes_a_card_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    panel = DataPanel(lang="en")

    def broken() -> None:
        raise RuntimeError("out of <luck>")

    panel.run_job(broken)
    panel.settle()
    assert "out of &lt;luck&gt;" in panel._card.value
    assert capfd.readouterr() == ("", "")


def test_a_ticker_looks_on_the_loop_until_nothing_comes() -> None:
    seen: list[int] = []

    def tick() -> bool:
        seen.append(threading.get_ident())
        return len(seen) < 3

    async def kernel() -> None:
        ticker = Ticker(tick, period=0)
        threading.Thread(target=ticker.wake).start()
        ticker.wake()
        while len(seen) < 3 or ticker.awake:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(kernel(), 10))
    assert seen == [threading.main_thread().ident] * 3


def test_without_a_loop_a_ticker_sleeps() -> None:
    ticker = Ticker(lambda: True)
    ticker.wake()
    assert not ticker.awake


def test_a_job_keeps_its_error() -> None:
    job = Job(lambda: 1 / 0)
    assert job.wait(10)
    assert isinstance(job.error, ZeroDivisionError)
