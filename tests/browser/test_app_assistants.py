"""Both assistants in a real browser, on a phone and on a projector, in both languages: from the start to an answer."""

from __future__ import annotations

import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import ROOT, served

pytestmark = pytest.mark.browser
SIZES = [(390, 844, "zh"), (1280, 720, "en")]
NASTY = (
    '<script>window.hacked=1</script><img src=x onerror="window.hacked=2">'
    " ![](https://example.org/x.png) **b** <|im_end|>"
)
QUESTION = {"en": "What is the capital of France?", "zh": "法国的首都是哪里？"}
ANSWER = {"en": "Paris", "zh": "巴黎"}


def until_up(url: str) -> None:
    """Streamlit tells its address a moment before it listens there."""
    for _ in range(300):
        with suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing at {url}")


def serve(module: str, *arguments: str) -> Iterator[str]:
    with served(["-m", module, *arguments], ROOT) as address:
        until_up(address)
        yield address


@pytest.fixture(scope="module")
def gradio() -> Iterator[str]:
    if find_spec("gradio") is None:
        pytest.skip("needs Gradio")
    yield from serve("apps.assistant_gradio", "pocket", "--base", "pocket")


@pytest.fixture(scope="module")
def streamlit() -> Iterator[str]:
    if find_spec("streamlit") is None:
        pytest.skip("needs Streamlit")
    yield from serve("apps.assistant_streamlit", "pocket", "--base", "pocket")


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """``visit(url, …)`` opens a page; an error on it, or a request to another machine, fails the test."""
    contexts, wrong = [], []

    def visit(url: str, width: int, height: int, lang: str, **more: Any) -> Any:
        locale = {"zh": "zh-CN", "en": "en-GB"}[lang]
        context = browser.new_context(viewport={"width": width, "height": height}, locale=locale, **more)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda r: wrong.append(r.url) if not re.match(r"(https?|wss?)://127\.|data:|blob:", r.url) else None,
        )
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not wrong


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"))


UNCOVERED = """() => {
    const name = document.querySelector("h1"), at = name.getBoundingClientRect()
    return [1, at.height - 2].every(y => name.contains(document.elementFromPoint(at.left + 2, at.top + y)))
}"""


@pytest.mark.parametrize(("width", "height", "lang"), SIZES)
def test_gradio_from_the_greeting_to_an_answer(
    gradio: str, visit: Callable[..., Any], picture: Callable[..., None], width: int, height: int, lang: str
) -> None:
    page = visit(gradio, width, height, lang)
    ask = {"en": "Ask something", "zh": "请提问"}[lang]
    page.get_by_placeholder(re.compile(ask)).wait_for()
    picture(page, f"gradio_{width}_{lang}_0")
    page.locator(".wb-example").nth(2).click()
    page.locator("#chat").get_by_text(ANSWER[lang]).first.wait_for()
    page.locator("#send").wait_for()
    assert fits(page)
    picture(page, f"gradio_{width}_{lang}_1")
    page.locator("#question textarea").fill(NASTY)
    page.locator("#send").click()
    page.locator("#send").wait_for()
    page.locator("#chat").get_by_text("window.hacked=1").wait_for()
    assert page.evaluate("window.hacked") is None and page.locator("#chat img[src*=example]").count() == 0
    picture(page, f"gradio_{width}_{lang}_2")


def test_gradio_compares_stops_resets_and_brings_back(
    gradio: str, visit: Callable[..., Any], picture: Callable[..., None]
) -> None:
    page = visit(gradio, 1280, 720, "en")
    page.locator("#settings button").first.click()
    page.locator("#compare input").check()
    page.locator("#question textarea").fill(QUESTION["en"])
    page.keyboard.press("Enter")
    page.locator("#base").get_by_text("Paris").wait_for()
    picture(page, "gradio_compare", full_page=True)
    page.locator("#new").click()
    page.locator("#chat").get_by_text("Paris").wait_for(state="detached")
    earlier = page.locator("#earlier input")
    assert earlier.input_value() == "Earlier conversations"  # seen, and not for readers of the screen only
    earlier.click()
    page.get_by_role("option").nth(1).click()
    page.locator("#chat").get_by_text("Paris").first.wait_for()
    with page.expect_download() as kept:
        page.locator("#save").click()
    assert "Paris" in kept.value.path().read_text(encoding="utf-8")
    page.locator("#edit").click()
    page.locator("#chat").get_by_text("Paris").wait_for(state="detached")
    assert page.locator("#question textarea").input_value() == QUESTION["en"]
    page.wait_for_function(WRITING)
    page.locator("#send").click()
    page.locator("#retry").wait_for()
    page.locator("#retry").click()
    page.locator("#retry").wait_for()
    assert page.locator("#chat [data-testid=user]").count() == 1
    page.get_by_text("中文").click()
    page.get_by_placeholder("请提问……").wait_for()
    picture(page, "gradio_zh", full_page=True)


