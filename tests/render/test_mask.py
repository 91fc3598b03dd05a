from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from tests.render.conftest import ODD
from tests.render.stripped import Page
from workbench.data.conversation import Conversation, ask
from workbench.render import compare_html, mask_html, mask_page
from workbench.render.boxes import CONTROL, LOOKALIKE, boxes, shown, unsteered
from workbench.templates.view import MaskView, compare_views, mask_view


def tokens_of(page: Page) -> list[dict[str, str]]:
    return [attrs for attrs in page.with_class("wb-tok") if "data-ids" in attrs]


def test_every_token_is_on_the_page_with_its_id(view: MaskView) -> None:
    ids = " ".join(attrs["data-ids"] for attrs in tokens_of(Page(mask_html(view, lang="en")))).split()
    assert ids == [str(i) for i in view.ids]


def test_boxes_write_the_whole_text_and_no_character_is_torn(view: MaskView) -> None:
    import regex

    made = list(boxes(view))
    assert "".join(box.text for box in made) == view.text
    edges = {match.start() for match in regex.finditer(r"\X", view.text)} | {len(view.text)}
    at = 0
    for box in made:
        at += len(box.text)
        assert at in edges
    assert any(box.text == "👩\u200d👧" and len(box.tokens) > 3 for box in made)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_token_tells_id_role_field_label_and_rule_without_a_script(view: MaskView, lang: str) -> None:
    from workbench.render.boxes import field_text, role_text, rule_text

    titles = [attrs["title"] for attrs in tokens_of(Page(mask_html(view, lang=lang)))]
    for title, box in zip(titles, boxes(view), strict=True):
        token = box.tokens[0]
        for told in (str(token.id), str(token.label), role_text(token.role, lang), field_text(token.field, lang),
                     rule_text(token.rule, lang)):  # fmt: skip
            assert told in title


def test_exactly_the_trained_tokens_are_underlined_boxed_and_named(view: MaskView) -> None:
    page = Page(mask_html(view, lang="en"))
    trained = {attrs["data-ids"] for name, attrs in page.tags if name == "ins" and "data-ids" in attrs}
    assert trained == {" ".join(str(t.id) for t in box.tokens) for box in boxes(view) if box.trained}
    for name, attrs in page.tags:
        if "data-ids" in attrs and "wb-tok" in attrs.get("class", ""):
            on = "wb-on" in attrs["class"].split()
            assert (name == "ins") is on
            assert attrs["aria-label"].endswith("▲ trained" if on else "masked")


def test_each_token_can_be_reached_by_keyboard_without_a_script(view: MaskView) -> None:
    assert all(attrs["tabindex"] == "0" for attrs in tokens_of(Page(mask_html(view, lang="en"))))


def test_the_count_and_the_share_are_said(view: MaskView) -> None:
    assert f"{view.trained} of {len(view.tokens)} tokens are trained" in Page(mask_html(view, lang="en")).text


def test_text_that_looks_like_a_control_token_is_told_from_one(view: MaskView) -> None:
    kinds = [(box.kind, box.shown) for box in boxes(view)]
    assert "".join(text for kind, text in kinds if kind == LOOKALIKE) == "<|im_end|>"
    assert [text for kind, text in kinds if kind == CONTROL].count("<|im_end|>") == 5
    words = Page(mask_html(view, lang="en")).text
    assert "Looks like a control token, and is none: <|im_end|>" in words


def test_no_word_of_the_conversation_becomes_markup(view: MaskView, other_view: MaskView) -> None:
    for html in (mask_html(view, lang="en", title=ODD), compare_html(view, other_view, lang="zh")):
        page = Page(html)
        assert not page.open
        assert len(page.of("script")) == 1
        assert "alert('x')" not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)


def test_white_space_and_unseen_characters_are_visible() -> None:
    assert shown("a b\n\t\u200b\u202e\u3000\x1b") == "a␣b↵⇥⟨U+200B⟩⟨U+202E⟩⟨U+3000⟩␛"
    for emoji in ("👩\u200d👧", "❤\ufe0f", "1\ufe0f\u20e3", "🇨🇳", "🏴\U000e0067\U000e0062\U000e007f"):
        assert shown(emoji) == emoji


@pytest.mark.parametrize("code", [0xE0041, 0x3164, 0x115F, 0x2800, 0x34F, 0x1D173, 0xFFF9, 0x200C, 0x200D, 0xFE0F])
def test_what_shows_nothing_is_written_by_its_number(code: int) -> None:
    assert shown(f"a{chr(code)}b") == f"a⟨U+{code:04X}⟩b"
    assert shown(chr(code)) == f"⟨U+{code:04X}⟩"


def test_words_hidden_behind_an_emoji_are_shown() -> None:
    assert shown("😀\U000e0041\U000e0042") == "😀⟨U+E0041⟩⟨U+E0042⟩"


