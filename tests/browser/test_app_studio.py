"""The studio in a real browser: from an empty workspace to the assistant's first sentence, and back after a reload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.browser.conftest import served

pytestmark = pytest.mark.browser
SIZES = [(390, 844, "zh", "小芽"), (1280, 720, "en", "Sprout")]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The studio as its command starts it."""
    if find_spec("gradio") is None:
        pytest.skip("needs Gradio")
    root = tmp_path_factory.mktemp("studio")
    code = "from workbench.cli import main; main()"
    with served(["-c", code, "studio", "--root", str(root)], root) as address:
        yield address


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("width", "height", "lang", "name"), SIZES)
def test_from_an_empty_workspace_to_the_first_sentence(
    studio: str, browser: Any, picture: Callable[..., None], width: int, height: int, lang: str, name: str
) -> None:
    locale = {"zh": "zh-CN", "en": "en-GB"}[lang]
    context = browser.new_context(viewport={"width": width, "height": height}, locale=locale)
    wrong: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.set_default_timeout(90_000)
    page.goto(studio)
    shot = f"studio_{width}_{lang}"

    def keep(step: str, part: str) -> None:
        page.locator(part).scroll_into_view_if_needed()
        picture(page, f"{shot}_{step}")

    page.wait_for_function("document.querySelector('#name input, #name textarea')?.value")  # the workspace is open
    page.locator("#name input, #name textarea").first.fill(name)
    page.locator("#author input, #author textarea").first.fill("the class")
    page.locator("#make").click()
    page.locator("#out-data table").wait_for()
    keep("1", "#step-data")
    page.locator("#look").click()
    page.locator("#out-template .wb-tok").first.wait_for()
    keep("2", "#step-template")
    whole = lang == "en"  # once to the end; on the phone a short one is enough to see everything
    if not whole:
        page.locator("#num_train_epochs input").fill("0.5")
    page.locator("#start").click()
    page.locator("#curves svg").first.wait_for()
    keep("3", "#step-train")
    page.reload()  # the training goes on by itself, and is found again
    done = {"en": "Finished.", "zh": "已完成。"}[lang]
    page.locator("#status").get_by_text(done).wait_for(timeout=240_000)
    page.locator("#curves svg").first.wait_for()
    assert page.locator("#name input, #name textarea").first.input_value() == name
    keep("4", "#curves")
    page.locator("#merge").click()
    page.locator("#out-export table").wait_for(timeout=120_000)
    keep("5", "#step-export")
    page.locator("#ask-button").click()
    answer = page.locator("#out-chat .wb-answer[data-label=merged]")
    page.wait_for_function("document.querySelector('#out-chat .wb-answer[data-label=merged]')?.textContent.length > 3")
    page.wait_for_timeout(1500)
    assert name in str(answer.text_content()) if whole else answer.text_content()
    keep("6", "#step-chat")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    assert not wrong
    context.close()
