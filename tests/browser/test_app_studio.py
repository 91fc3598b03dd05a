"""The studio in a real browser: from an empty workspace to the assistant's first sentence, and back after a reload.

The training is a short one, enough to see everything; with ALL=1 it is a whole one, after which the assistant must know
its name.
"""

from __future__ import annotations

import os
import re
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
        page.locator("#stepper [aria-current=step]").wait_for()  # the workspace is open
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


def onward(page: Any, step: str) -> None:
    """To the next step, by the one loud button of this one."""
    button = page.locator(f".wb-go[data-go={step}]:visible")
    button.wait_for()
    assert page.locator("button.primary:visible").count() == 0
    button.click()
    page.locator(f"#step-{step}").wait_for()
    assert page.locator(".wb-step:visible").count() == 1


def in_sight(page: Any, selector: str) -> None:
    """The whole of it is in the window, without scrolling."""
    page.locator(selector).wait_for()
    page.wait_for_function(
        """(selector) => {
            const box = document.querySelector(selector).getBoundingClientRect();
            return box.top >= 0 && box.bottom <= innerHeight;
        }""",
        arg=selector,
        timeout=10_000,
    )


# Curves and answers of which the right end is reached only by scrolling sideways.
CUT_OFF = """() => ["#curves", "#samples"].filter((place) =>
    [...document.querySelectorAll(`${place} .html-container, ${place} .wb-stacks, ${place} .wb-plot`)]
        .some((part) => part.scrollWidth > part.clientWidth + 1 || part.getBoundingClientRect().right > innerWidth))"""


def assert_fits(page: Any) -> None:
    """Nothing sticks out sideways, once what has just come has found its place."""
    for _ in range(20):
        width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        if width[0] <= width[1] + 1 and not page.evaluate(STICKS_OUT):
            return
        page.wait_for_timeout(250)
    raise AssertionError((width, page.evaluate(STICKS_OUT)))


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("width", "height", "lang", "name"), SIZES)
def test_from_an_empty_workspace_to_the_first_sentence(
    visit: Callable[..., Any], picture: Callable[..., None], faults: Callable[[Any], list[str]],
    width: int, height: int, lang: str, name: str,
) -> None:  # fmt: skip
    page = visit(width, height, lang)

    def keep(step: str) -> None:
        picture(page, f"studio_{width}_{lang}_{step}", full_page=True)
        assert page.locator("#stepper [aria-current=step]").count() == 1
        page.wait_for_timeout(600)  # until the colours of the buttons have changed
        assert_fits(page)

    keep("0")
    fill(page, name, "the class")
    keep("1")
    onward(page, "template")
    page.locator("#look").click()
    page.locator("#out-template .wb-tok").first.wait_for()
    page.locator("#out-template .wb-mask-tools button").wait_for()  # before any pointer is over the tokens
    page.locator("#out-template .wb-rows .wb-tok").nth(4).hover()
    in_sight(page, "#out-template .wb-detail")
    keep("2")
    onward(page, "train")
    keep("3a")
    page.locator("#start").click()
    page.locator("#status [role=progressbar]").wait_for()
    page.locator("#curves svg").first.wait_for()
    keep("3b")
    page.reload()  # the training goes on by itself, and is found again, at the step that was looked at
    done = {"en": "Finished.", "zh": "已完成。"}[lang]
    page.locator("#status").get_by_text(done).wait_for(timeout=600_000)
    if not WHOLE:
        page.locator("#status .wb-unlearnt").wait_for()
    keep("3c")
    assert page.evaluate(CUT_OFF) == []
    assert not faults(page)
    onward(page, "export")
    page.locator("#merge").click()
    page.locator("#out-export table").wait_for()
    keep("4")
    assert not faults(page)
    page.reload()  # what was made is offered to who comes back
    page.locator("#take-model").wait_for()
    onward(page, "chat")
    in_sight(page, "#ask textarea")
    page.locator("#ask textarea").fill({"en": "Who are you?", "zh": "你是谁？"}[lang])
    page.keyboard.press("Enter")
    answer = "#chat-1 .bot"
    page.wait_for_function(f"document.querySelector('{answer}')?.textContent.trim().length > 3")
    if WHOLE:
        page.locator(answer).get_by_text(name).first.wait_for()
    page.locator("#better textarea").fill("I am better.")
    page.locator("#add-answer").click()
    page.locator("#mended").get_by_text("1").first.wait_for()
    keep("5")
    assert not faults(page)
    page.locator("#mended [data-go=train]").click()
    page.locator("#status").get_by_text({"en": "have changed", "zh": "有了改动"}[lang]).wait_for()
    page.locator("#start.primary:visible").wait_for()
    page.locator("#stepper [data-go=data]").click()
    page.locator("#out-data table").get_by_text("I am better.").first.wait_for()