def test_gradio_offers_nothing_for_an_answer_that_is_being_written_and_is_used_by_keys(
    gradio: str, visit: Callable[..., Any]
) -> None:
    page = visit(gradio, 1280, 720, "en")
    page.get_by_placeholder("Ask something").wait_for()
    for number in range(2):
        page.keyboard.type(f"{QUESTION['en']} {number}")
        page.keyboard.press("Enter")
        page.locator("#stop").wait_for()
        assert page.locator("#retry:visible, #edit:visible, #save:visible").count() == 0
        page.locator("#retry").wait_for()
    for name, again in (("retry", True), ("edit", False), ("new", False)):
        page.locator(f"#{name}").focus()
        page.keyboard.press("Enter")
        page.wait_for_function(WRITING)
        if again:
            page.locator("#retry").wait_for()


def test_gradio_on_a_phone_leaves_its_width_to_what_was_said(gradio: str, visit: Callable[..., Any]) -> None:
    page = visit(gradio, 390, 844, "en")
    page.get_by_placeholder("Ask something").wait_for()
    alone = page.locator("#chat").bounding_box()
    assert alone["width"] > 350 and alone["height"] > 844 / 2
    page.locator("#settings button").first.click()
    page.locator("#compare input").check()
    page.locator("#base").wait_for()
    assert page.evaluate("['chat', 'base'].every(id => document.getElementById(id).offsetHeight < innerHeight * 0.36)")


@pytest.mark.parametrize("clipboard", [True, False])
def test_gradio_copies_what_was_written_and_a_reload_keeps_the_conversation(
    gradio: str, visit: Callable[..., Any], clipboard: bool
) -> None:
    page = visit(gradio, 1280, 720, "en")
    if not clipboard:  # as over http from another machine, where browsers have none
        page.add_init_script("delete Navigator.prototype.clipboard")
        page.reload()
    written = 'if a < b && c > d: "&lt;" <b>'
    page.locator("#question textarea").fill(written)
    page.locator("#send").click()
    page.locator("#stop").wait_for(state="hidden")
    page.locator("#send").wait_for()
    page.locator("#chat").get_by_text(written).wait_for()
    page.locator("#chat [data-testid=user]").last.hover()
    page.get_by_role("button", name="Copy message").nth(-2).click()
    page.locator("#question textarea").focus()
    page.keyboard.press("Control+V")
    assert page.locator("#question textarea").input_value() == written
    page.reload()
    page.locator("#chat").get_by_text(written).wait_for()
    other = page.context.new_page()  # another tab is another conversation
    other.goto(gradio)
    other.get_by_placeholder("Ask something").wait_for()
    other.wait_for_timeout(500)
    assert other.locator("#chat").get_by_text(written).count() == 0


@pytest.mark.parametrize(("width", "height", "lang"), SIZES)
def test_streamlit_from_the_greeting_to_an_answer(
    streamlit: str, visit: Callable[..., Any], picture: Callable[..., None], width: int, height: int, lang: str
) -> None:
    page = visit(streamlit, width, height, lang)
    box = page.locator("[data-testid=stChatInputTextArea]")
    box.wait_for()
    assert page.evaluate(UNCOVERED)  # Streamlit's own bar lies over the page's top
    picture(page, f"streamlit_{width}_{lang}_0")
    box.fill(QUESTION[lang])
    box.press("Enter")
    page.locator("[data-testid=stChatMessage]").last.get_by_text(ANSWER[lang]).wait_for()
    assert fits(page)
    picture(page, f"streamlit_{width}_{lang}_1")
    box.fill(NASTY)
    box.press("Enter")
    page.get_by_text("window.hacked=1").first.wait_for()
    page.get_by_role("button", name={"en": "Ask again", "zh": "再问一次"}[lang]).wait_for()
    assert page.evaluate("window.hacked") is None and page.locator("img[src*=example]").count() == 0
    picture(page, f"streamlit_{width}_{lang}_2")


