"""The report page in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.render.test_report import full
from tests.render.tokens import small_tokenizer
from workbench.data.conversation import ask
from workbench.render import report_html
from workbench.templates.view import MaskView, mask_view

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def view() -> MaskView:
    return mask_view(ask("你是谁？", "我是小芽。"), small_tokenizer(), template="qwen_chat")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "lang"), [(1280, "en"), (390, "zh")])
def test_a_report_fits_and_runs_nothing_of_others(
    show: Callable[..., Any], view: MaskView, picture: Callable[..., None], width: int, lang: str, scheme: str
) -> None:
    page = show(report_html(full(view), lang=lang), width=width, color_scheme=scheme)
    for summary in page.locator("summary").all():
        if summary.is_visible():
            summary.click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, f"report_{width}_{lang}_{scheme}", full_page=True)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_serious_stands_in_the_way_of_a_reader(
    show: Callable[..., Any], view: MaskView, faults: Callable[[Any], list[str]], width: int
) -> None:
    page = show(report_html(full(view), lang="zh"), width=width, color_scheme="dark")
    for summary in page.locator("summary").all():
        summary.click()
    page.wait_for_timeout(300)
    assert not faults(page)


def test_the_lines_of_the_curves_follow_light_and_dark(show: Callable[..., Any], view: MaskView) -> None:
    page = show(report_html(full(view), lang="en"), color_scheme="dark")
    tone = "getComputedStyle(document.querySelector('.wb-plot text')).fill"
    dark = page.evaluate(tone)
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate(tone) != dark


def test_larger_type_reaches_the_mask_inside_the_report(show: Callable[..., Any], view: MaskView) -> None:
    page = show(report_html(full(view), lang="en"))
    size = "parseFloat(getComputedStyle(document.querySelector('.wb-rows .wb-tok')).fontSize)"
    before = page.evaluate(size)
    page.get_by_role("button", name="Larger type").click()
    assert page.evaluate(size) > 1.2 * before


def test_a_printed_report_is_light(show: Callable[..., Any], view: MaskView) -> None:
    page = show(report_html(full(view), lang="en", theme="dark"))
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('.wb')).backgroundColor") == "rgb(255, 255, 255)"


def test_a_command_is_taken_along_by_a_button(show: Callable[..., Any], view: MaskView) -> None:
    page = show(report_html(full(view), lang="en"), permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator(".wb-next pre").inner_text() and copied.startswith("workbench chat ")
    page.get_by_role("button", name="Copy", exact=True).wait_for()


def test_on_a_phone_no_table_is_cut_off_or_squeezed(show: Callable[..., Any], view: MaskView) -> None:
    page = show(report_html(full(view), lang="en"), width=390)
    for name in ("wb-numbers", "wb-answers", "wb-samples"):
        table = page.locator(f"table.wb-stacks.{name}")
        assert table.evaluate("table => table.scrollWidth <= table.closest('section').clientWidth"), name
        assert table.locator("td").first.evaluate("cell => cell.clientWidth") > 300, name
