"""The pieces of lessons in a real JupyterLab, by mouse and keyboard: guesses, self-checks, mask lab, theatre."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.browser.jupyter import PATIENCE, Lab, Notebook, notebook
from tests.recordings import record
from workbench.cli import lab as command_of
from workbench.coursework import Workbook
from workbench.runs import Run, stop

key_of: Any = import_module("workbench.widgets.quiz").key_of if find_spec("ipywidgets") else (lambda *_: "")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (find_spec("jupyterlab") and find_spec("ipywidgets")), reason="needs the extra notebook"),
]
COURSE = Path(__file__).resolve().parents[2] / "course"
QUIZ = {"ask": "Why?", "options": {"wrong": "No.", "right": "Yes."}, "key": key_of(5, 1, "right")}
PIECES = [
    "import workbench as wb\nwb.Predict('5.step', 'At which step?', slider=(0, 84, 3), lang='en')",
    "wb.Predict('5.which', 'Which?', choices=['one', 'two'], lang='en')",
    "wb.Reveal(wb.show([]), after=('5.step', '5.which'), lang='en')",
    "wb.Compare('5.step', 42, of=84, lang='en')",
    f"wb.Quiz(5, {QUIZ}, lang='en')",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    place = tmp_path_factory.mktemp("course")
    server = Lab(place)
    yield server
    for run in (path.parent for path in place.rglob("events.jsonl")):
        stop(Run(run), 60, kill=True)
    server.close()


# whether the middle and the lower edge of something are under no edge, and nothing else
IN_SIGHT = """(one) => {
  const box = one.getBoundingClientRect(), at = (y) => document.elementFromPoint(box.left + box.width / 2, y);
  return [box.top + box.height / 2, box.bottom - 2].every((y) => one.contains(at(y)));
}"""


def opened(lab: Lab, browser: Any, name: str, *cells: str, **view: Any) -> Notebook:
    if cells:
        notebook(lab.place / f"{name}.ipynb", cells)
    page = browser.new_context(viewport={"width": 1280, "height": 720}, **view).new_page()
    return Notebook(page, lab, f"{name}.ipynb")


def run_all(book: Notebook) -> None:
    book.page.get_by_role("menuitem", name="Run", exact=True).click()
    book.page.get_by_text("Run All Cells", exact=True).click()


def test_run_all_spoils_nothing_and_a_guess_by_keyboard_opens_it(lab: Lab, browser: Any, picture: Any) -> None:
    shutil.rmtree(lab.place / "my-work", ignore_errors=True)
    book = opened(lab, browser, "pieces", *PIECES)
    page = book.page
    run_all(book)
    page.locator(".wb-quiz").first.wait_for(timeout=PATIENCE)
    assert page.get_by_text("This opens when you have guessed").count() >= 2
    assert page.get_by_text("it was 42").count() == 0
    page.locator(".wb-predict .noUi-handle").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    page.locator(".wb-predict button", has_text="That is my guess").first.focus()
    page.keyboard.press("Enter")
    page.get_by_text("You guessed 39; it was 42 of 84").first.wait_for()
    page.get_by_label("two").click()
    page.locator(".wb-predict button", has_text="That is my guess").click()
    page.get_by_text("This opens when you have guessed").first.wait_for(state="detached")
    page.locator(".wb-widget .wb-option", has_text="wrong").click()
    page.locator(".wb-widget .wb-option", has_text="right").click()
    page.get_by_text(re.compile("Right at the first try")).first.wait_for()
    picture(page, "kit-en", full_page=True)
    workbook = Workbook(lab.place / "my-work" / "answers")
    guess, tried = workbook.guess("5.step"), workbook.quiz("5.quiz-1")
    assert guess is not None and (guess.guess, guess.truth) == (39, 42) and tried is not None
    book.save()
    saved = json.dumps((lab.place / "pieces.ipynb").read_text(encoding="utf-8"))
    assert "You guessed 39; it was 42 of 84" in saved
    page.context.close()
    lab.end_kernels()


def test_keys_within_a_piece_or_a_mask_leave_the_notebooks_cells_alone(lab: Lab, browser: Any) -> None:
    shutil.rmtree(lab.place / "my-work", ignore_errors=True)
    mask = (
        "import workbench as wb\nfrom workbench.models import load_tokenizer\n"
        "from workbench.steps.template import samples\nfrom workbench.templates import mask_view\n"
        "wb.show(mask_view(samples('en')[0], load_tokenizer('pocket')), lang='en')"
    )
    book = opened(lab, browser, "keys", mask, PIECES[1])
    page = book.page
    book.run(0)
    book.run(1)
    radio = page.locator(".wb-predict input[type=radio]")
    radio.first.wait_for(timeout=PATIENCE)
    radio.first.focus()
    for key in ("a", "b", "ArrowDown", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
    assert radio.nth(1).is_checked()
    page.keyboard.press("Tab")
    for key in ("b", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    page.get_by_text("Your guess: two").first.wait_for()
    token = page.locator(".wb-mask .wb-rows .wb-tok").first
    token.focus()
    for key in ("ArrowDown", "b", "End"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.classList.contains('wb-tok')")
    assert page.locator(".jp-Notebook .jp-Cell").count() == 3  # the two, and the empty one that the second's run made
    page.context.close()
    lab.end_kernels()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_lesson_5_moves_a_curve_after_two_clicks(lang: str, lab: Lab, browser: Any, picture: Any) -> None:
    shutil.rmtree(lab.place / "my-work", ignore_errors=True)
    shutil.copy(COURSE / lang / "05-overfitting.ipynb", lab.place / f"lesson-5-{lang}.ipynb")
    book = opened(lab, browser, f"lesson-5-{lang}")
    page = book.page
    page.locator(".jp-CodeCell").first.locator(".jp-InputArea-editor").click()  # one
    page.keyboard.press("Shift+Enter")
    start = page.locator(".wb-widget button", has_text="Start" if lang == "en" else "开始").first
    start.wait_for(timeout=PATIENCE)
    page.wait_for_function(IN_SIGHT, arg=start.element_handle())  # nobody scrolls: the view has come to the panel
    box = start.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # two
    page.locator(".wb-widget .wb-live", has_text="Starting" if lang == "en" else "正在开始").first.wait_for()
    plot = page.locator(".wb-widget .wb-plot").first
    plot.wait_for(timeout=2 * PATIENCE)
    page.wait_for_function(IN_SIGHT, arg=plot.element_handle())
    picture(page, f"lesson-5-{lang}")
    stop(Run(lab.place / "my-work" / "lesson-5" / "spoilt"), 60, kill=True)
    page.context.close()
    lab.end_kernels()


def at_token(page: Any, token: Any) -> None:
    """The tip is seen as a whole, and stands at its token."""
    page.locator(".wb-tip").wait_for()
    box, own = page.locator(".wb-tip").bounding_box(), token.bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 720 and box["x"] >= 0 and box["x"] + box["width"] <= 1280
    assert min(abs(own["y"] + own["height"] - box["y"]), abs(box["y"] + box["height"] - own["y"])) < 10
    assert box["x"] <= own["x"] + own["width"] and own["x"] <= box["x"] + box["width"]
    assert page.evaluate("document.querySelector('.wb-tip').matches(':popover-open')")  # nothing cuts it off


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_mask_lab_fits_a_projector_and_says_why_at_the_token(
    lang: str, lab: Lab, browser: Any, picture: Any
) -> None:
    cell = f"import workbench as wb\nwb.MaskLab(presenter=True, lang={lang!r})"
    book = opened(lab, browser, f"stage-{lang}", cell)
    page = book.page
    book.run()
    page.locator(".wb-lab-tok").first.wait_for(timeout=PATIENCE)
    tokens = page.locator(".wb-widget .wb-lab-tok")  # the saved copy lies in the page too, hidden
    page.locator('.wb-widget .wb-lab-bar [data-do="reveal"]').first.click()
    tokens.nth(16).hover()
    at_token(page, tokens.nth(16))  # in the notebook's own frame, and in full screen
    page.locator('.wb-widget .wb-lab-bar [data-do="screen"]').first.click()
    page.wait_for_function("document.fullscreenElement !== null")
    tokens.nth(12).click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert re.search(r"2|两", page.locator(".wb-lab-score").first.inner_text())
    page.locator(".wb-widget button", has_text="Train twenty steps" if lang == "en" else "训练二十步").click()
    page.locator(".wb-lab-answers").first.wait_for(timeout=2 * PATIENCE)
    tokens.last.hover()
    at_token(page, tokens.last)
    assert page.locator(".wb-widget .wb-revealed").count() == 1  # what was open is so after the steps
    assert tokens.nth(12).get_attribute("aria-pressed") == "true"  # what was painted is still there
    assert page.evaluate("document.fullscreenElement.scrollHeight") <= 720
    picture(page, f"stage-{lang}")
    page.context.close()
    lab.end_kernels()


def test_the_theatre_is_dragged_by_keyboard_and_a_dead_kernel_is_said_once(
    lab: Lab, browser: Any, picture: Any
) -> None:
    record(lab.place / "runs" / "played")
    cells = [
        "import workbench as wb\nwb.Theatre('runs/played', lang='en')",
        "wb.TrainPanel(out='runs/played', lang='en')",
    ]
    book = opened(lab, browser, "theatre", *cells)
    page = book.page
    book.run(0)
    scrub = page.locator(".wb-theatre [data-scrub]").first
    scrub.wait_for(timeout=PATIENCE)
    scrub.focus()
    page.keyboard.press("Home")
    page.get_by_text("answer of step 0").first.wait_for()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.get_by_text("answer of step 4").first.wait_for()
    book.run(1)
    page.locator(".wb-widget .wb-plot").first.wait_for()
    book.restart()
    broken = """() => [...document.querySelectorAll(".wb-widget, .wb-widget *")]
      .filter((one) => one.classList.contains("jupyter-widgets-disconnected"))
      .filter((one) => getComputedStyle(one, '::before').content !== 'none').length"""
    assert page.evaluate(broken) == 0
    said = """() => [...document.querySelectorAll('.wb.wb-widget.jupyter-widgets-disconnected')]
      .filter((one) => getComputedStyle(one, '::after').content.includes('restarted')).length"""
    assert page.evaluate(said) == 2
    picture(page, "restarted")
    page.context.close()
    lab.end_kernels()


def test_a_course_opens_with_its_contents_and_the_names_of_its_lessons_whole(
    tmp_path: Path, browser: Any, picture: Any
) -> None:
    place = tmp_path / "fresh"
    command_of.copy_course("en", place)
    command_of.arrange(place)
    server = Lab(place)
    try:
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{server.url}/lab/tree/00-set-up.ipynb")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        page.locator(".jp-tocItem-content", has_text="How a lesson works").wait_for()
        names = page.locator(".jp-DirListing-itemText")
        assert len(names.all_inner_texts()) == len(list(place.glob("*.ipynb")))
        assert names.evaluate_all("(all) => all.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
        picture(page, "lab-fresh")
        page.context.close()
    finally:
        server.close()


def test_on_a_phone_the_lesson_comes_before_the_lists_at_its_sides(tmp_path: Path, browser: Any, picture: Any) -> None:
    place = tmp_path / "fresh"
    command_of.copy_course("zh", place)
    command_of.arrange(place)
    server = Lab(place, lang="zh")
    try:
        page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{server.url}/lab/tree/00-set-up.ipynb")
        page.locator(".jp-Notebook .jp-MarkdownCell h1").first.wait_for()
        page.wait_for_function("document.querySelector('.jp-Notebook').getBoundingClientRect().width > 250")
        names = page.locator(".jp-DirListing-itemText").first
        assert not names.is_visible()
        picture(page, "lab-phone")
        page.locator(".jp-SideBar.jp-mod-left .lm-TabBar-tab").first.click()
        names.wait_for()
        page.context.close()
    finally:
        server.close()