WRITING = "document.activeElement.closest('#question') !== null"
ENGLISH = """() => {
    const names = [...document.querySelectorAll("[aria-label],[title],[alt],[placeholder]")]
        .filter(part => part.offsetParent !== null)
        .flatMap(part => ["aria-label", "title", "alt", "placeholder"].map(name => part.getAttribute(name) || ""));
    for (const icon of document.querySelectorAll("[aria-hidden=true]")) icon.style.display = "none";
    const shown = document.body.innerText.split("\\n");
    return [...new Set([...names, ...shown])].filter(said => /[A-Za-z]{3}/.test(said) && !/[\u4e00-\u9fff]/.test(said));
}"""
OURS = {"English", "Top-p", "Pocket", "pocket"}


def test_gradio_speaks_no_english_to_a_chinese_visitor(
    gradio: str, visit: Callable[..., Any], faults: Callable[[Any], list[str]]
) -> None:
    page = visit(gradio, 1280, 720, "zh")
    page.get_by_placeholder("请提问").wait_for()
    page.locator(".wb-example").nth(2).click()
    page.locator("#retry").wait_for()
    page.locator("#settings button").first.click()
    page.wait_for_timeout(1500)
    assert set(page.evaluate(ENGLISH)) <= OURS
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert not faults(page)


def test_streamlit_speaks_no_english_to_a_chinese_visitor_and_goes_dark(
    streamlit: str, visit: Callable[..., Any], faults: Callable[[Any], list[str]], picture: Callable[..., None]
) -> None:
    page = visit(streamlit, 1280, 720, "zh", color_scheme="dark")
    box = page.locator("[data-testid=stChatInputTextArea]")
    box.fill(QUESTION["zh"])
    box.press("Enter")
    page.get_by_role("button", name="再问一次").wait_for()
    page.wait_for_timeout(1500)
    picture(page, "streamlit_dark")
    assert set(page.evaluate(ENGLISH)) <= OURS
    ground = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert max(int(part) for part in re.findall(r"\d+", ground)[:3]) < 60
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert not faults(page)


EYES = ("pocket+sight", "--tools", "calculator,weekday")
SUM = "What is 38 * 47?"  # pocket tries to call a tool for it


def red(folder: Path) -> Path:
    """A file with a picture."""
    from PIL import Image

    Image.new("RGB", (96, 96), "red").save(folder / "red.png")
    return folder / "red.png"


def first_request(page: Any, pattern: str) -> list[Any]:
    """Stop the first request to such an address; it will stand in the list, and waits for its ``continue_()``."""
    stopped: list[Any] = []

    def stop(request: Any) -> None:
        stopped.append(request)

    page.route(pattern, stop, times=1)
    return stopped


@pytest.mark.parametrize(("width", "height", "scheme"), [(390, 844, "dark"), (1280, 720, "light")])
def test_gradio_with_pictures_and_calls_is_seen_at_once_and_open_to_everybody(
    visit: Callable[..., Any], faults: Callable[[Any], list[str]], tmp_path: Path, width: int, height: int, scheme: str
) -> None:
    if find_spec("gradio") is None:
        pytest.skip("needs Gradio")
    for address in serve("apps.assistant_gradio", *EYES):
        page = visit(address, width, height, "en", color_scheme=scheme)
        page.get_by_text("This is pocket+sight").wait_for()
        page.wait_for_timeout(1000)
        assert page.evaluate("scrollY") == 0
        assert page.evaluate("document.querySelector('#send').getBoundingClientRect().bottom <= innerHeight")
        for question in (SUM, "What is this?"):
            page.locator("#question textarea").fill(question)
            page.locator("#send").click()
            page.locator("#stop").wait_for(state="hidden")
            page.locator("#send").wait_for()
            if question == SUM:
                page.locator("#chat [role=button]", has_text="call").wait_for(timeout=180_000)  # readable or not
                page.locator("#image input[type=file]").set_input_files(red(tmp_path))
                page.locator("#image img").wait_for()
        page.get_by_alt_text("A picture that you showed").wait_for()
        assert not faults(page) and fits(page)