def test_joiners_between_letters_stay_where_an_answer_is_read() -> None:
    assert unsteered("می\u200cخواهم\u200b") == "می\u200cخواهم⟨U+200B⟩"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_where_styles_and_scripts_are_dropped_a_table_tells_all(view: MaskView, lang: str) -> None:
    text = Page(mask_html(view, lang=lang)).text
    rows = [line.split("\t")[1:] for line in text.split("\n") if line.count("\t") == 8]
    assert [row[2] for row in rows[1:]] == [str(token.id) for token in view.tokens]
    assert [row[3] for row in rows[1:]] == [str(token.label) for token in view.tokens]


def test_the_answer_can_be_read_in_order_without_styles(view: MaskView) -> None:
    words = Page(mask_html(view, lang="en")).text
    assert "I ␣am ␣小芽 🌱 . ↵" in words


def test_the_served_prompt_is_shown_and_said_to_be_the_same(view: MaskView) -> None:
    words = Page(mask_html(view, lang="en")).text
    assert "byte for byte" in words
    assert " ".join(map(str, view.prompt_ids)) in words
    assert "≠" not in words


def test_a_prompt_that_differs_is_shown_at_its_byte(view: MaskView) -> None:
    from dataclasses import replace

    other = view.prompt_text.replace("Be brief.", "Be long.")
    at = next(i for i, (a, b) in enumerate(zip(other.encode(), view.text.encode(), strict=False)) if a != b)
    wrong = replace(view, prompt_text=other, prompt_is_prefix=False, differs_at=at)
    words = Page(mask_html(wrong, lang="en")).text
    assert f"first at byte {at}" in words
    lines = [line for line in words.split("\n") if "≠ differs" in line]
    assert f"{other.encode()[at : at + 1].hex()}" in lines[0]
    assert int(lines[0].split("\t")[1]) == at // 16 * 16


def test_two_templates_stand_side_by_side_with_what_differs_marked(view: MaskView, other_view: MaskView) -> None:
    comparison = compare_views(view, other_view)
    html = compare_html(comparison, lang="en")
    page = Page(html)
    assert len(page.with_class("wb-side")) == 2
    assert "The templates write different texts" in page.text
    assert f"The first difference is at byte {comparison.differs_at}" in page.text
    assert page.of("mark")
    assert compare_html(view, other_view, lang="en") == html


def test_no_level_of_the_headings_is_left_out(view: MaskView, other_view: MaskView) -> None:
    levels = Page(mask_page(compare_views(view, other_view), title="Two templates", lang="en")).levels()
    assert levels[0] == 1 and len(levels) >= 4
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_a_comparison_with_itself_finds_no_difference(view: MaskView) -> None:
    page = Page(compare_html(view, view, lang="en"))
    assert not page.of("mark")
    assert page.text.count("✓") >= 3


def test_a_conversation_without_a_trained_end_is_warned_of(view: MaskView) -> None:
    from dataclasses import replace

    assert "never stop" in Page(mask_html(replace(view, stop_trained=False), lang="en")).text


def test_the_theme_and_the_type_can_be_fixed(view: MaskView) -> None:
    classes = Page(mask_html(view, lang="zh", theme="dark", large=True)).of("div")[0]["class"].split()
    assert {"wb", "wb-dark", "wb-large"} <= set(classes)


def test_a_whole_page_stands_alone(view: MaskView) -> None:
    html = mask_page(view, title="<t>", lang="zh")
    page = Page(html)
    assert html.startswith("<!doctype html>")
    assert not page.open
    assert "http://" not in html and "https://" not in html
    assert not [a for _, a in page.tags if set(a) & {"src", "href"}]


def test_the_arrow_keys_are_kept_from_the_notebook(view: MaskView) -> None:
    assert Page(mask_html(view, lang="en")).with_class("wb-rows")[0]["data-lm-suppress-shortcuts"] == "true"


@pytest.mark.parametrize("words", ["", " ", "\n", "\u200b", "</ins>", "🌱" * 3, "e\u0301\u0301", "\ufeffx"])
def test_odd_words_can_be_shown(words: str, tokenizer: Any) -> None:
    view = mask_view(ask(words + "?", words + "!"), tokenizer, template="qwen_chat")
    assert not Page(mask_html(view, lang="en")).open


def test_plain_text_without_turns_can_be_shown(tokenizer: Any) -> None:
    from workbench.data.conversation import Message

    bare = Conversation((Message("assistant", "Once upon a time."),), kind="text")
    assert "17 of 17 tokens" in Page(mask_html(mask_view(bare, tokenizer, template="qwen_chat"), lang="en")).text


def test_the_tokenizers_own_template_is_called_by_what_it_is(view: MaskView) -> None:
    from dataclasses import replace

    words = Page(mask_html(replace(view, template="chat_template"), lang="en")).text
    assert "the tokenizer's own chat template" in words
    assert "chat_template" not in words
