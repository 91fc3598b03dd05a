"""The studio in a real browser: from an empty workspace to the assistant's first sentence, and back after a reload.

The training is a short one, enough to see everything; with ALL=1 it is a whole one, after which the assistant must know
its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.browser.conftest import served

pytestmark = pytest.mark.browser
WHOLE = bool(os.environ.get("ALL"))
SIZES = [(390, 844, "zh", "小芽"), (1280, 720, "en", "Sprout")]
SHORT = """
model: {name: pocket, quantization: nf4}
data: {max_length: 256}
optimizer: {learning_rate: 2.0e-3}
schedule: {max_steps: 8, per_device_train_batch_size: 4}
evaluation: {eval_steps: 4, identity_probes: 4, general_probes: 4, unrelated_probes: 2, max_new_tokens: 12}
"""
# What sticks out of the window: the innermost parts are of interest, those inside something that scrolls are not.
STICKS_OUT = """() => [...document.querySelectorAll('.gradio-container *')].filter((part) => {
  const inside = (one) => one.getBoundingClientRect().right <= innerWidth + 1;
  if (inside(part)) return false;
  for (let up = part.parentElement; up && up !== document.body; up = up.parentElement)
    if (getComputedStyle(up).overflowX !== 'visible' && inside(up)) return false;
  return true;
}).map((part) => `${part.tagName}#${part.id}.${part.className}`.slice(0, 120)).slice(-5)"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The studio as its command starts it."""
    if find_spec("gradio") is None:
        pytest.skip("needs Gradio")
    root = tmp_path_factory.mktemp("studio")
    (root / "short.yaml").write_text(SHORT, encoding="utf-8")
    code = "from workbench.cli import main; main()"
    recipe = "pocket-qlora" if WHOLE else "short.yaml"
    with served(["-c", code, "studio", "--root", str(root / "rooms"), "--recipe", recipe], root) as address:
        yield address


@pytest.fixture
def visit(studio: str, browser: Any) -> Iterator[Callable[..., Any]]:
    """``visit(width, height, lang)`` opens the page; an error on it fails the test."""
    contexts, wrong = [], []

    def visit(width: int, height: int, lang: str, **how: Any) -> Any:
        locale = {"zh": "zh-CN", "en": "en-GB"}[lang]
        context = browser.new_context(viewport={"width": width, "height": height}, locale=locale, **how)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.set_default_timeout(120_000)
        page.goto(studio)
        page.wait_for_function("document.querySelector('#name input, #name textarea')?.value")  # the workspace is open
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not wrong


def fill(page: Any, name: str, author: str) -> None:
    page.locator("#name input, #name textarea").first.fill(name)
    page.locator("#author input, #author textarea").first.fill(author)
    page.locator("#make").click()
    page.locator("#out-data table").wait_for()


def assert_fits(page: Any) -> None:
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1] + 1, (width, page.evaluate(STICKS_OUT))
    assert not page.evaluate(STICKS_OUT)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("width", "height", "lang", "name"), SIZES)
def test_from_an_empty_workspace_to_the_first_sentence(
    visit: Callable[..., Any], picture: Callable[..., None], width: int, height: int, lang: str, name: str
) -> None:
    page = visit(width, height, lang)

    def keep(step: str, part: str) -> None:
        page.locator(part).scroll_into_view_if_needed()
        picture(page, f"studio_{width}_{lang}_{step}")
        assert_fits(page)

    fill(page, name, "the class")
    keep("1", "#step-data")
    page.locator("#look").click()
    page.locator("#out-template .wb-tok").first.wait_for()
    keep("2", "#step-template")
    page.locator("#start").click()
    page.locator("#curves svg").first.wait_for()
    keep("3", "#step-train")
    page.reload()  # the training goes on by itself, and is found again
    done = {"en": "Finished.", "zh": "已完成。"}[lang]
    page.locator("#status").get_by_text(done).wait_for(timeout=600_000)
    page.locator("#curves svg").first.wait_for()
    # the page fills its steps one after the other
    value = "document.querySelector('#name input, #name textarea')?.value"
    page.wait_for_function(f"name => {value} === name", arg=name)
    keep("4", "#curves")
    page.locator("#merge").click()
    page.locator("#out-export table").wait_for()
    keep("5", "#step-export")
    page.locator("#ask-button").click()
    answer = "#out-chat .wb-answer[data-label=merged]"
    page.wait_for_function(f"document.querySelector('{answer}')?.textContent.length > 3")
    if WHOLE:
        page.locator(answer).get_by_text(name).wait_for()
    keep("6", "#step-chat")
    picture(page, f"studio_{width}_{lang}_whole", full_page=True)


def test_on_a_projector_in_the_dark(visit: Callable[..., Any], picture: Callable[..., None]) -> None:
    page = visit(1920, 1080, "en", color_scheme="dark")
    fill(page, "Sprout", "")
    page.locator("#look").click()
    page.locator("#out-template .wb-tok").first.wait_for()
    assert_fits(page)
    picture(page, "studio_1920_dark", full_page=True)
    page.get_by_text("中文", exact=True).first.click()
    page.get_by_role("heading", name="模板与掩码").wait_for()
    page.locator("#out-template").get_by_text("个词元中有").wait_for()
    assert page.locator("#name input, #name textarea").first.input_value() == "Sprout"
    picture(page, "studio_1920_dark_zh", full_page=True)