def test_streamlit_with_pictures_and_calls_is_open_to_everybody(
    visit: Callable[..., Any], faults: Callable[[Any], list[str]], tmp_path: Path
) -> None:
    if find_spec("streamlit") is None:
        pytest.skip("needs Streamlit")
    for address in serve("apps.assistant_streamlit", *EYES):
        page = visit(address, 1280, 720, "zh", color_scheme="dark")
        box = page.locator("[data-testid=stChatInputTextArea]")
        again = page.get_by_role("button", name="再问一次")
        box.fill(SUM)
        box.press("Enter")
        page.get_by_test_id("stExpander").get_by_text("调用").first.wait_for(timeout=180_000)
        again.wait_for()
        upload = first_request(page, "**/upload_file/**")  # the picture is on its way until it is let through
        page.get_by_test_id("stChatInput").locator("input[type=file]").set_input_files(red(tmp_path))
        box.fill("这是什么？")
        box.press("Enter")  # in the moment after: the picture is still on its way, and the question waits for it
        page.wait_for_timeout(500)
        assert page.get_by_alt_text("你给它看的图片").count() == 0 and box.input_value() == "这是什么？"
        upload[0].continue_()
        page.locator("[data-testid=stChatInputSubmitButton]:not([disabled])").click()
        page.get_by_alt_text("你给它看的图片").wait_for()
        again.wait_for()
        page.get_by_role("button", name="修改问题").click()
        page.get_by_role("button", name="发送", exact=True).wait_for()
        assert not faults(page) and fits(page)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="拍照").click()
        camera = page.get_by_test_id("stCameraInput")
        page.get_by_text("打开摄像头").click()
        camera.get_by_text("这个页面想使用你的摄像头。").wait_for()
        camera.get_by_text("怎样允许使用摄像头").wait_for()
        page.context.grant_permissions(["camera"])
        page.get_by_text("打开摄像头").click()
        camera.wait_for(state="detached")
        page.get_by_text("打开摄像头").click()
        page.wait_for_function("document.querySelector('[data-testid=stCameraInput] video')?.readyState === 4")
        camera.get_by_text("拍下来").click()
        page.wait_for_function("document.querySelector('[data-testid=stCameraInput]').innerText.trim() === '重拍'")
        assert camera.locator("img").get_attribute("alt") == "拍下的照片"
        camera.get_by_text("重拍").click()
        camera.get_by_text("拍下来").wait_for()


# What the page paints where nothing lies on it, which screenshots show and no colour of an element tells.
DARK = """() => {
    const probe = document.createElement("div");
    probe.style.color = "Canvas";
    document.documentElement.append(probe);
    const ground = getComputedStyle(probe).color.match(/[0-9.]+/g).slice(0, 3).map(Number);
    probe.remove();
    return Math.max(...ground) < 60;
}"""


@pytest.mark.parametrize("module", ["apps.assistant_gradio", "apps.assistant_streamlit"])
def test_a_password_is_asked_for_by_itself_and_lets_in(
    module: str,
    visit: Callable[..., Any],
    picture: Callable[..., None],
    faults: Callable[[Any], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if find_spec(module.rpartition("_")[2]) is None:
        pytest.skip("needs the page's library")
    monkeypatch.setenv("WORKBENCH_PASSWORD", "a password for tests")
    with served(["-m", module, "pocket"], ROOT) as address:
        for _ in range(600):
            with suppress(OSError), socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 5):
                break
            time.sleep(0.1)
        page = visit(address, 390, 844, "zh", color_scheme="dark")
        for word in ("wrong", "a password for tests"):
            assert page.locator("input").count() == 1
            page.get_by_role("heading", name="需要密码").wait_for()
            assert page.evaluate(DARK) and not faults(page)
            picture(page, f"password_{module.rpartition('_')[2]}_{word[:1]}")
            page.get_by_label("密码").fill(word)
            page.get_by_role("button", name="进入").click()
            if word == "wrong":
                assert page.get_by_role("alert").inner_text() == "密码不对。"
                assert page.get_by_label("密码").get_attribute("aria-describedby") == "wrong"
        page.get_by_placeholder("请提问").first.wait_for()
        assert page.locator("input[type=password]").count() == 0
        [cookie] = [one for one in page.context.cookies() if one["name"].startswith("workbench-")]
        assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
