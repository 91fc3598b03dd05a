from __future__ import annotations

import base64
import hashlib

import pytest

from tests.render.stripped import Page
from workbench.render.markup import escape, page, spoken_html, static, styles, tag


@pytest.mark.parametrize("words", ["<script>alert(1)</script>", "</style><b>", "&lt;", "a\"b'c", "<!--", "]]>"])
def test_no_text_becomes_markup(words: str) -> None:
    assert Page(f'<p title="{escape(words)}">{escape(words)}</p>').tags == [("p", {"title": words})]
    assert words in Page(f"<p>{spoken_html(words)}</p>").text


def test_control_characters_and_lone_surrogates_are_shown_and_can_be_written() -> None:
    assert escape("a\x00b\x1b[31m\x9b\ud83d") == "a␀b␛[31m\ufffd\ufffd"
    escape("\udcff").encode()


def test_line_breaks_of_answers_are_kept_without_a_style() -> None:
    assert spoken_html("a\r\nb\nc") == "<bdi>a<br>b<br>c</bdi>"


def test_text_cannot_turn_the_direction_of_the_page() -> None:
    assert spoken_html("\u202eabc").startswith("<bdi>")


def test_an_attribute_that_is_none_is_left_out() -> None:
    assert tag("p", "x", class_="a", title=None, aria_label="b") == '<p class="a" aria-label="b">x</p>'


def test_a_page_lets_only_our_own_scripts_run_and_fetches_nothing() -> None:
    html = page("<p>x</p>", title="t", lang="en")
    policy = next(a["content"] for a in Page(html).of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]
    for name in ("page.js", "mask.js"):
        digest = base64.b64encode(hashlib.sha256(static(name).encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_a_page_names_its_language_so_that_chinese_gets_chinese_shapes() -> None:
    assert Page(page("", title="t", lang="zh")).of("html") == [{"lang": "zh-CN"}]
    assert Page(page("", title="t", lang="en")).of("html") == [{"lang": "en"}]


def test_a_title_is_escaped() -> None:
    assert "<title>&lt;/title&gt;" in page("", title="</title>", lang="en")


def test_our_styles_hold_only_inside_our_own_elements() -> None:
    import re

    css = styles("mask.css", "report.css")[7:-9]
    css = re.sub(r"@(?:media|container)[^{]*\{((?:[^{}]*\{[^{}]*\})*)\s*\}", r"\1", css)
    for selectors in re.findall(r"([^{}]+)\{", css):
        for selector in re.sub(r":\w+\([^)]*\)", "", selectors).split(","):
            assert ".wb" in selector, selector