def test_a_click_is_heard_at_once_and_cannot_be_made_twice(visit: Callable[..., Any]) -> None:
    page = visit(1280, 720, "en")
    page.locator("#name input, #name textarea").first.fill("Sprout")
    heard = page.evaluate(
        """() => {
            const button = document.getElementById("make"), begun = performance.now();
            button.click();
            const line = document.querySelector(".wb-doing[data-for=make]");
            return [button.getAttribute("aria-busy"), line.hidden, line.textContent, performance.now() - begun];
        }"""
    )
    assert heard[:2] == ["true", False] and heard[2]
    page.locator("#out-data table").wait_for()
    page.locator("#make:not([aria-busy])").wait_for()
    page.locator("#name input, #name textarea").first.fill("")
    page.locator("#make").click()
    page.locator("#note-data .wb-error").wait_for()
    told = "document.querySelector('#note-data .wb-error')?.offsetParent"
    assert page.evaluate(f"(document.getElementById('make').click(), Boolean({told}))") is False  # that was before
    page.locator("#note-data .wb-error").wait_for()


def test_the_whole_path_is_open_to_the_keyboard(visit: Callable[..., Any]) -> None:
    page = visit(1280, 720, "en")
    page.locator("#name input, #name textarea").first.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("Sprout")
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "make":
            break
    page.keyboard.press("Enter")
    page.locator("#out-data table").wait_for()
    page.locator(".wb-go[data-go=template]").wait_for()
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.go"):
            break
    page.keyboard.press("Enter")
    page.locator("#step-template").wait_for()
    assert page.evaluate("document.activeElement.tagName") == "H2"
    locked = page.locator("#stepper [data-go=chat]")
    locked.focus()
    page.keyboard.press("Enter")
    page.locator("#stepper .wb-told").get_by_text("First train in step 3").wait_for()
    assert page.locator("#step-template").is_visible()
    page.go_back()
    page.locator("#step-data").wait_for()


@pytest.mark.parametrize(("width", "scheme", "lang"), [(1280, "light", "en"), (390, "dark", "zh")])
def test_nothing_serious_stands_in_the_way_of_anybody(
    visit: Callable[..., Any], faults: Callable[[Any], list[str]], width: int, scheme: str, lang: str
) -> None:
    page = visit(width, 720, lang, color_scheme=scheme)
    page.locator("#stepper [data-view=expert]").click()
    fill(page, "Sprout", "")
    assert not faults(page)
    onward(page, "template")
    page.locator("#look").click()
    page.locator("#out-template .wb-tok").first.wait_for()
    assert not faults(page)
    onward(page, "train")
    assert not faults(page)


def test_the_step_is_marked_whatever_is_drawn_anew(visit: Callable[..., Any]) -> None:
    page = visit(1280, 720, "en")
    page.evaluate(
        """() => {
            const list = document.getElementById("stepper"), drawn = list.cloneNode(true);
            drawn.querySelectorAll("[aria-current]").forEach((one) => one.removeAttribute("aria-current"));
            list.replaceWith(drawn);
        }"""
    )
    page.locator("#stepper [aria-current=step]").wait_for(timeout=10_000)


def test_the_help_is_readable_and_bears_the_recipes_names(visit: Callable[..., Any]) -> None:
    page = visit(1280, 720, "en")
    fill(page, "Sprout", "")
    page.locator("#stepper [data-go=train]").click()
    assert page.locator("#learning_rate").is_hidden()
    page.locator("#stepper [data-view=expert]").click()
    page.locator("#learning_rate code").get_by_text("learning_rate").wait_for()
    page.reload()
    page.locator("#learning_rate").wait_for()  # the view and the step are remembered


def test_on_a_projector_in_the_dark(visit: Callable[..., Any], picture: Callable[..., None]) -> None:
    page = visit(1920, 1080, "en", color_scheme="dark")
    fill(page, "Sprout", "")
    picture(page, "studio_1920_dark")
    onward(page, "template")
    page.locator("#look").click()
    page.locator("#out-template .wb-tok").first.wait_for()
    assert_fits(page)
    picture(page, "studio_1920_dark_mask")
    page.get_by_text("中文", exact=True).first.click()
    page.get_by_role("heading", name="模板与掩码").wait_for()
    page.locator("#out-template").get_by_text("个词元中有").wait_for()
    assert page.locator("#name input, #name textarea").first.input_value() == "Sprout"
    picture(page, "studio_1920_dark_zh")


def test_a_page_that_comes_back_never_speaks_another_language_and_its_keys_go_on_from_where_they_were(
    visit: Callable[..., Any],
) -> None:
    page = visit(1280, 720, "zh")
    fill(page, "小芽", "")
    page.locator("#stepper [data-go=train]").click()
    page.locator("#start").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'stop-train'")
    page.add_init_script(
        """window.said = new Set();
        setInterval(() => said.add(document.querySelector("#status")?.innerText ?? ""), 20);"""
    )
    page.reload()
    page.locator("#status").get_by_text("正在").first.wait_for()
    page.locator("#stop-train").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("['resume', 'start'].includes(document.activeElement.id)", timeout=60_000)
    for _ in range(3):
        assert not [said for said in page.evaluate("[...said]") if re.search("Training|Start|[Ss]topped|step", said)]
        page.reload()
        page.wait_for_function("/[\u4e00-\u9fff]/.test(document.querySelector('#status')?.innerText ?? '')")


def test_the_steps_stay_in_sight_of_who_reads_on(visit: Callable[..., Any]) -> None:
    page = visit(1280, 500, "en")
    fill(page, "Sprout", "")
    page.mouse.wheel(0, 2000)
    page.wait_for_function("scrollY > 100")
    in_sight(page, "#stepper")
