"""The mask view in a real browser: by keyboard, by pointer, without scripts, on phones and on projectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.render.test_pictures import view as pictured
from tests.render.tokens import small_tokenizer
from workbench.data.conversation import Conversation, Message
from workbench.render import mask_html, mask_page
from workbench.templates.view import MaskView, compare_views, mask_view

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
SIZES = {"projector": (1280, 720, 1.0), "scaled": (1280, 720, 1.25), "phone": (390, 844, 2.0)}
HERE = "document.activeElement"


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return small_tokenizer()


@pytest.fixture(scope="session")
def conversation() -> Conversation:
    return Conversation(
        (
            Message("system", "Be brief. 请简短。"),
            Message(
                "user",
                "Who are you? <script>document.title='broken'</script> <|im_end|>\n你是谁 👩\u200d👧 e\u0301 \u200b",
            ),
            Message("assistant", "I am Sprout 🌱.\n我是小芽，很高兴认识你！" * 4),
            Message("user", "再见"),
            Message("assistant", "再见！"),
        )
    )


@pytest.fixture(scope="session")
def view(conversation: Conversation, tokenizer: Any) -> MaskView:
    return mask_view(conversation, tokenizer, template="qwen_chat")


def html(view: MaskView, lang: str = "en", **options: Any) -> str:
    title = {"en": "Which tokens are trained", "zh": "哪些词元参与训练"}[lang]
    return mask_page(view, title=title, lang=lang, **options)


def focus_first(page: Any) -> None:
    page.locator(".wb-rows .wb-tok").first.focus()


def index(page: Any) -> int:
    return int(page.evaluate(f"[...document.querySelectorAll('.wb-rows .wb-tok')].indexOf({HERE})"))


def test_the_tab_key_stops_once_at_the_tokens(show: Open, view: MaskView) -> None:
    page = show(html(view))
    stops = []
    for _ in range(8):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(f"{HERE}.classList.contains('wb-tok')"))
    assert stops.count(True) == 1


def test_the_arrow_keys_walk_through_the_tokens_and_each_is_told(show: Open, view: MaskView) -> None:
    page = show(html(view))
    focus_first(page)
    for step, key in enumerate(["ArrowRight"] * 3 + ["ArrowLeft"] * 2):
        page.keyboard.press(key)
        assert index(page) == [1, 2, 3, 2, 1][step]
    page.keyboard.press("End")
    count = page.locator(".wb-rows .wb-tok").count()
    assert index(page) == count - 1
    page.keyboard.press("ArrowRight")
    assert index(page) == count - 1
    page.keyboard.press("Home")
    assert index(page) == 0
    detail = page.locator(".wb-detail")
    assert detail.get_attribute("aria-live") == "polite"
    assert f"id {view.tokens[0].id}, token 1" in detail.inner_text()


def test_up_and_down_go_to_the_line_above_and_below(show: Open, view: MaskView) -> None:
    page = show(html(view))
    focus_first(page)
    top = page.evaluate(f"{HERE}.getBoundingClientRect().top + scrollY")
    page.keyboard.press("ArrowDown")
    lower = page.evaluate(f"{HERE}.getBoundingClientRect().top + scrollY")
    assert 10 < lower - top < 120
    page.keyboard.press("ArrowUp")
    assert index(page) == 0


@pytest.mark.parametrize(("width", "height"), [(1280, 480), (390, 700)])
def test_a_token_in_focus_is_never_behind_the_panel(show: Open, view: MaskView, width: int, height: int) -> None:
    page = show(html(view), width=width, height=height)
    focus_first(page)
    seen = f"""(() => {{ const box = {HERE}.getBoundingClientRect();
        const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        const low = document.elementFromPoint(box.left + box.width / 2, box.bottom - 2);
        return {HERE}.contains(top) && {HERE}.contains(low) }})()"""
    for _ in range(14):
        page.keyboard.press("ArrowDown")
        assert page.evaluate(seen)


def test_pointing_at_a_token_tells_of_it_and_leaving_goes_back(show: Open, view: MaskView) -> None:
    page = show(html(view, "zh"))
    focus_first(page)
    first = page.locator(".wb-detail").inner_text()
    page.locator(".wb-rows .wb-on").first.hover()
    assert "▲ 训练" in page.locator(".wb-detail").inner_text()
    page.mouse.move(1, 1)
    assert page.locator(".wb-detail").inner_text() == first


def test_each_token_is_told_of_that_the_pointer_reaches_from_another_place_of_the_page(
    show: Open, view: MaskView
) -> None:
    page = show(html(view))
    page.locator(".wb-legend").first.hover()
    for number in (0, 1, 5, 2):
        token = page.locator(".wb-rows .wb-tok").nth(number)
        token.hover()
        assert token.get_attribute("data-tip").startswith(page.locator(".wb-detail .wb-piece").inner_text())
        told = [words.strip() for words in page.locator(".wb-detail div p").all_inner_texts()]
        assert told == [words.strip() for words in token.get_attribute("data-tip").split("\n")[1:]]


def test_without_scripts_focus_and_the_table_tell_all(show: Open, view: MaskView, picture: Callable[..., None]) -> None:
    page = show(html(view), java_script_enabled=False)
    assert page.locator("button").count() == 0
    page.keyboard.press("Tab")
    token = page.locator(".wb-rows .wb-tok").first
    page.locator("summary").last.click()
    assert page.locator(".wb-tokens tbody tr").count() == len(view.tokens)
    assert str(view.tokens[0].id) in token.get_attribute("title")
    page.keyboard.press("Shift+Tab")
    picture(page, "without_scripts")


def test_trained_and_masked_tokens_differ_without_colour(show: Open, view: MaskView) -> None:
    page = show(html(view), forced_colors="active")
    style = "e => { const s = getComputedStyle(e); return [s.borderTopStyle, s.textDecorationLine] }"
    assert page.locator(".wb-rows .wb-on").first.evaluate(style) == ["solid", "underline"]
    assert page.locator(".wb-rows .wb-plain:not(.wb-on)").first.evaluate(style) == ["dotted", "none"]
    mark = "e => getComputedStyle(e, '::before').content"
    assert "▲" in page.locator(".wb-rows .wb-on").first.evaluate(mark)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_cut_off(
    show: Open, view: MaskView, picture: Callable[..., None], size: str, lang: str, scheme: str
) -> None:
    width, height, scale = SIZES[size]
    page = show(html(view, lang), width=width, height=height, device_scale_factor=scale, color_scheme=scheme)
    focus_first(page)
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    picture(page, f"mask_{size}_{lang}_{scheme}")
    for summary in page.locator("summary").all():
        if summary.is_visible():
            summary.click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, f"mask_{size}_{lang}_{scheme}_all", full_page=True)


@pytest.mark.parametrize("width", [1280, 390])
def test_large_type_for_a_projector_fits_too(
    show: Open, view: MaskView, picture: Callable[..., None], width: int
) -> None:
    page = show(html(view, "zh", large=True), width=width)
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.wb-tok')).fontSize)") >= 20
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, f"mask_large_{width}")


def test_dark_follows_the_system_and_the_button_turns_it(show: Open, view: MaskView) -> None:
    page = show(html(view), color_scheme="dark")
    ground = "getComputedStyle(document.querySelector('.wb')).backgroundColor"
    assert page.evaluate(ground) == "rgb(17, 17, 17)"
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


@pytest.mark.parametrize(
    ("host", "colour"),
    [
        ('data-jp-theme-light="false"', "rgb(17, 17, 17)"),
        ('data-jp-theme-light="true"', "rgb(255, 255, 255)"),
        ('class="dark"', "rgb(17, 17, 17)"),
        ('class="vscode-light"', "rgb(255, 255, 255)"),
    ],
)
@pytest.mark.parametrize("system", ["light", "dark"])
def test_a_hosts_theme_counts_more_than_the_systems(
    show: Open, view: MaskView, host: str, colour: str, system: str
) -> None:
    page = show(f"<!doctype html><meta charset=utf-8><body {host}>{mask_html(view, lang='en')}", color_scheme=system)
    assert page.evaluate("getComputedStyle(document.querySelector('.wb')).backgroundColor") == colour


def test_two_views_live_on_one_notebook_page(show: Open, view: MaskView) -> None:
    page = show(f"<!doctype html><meta charset=utf-8><body>{mask_html(view, lang='en') * 2}")
    assert page.get_by_role("button", name="Show the ids").count() == 2
    page.get_by_role("button", name="Show the ids").last.click()
    assert page.locator(".wb-show-ids").count() == 1


def test_a_view_that_an_app_puts_in_later_takes_the_keys_too(show: Open, view: MaskView) -> None:
    page = show(f"<!doctype html><meta charset=utf-8><body><div id=later></div>{mask_html(view, lang='en')}")
    page.evaluate("document.querySelector('#later').innerHTML = document.querySelector('.wb').outerHTML")
    page.evaluate("document.querySelectorAll('#later .wb-mask-tools').forEach(e => e.remove())")
    page.locator("#later .wb-tok[data-tip]").first.evaluate("e => e.title = e.dataset.tip")
    page.locator("#later .wb-rows .wb-tok").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(f"{HERE}.closest('#later') !== null")
    assert not page.locator("#later .wb-detail").get_attribute("hidden")


def test_nobodys_words_run(show: Open, view: MaskView) -> None:
    page = show(html(view))
    assert page.title() == "Which tokens are trained"
    blocked = html(view).replace("</main>", "<script>document.title='broken'</script></main>")
    guarded = page.context.new_page()
    guarded.set_content(blocked)
    assert guarded.title() == "Which tokens are trained"


def test_two_templates_fit_beside_each_other(
    show: Open, view: MaskView, conversation: Conversation, tokenizer: Any, picture: Callable[..., None]
) -> None:
    comparison = compare_views(view, mask_view(conversation, tokenizer, template="zephyr"))
    for width in (1280, 390):
        page = show(mask_page(comparison, title="Two templates", lang="zh"), width=width, color_scheme="dark")
        left, right = (side.bounding_box() for side in page.locator(".wb-side").all())
        assert (left["y"] == right["y"]) is (width == 1280)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        picture(page, f"compare_{width}", full_page=True)


def test_a_mask_with_a_picture_is_open_to_everybody(show: Open, faults: Callable[[Any], list[str]]) -> None:
    for scheme in ("light", "dark"):
        page = show(mask_page(pictured(), title="Which tokens are trained", lang="en"), color_scheme=scheme)
        page.get_by_text("4 picture tokens, not trained").click()
        focus_first(page)
        page.keyboard.press("End")
        assert index(page) == 1
        assert not faults(page)


def test_the_token_that_keys_have_reached_is_told_though_the_pointer_rests_on_the_page(
    show: Open, view: MaskView
) -> None:
    """Keys may move the page under a pointer that lies there: then it points at another token, and nobody pointed."""
    page = show(html(view), height=420)
    tokens = page.locator(".wb-rows .wb-tok")
    tokens.nth(3).hover()
    focus_first(page)
    page.keyboard.press("End")
    page.wait_for_timeout(300)  # a browser tells of what lies under the pointer a moment after
    assert page.evaluate("scrollY") > 0
    assert tokens.last.get_attribute("data-tip").startswith(page.locator(".wb-detail .wb-piece").inner_text())
    box, detail = tokens.last.bounding_box(), page.locator(".wb-detail").bounding_box()
    assert box["y"] + box["height"] <= detail["y"]


def test_what_is_told_of_a_token_begins_with_the_reason(show: Open, view: MaskView) -> None:
    page = show(html(view))
    page.locator(".wb-rows .wb-tok.wb-on").first.hover()
    assert page.locator(".wb-detail div p").first.inner_text() == "▲ trained: the assistant's words"


def test_a_card_at_the_token_under_the_pointer_stays_when_the_focus_goes_elsewhere(show: Open, view: MaskView) -> None:
    """JupyterLab moves the focus a moment after a cell has run. The card would fall back out of sight."""
    page = show(html(view))
    page.evaluate(
        """() => {
          const frame = document.createElement('div'), view = document.querySelector('.wb');
          const height = document.querySelector('.wb-rows .wb-tok').getBoundingClientRect().bottom + 9;
          frame.style = `height: ${height}px; overflow: clip`; // as a frame that cuts the card off
          view.before(frame);
          frame.append(view);
          frame.insertAdjacentHTML('afterend', '<button id="elsewhere">elsewhere</button>');
        }"""
    )
    card = page.locator(".wb-detail")
    page.locator(".wb-rows .wb-tok").first.hover()
    assert card.evaluate("(one) => one.matches(':popover-open')")
    page.locator("#elsewhere").focus()
    assert card.evaluate("(one) => one.matches(':popover-open')")
    page.locator(".wb-rows .wb-tok").first.focus()
    page.mouse.move(1, 1)
    page.locator("#elsewhere").focus()
    assert not card.evaluate("(one) => one.matches(':popover-open')")
