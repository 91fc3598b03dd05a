"""The panels in a real JupyterLab, used as a student does: by mouse and keyboard, over restarts and reloads."""

from __future__ import annotations

import json
import os
import re
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.browser.jupyter import PATIENCE, Lab, Notebook, notebook
from tests.recordings import record, tiny_settings
from workbench.runs import Run, stop

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (find_spec("jupyterlab") and find_spec("ipywidgets")), reason="needs the extra notebook"),
]

Picture = Callable[..., None]
FOCUS = "document.activeElement.innerText || document.activeElement.getAttribute('aria-label') || ''"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    place = tmp_path_factory.mktemp("lessons")
    server = Lab(place)
    yield server
    for run in (path.parent for path in place.rglob("events.jsonl")):
        stop(Run(run), 60, kill=True)
    server.close()


@pytest.fixture
def opened(lab: Lab, browser: Any, picture: Picture) -> Iterator[Callable[..., Notebook]]:
    """``opened(name, *cells)`` writes a notebook and opens it; errors of the page fail the test."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_(name: str, *cells: str) -> Notebook:
        notebook(lab.place / f"{name}.ipynb", cells)
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: None if is_local(r.url) else wrong.append(r.url))
        return Notebook(page, lab, f"{name}.ipynb")

    yield open_
    for number, context in enumerate(contexts):
        wrong += context.pages[0].get_by_text("javascript error").all_inner_texts()  # in the place of a widget
        picture(context.pages[0], f"last-{number}-{Path(context.pages[0].url).stem}")
        context.close()
    lab.end_kernels()
    assert not wrong


def is_local(url: str) -> bool:
    return url.startswith(("data:", "blob:")) or urllib.parse.urlparse(url).hostname == "127.0.0.1"


def training(tiny: Path, out: str, steps: int) -> str:
    """A cell that shows a panel for a short training of the tiny model."""
    settings = json.loads(json.dumps(tiny_settings(tiny, steps)).replace("null", '"null"'))
    settings["data"]["general"] = None
    return f"import workbench as wb\npanel = wb.TrainPanel(out={out!r}, settings={settings!r}, lang='en')\npanel"


def button(page: Any, words: str) -> Any:
    return page.locator(".wb-widget button", has_text=words).first


def says(page: Any, words: str | re.Pattern[str]) -> None:
    """Wait until the status line says it: no single step, for the line may never show it."""
    page.locator(".wb-widget .wb-status", has_text=words).first.wait_for(timeout=PATIENCE * 2)


def test_a_training_outlives_the_kernel_and_is_watched_to_its_end(opened: Any, tiny: Path, picture: Picture) -> None:
    book = opened("restart", training(tiny, "runs/restart", 2000))
    book.run()
    button(book.page, "Start").click()
    says(book.page, re.compile(r"step [1-9]"))
    book.restart()
    book.run()
    says(book.page, "running")  # the panel has found its run again, without a click
    says(book.page, "ended")
    book.page.locator(".wb-widget .wb-plot").first.wait_for()
    picture(book.page, "lab-restart-ended")
    run = Run(book.lab.place / "runs" / "restart")
    assert [e.step for e in run.events.all() if e.kind == "train"] == list(range(1, 2001))
    assert book.page.locator(".wb-widget option", has_text="★ best").count() == 1


def test_a_click_on_stop_works_while_it_trains_and_the_cells_stay_free(opened: Any, tiny: Path) -> None:
    book = opened("stop", training(tiny, "runs/stop", 4000), "print(6 * 7)")
    book.run()
    button(book.page, "Start").click()
    says(book.page, re.compile(r"step [1-9]"))
    book.run(1)
    book.page.locator('[data-mime-type$="stdout"]', has_text="42").wait_for()  # the panel's own numbers may hold it too
    button(book.page, "Stop and save").click()
    says(book.page, "stopped")
    assert button(book.page, "Go on").is_enabled()
    run = Run(book.lab.place / "runs" / "stop")
    assert run.checkpoints()[-1].step == run.state().step


def test_a_training_is_started_by_keyboard_alone_and_the_saved_picture_is_that_of_its_end(
    opened: Any, tiny: Path
) -> None:
    book = opened("keys", training(tiny, "runs/keys", 12))
    book.run()
    page = book.page
    button(page, "Start").wait_for()
    page.locator(".wb-widget").locator("button, select, input").first.focus()
    for _ in range(60):
        if "Start" in page.evaluate(FOCUS):
            break
        page.keyboard.press("Tab")
    assert "Start" in page.evaluate(FOCUS)
    page.keyboard.press("Enter")
    says(page, "ended")
    assert page.locator(".jp-CodeCell").count() <= 2  # no key has made or changed a cell
    for _ in range(10):  # the page shows the end before the kernel has drawn what is saved of it
        book.save()
        html = "".join("".join(out["data"].get("text/html", "")) for out in book.outputs())
        if "<svg" in html and "ended" in html:
            break
    assert "<svg" in html
    assert "ended" in html


def test_a_page_without_its_kernel_shows_what_was_last_seen(opened: Any, lab: Lab, picture: Picture) -> None:
    record(lab.place / "runs" / "recorded")
    cell = "import workbench as wb\nwb.TrainPanel(out='runs/recorded', lang='zh')"
    book = opened("saved", cell)
    book.run()
    book.page.locator(".wb-widget .wb-plot").first.wait_for()
    book.save()
    lab.end_kernels()
    book.open()
    static = book.page.locator(".jp-RenderedHTML .wb")
    static.first.wait_for()
    assert "保存下来的面板画面" in static.first.inner_text()
    assert static.locator("svg").count() == 2
    assert book.page.locator(".wb-widget").count() == 0
    picture(book.page, "lab-static")


def test_a_reloaded_page_finds_its_live_panel_again(opened: Any, lab: Lab) -> None:
    record(lab.place / "runs" / "reload")
    book = opened("reload", "import workbench as wb\npanel = wb.TrainPanel(out='runs/reload', lang='en')\npanel")
    book.run()
    book.page.locator(".wb-widget .wb-plot").first.wait_for()
    book.save()
    book.open()
    book.page.locator(".wb-widget").first.wait_for()
    button(book.page, "中文").click()
    book.page.locator(".wb-widget .wb-status", has_text="第 8 步").wait_for()


def test_data_mask_and_chat_are_used_by_mouse_and_keyboard(opened: Any, picture: Picture) -> None:
    book = opened(
        "three",
        "import workbench as wb\ndata = wb.DataPanel(persona=wb.Persona('Sprout', 'Lin'), lang='en')\ndata",
        "mask = wb.MaskPanel(lang='en')\nmask",
        "chat = wb.ChatPanel({'pocket': 'pocket'}, lang='en')\nchat",
    )
    page = book.page
    book.run(0)
    button(page, "Make and check").click()
    page.locator(".wb-widget >> text=found nothing that would teach").wait_for()
    book.run(1)
    page.locator(".wb-widget .wb-rows .wb-tok").first.wait_for()
    page.locator(".wb-widget .wb-rows .wb-tok.wb-on").first.hover()
    page.locator(".wb-widget .wb-detail", has_text="trained").first.wait_for()
    page.locator(".wb-widget .wb-rows .wb-tok").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.classList.contains('wb-tok')")
    book.run(2)
    upload = page.locator(".wb-widget .wb-takes-files")
    upload.wait_for()
    assert upload.inner_text().strip() == "Show a picture"  # no count behind it
    page.get_by_label("Question", exact=True).fill("What is the capital of France?")
    page.keyboard.press("Enter")
    page.locator(".wb-widget .wb-answer", has_text="Paris").wait_for()
    picture(page, "lab-three", full_page=True)


def test_on_stage_a_token_is_told_of_where_it_stands_without_scrolling(opened: Any, picture: Picture) -> None:
    book = opened("why", "import workbench as wb\nwb.MaskPanel(presenter=True, lang='en')")
    page = book.page
    page.set_viewport_size({"width": 1280, "height": 720})
    book.run()
    token = page.locator(".wb-widget .wb-rows .wb-tok").first
    token.wait_for(timeout=PATIENCE)
    page.mouse.wheel(0, 1)  # who scrolls is not brought back to the panel's head, as a cell just run is
    token.evaluate("(one) => one.scrollIntoView({ block: 'center' })")
    card = page.locator(".wb-widget .wb-detail")
    for hand in (token.hover, token.focus):
        page.mouse.move(1, 1)
        hand()
        card.get_by_text("not trained").wait_for()
        page.wait_for_timeout(300)
        box, own = card.bounding_box(), token.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 720
        near = min(abs(own["y"] + own["height"] - box["y"]), abs(box["y"] + box["height"] - own["y"]))
        assert near < 10 or page.evaluate(ON_TOP, card.element_handle())
    picture(page, "stage-mask")


# whether nothing of a frame cuts off the card
ON_TOP = """(card) => {
  const box = card.getBoundingClientRect(), x = box.left + box.width / 2;
  return [box.top + 4, box.bottom - 4].every((y) => card.contains(document.elementFromPoint(x, y)));
}"""
CELLS = {
    "data": "p = wb.DataPanel(persona=wb.Persona({name!r}, 'Lin'), {how})\np.make(); p.settle()\np",
    "mask": "wb.MaskPanel(other='qwen_chat', {how})",
    "train": "wb.TrainPanel(out='runs/shown', {how})",
    "export": "p = wb.ExportPanel('runs/shown', {how})\np.convert(); p.settle()\np",
    "chat": "p = wb.ChatPanel({{'base': 'pocket', 'again': 'pocket'}}, {how})\np.ask(); p.settle()\np",
    "whole": "wb.Workbench('mine', {how})",
}
CUT = """() => [...document.querySelectorAll('.wb-widget button, .wb-widget .widget-label, .wb-widget select')]
  .filter((one) => one.offsetParent && one.scrollWidth > one.clientWidth + 2 && one.clientWidth)
  .map((one) => one.innerText || one.className)"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_panel_is_cut_off_in_either_language(dark: bool, browser: Any, tmp_path: Path, picture: Picture) -> None:
    """English by day, Chinese by night: colours take no room. Where pictures are asked for, both in both."""
    languages = [("en", "Sprout"), ("zh", "小芽")]
    if not os.environ.get("WORKBENCH_SCREENSHOTS"):
        languages = languages[dark:][:1]
    place = tmp_path / "pictures"
    place.mkdir()
    record(place / "runs" / "shown")
    server = Lab(place, dark=dark)
    try:
        for lang, name in languages:
            how = f"lang={lang!r}"
            cells = ["import workbench as wb", *(cell.format(name=name, how=how) for cell in CELLS.values())]
            cells += [f"wb.TrainPanel(out='runs/shown', presenter=True, {how})"]
            notebook(place / f"{lang}.ipynb", cells)
            page = browser.new_context(viewport={"width": 1280, "height": 1400}).new_page()
            book = Notebook(page, server, f"{lang}.ipynb")
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_text("Run All Cells", exact=True).click()
            page.wait_for_function("() => document.querySelectorAll('.wb-widget').length === 7", timeout=PATIENCE * 3)
            book.ready()
            theme = "dark" if dark else "light"
            for number, panel in enumerate([*CELLS, "stage"]):
                shown = page.locator(".wb-widget").nth(number)
                shown.scroll_into_view_if_needed()
                picture(shown, f"panel-{panel}-{lang}-{theme}")
            assert page.evaluate(CUT) == []
            page.context.close()
            server.end_kernels()
    finally:
        server.close()
        shutil.rmtree(place)
