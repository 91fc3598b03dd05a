"""The mask as a value: each token with its text, label and reason; no character torn."""

from __future__ import annotations

import time

import pytest
import regex
from hypothesis import HealthCheck, given, settings

from workbench.data.conversation import Conversation, Message, ask
from workbench.errors import BadInput
from workbench.templates import compare_views, encode, mask_view, prompt_ids, stop_ids
from workbench.templates.differing import differences
from workbench.templates.values import Difference
from workbench.texts import text

from .test_laws import conversations
from .test_own import CHATML, WITH_DEFAULT
from .test_xtuner import talk

FAMILY = "👨‍👩‍👧"


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(conversations())
def test_a_view_shows_what_is_trained_and_tears_no_grapheme(byte_level, prepend, conversation):
    for tokenizer, name in ((byte_level, "qwen_chat"), (prepend, "internlm_chat")):
        (example,) = encode([conversation], tokenizer, template=name).examples
        view = mask_view(conversation, tokenizer, template=name)
        assert (view.ids, view.labels) == (example.input_ids, example.labels)
        assert view.text == "".join(s.text for s in view.segments) == "".join(g.text for g in view.groups)
        assert [g.start for g in view.groups[1:]] == [g.end for g in view.groups[:-1]]
        assert all(view.tokens[i].group == n for n, g in enumerate(view.groups) for i in range(g.start, g.end))
        assert view.prompt_is_prefix
        assert list(view.prompt_ids) == prompt_ids(conversation.messages[:-1], tokenizer, template=name)
        for group in view.groups:
            assert len({token.trained for token in view.tokens[group.start : group.end]}) == 1


def test_a_group_holds_whole_characters(byte_level):
    view = mask_view(ask(f"你好{FAMILY}e\u0301🇨🇳", "好"), byte_level, template="qwen_chat")
    edges, at = {0}, 0
    for group in view.groups:
        at += len(group.text)
        edges.add(at)
    inside = {m.start() for m in regex.finditer(r"\X", view.text)} | {len(view.text)}
    assert edges <= inside
    assert any(FAMILY in g.text and g.end - g.start > 1 for g in view.groups)


def test_each_token_says_whose_it_is_and_why(byte_level):
    view = mask_view(
        talk(("system", "S"), ("user", "a"), ("assistant-", "b"), ("user", "c"), ("assistant", "d")),
        byte_level,
        template="qwen_chat",
    )
    said = [(t.text, t.role, t.field, t.rule) for t in view.tokens]
    assert said[0] == ("<s>", "system", "bos", "bos")
    assert ("S", "system", "content", "system") in said
    assert ("a", "user", "content", "user") in said
    assert ("b", "assistant", "content", "train_false") in said
    assert ("d", "assistant", "content", "answer") in said
    assert ("<|im_end|>", "assistant", "end", "end") in said
    assert said[-1] == ("\n", "assistant", "sep", "sep")
    for rule in {t.rule for t in view.tokens}:
        for lang in ("en", "zh"):
            trained = "trained" if lang == "en" else "训练"
            assert text(f"templates.rule.{rule}", lang).startswith((trained, "not trained", "不训练"))


def test_counts_stops_and_cuts_are_said(byte_level):
    given = talk(("user", "x " * 40), ("assistant", "y"), ("user", "a"), ("assistant", "b"))
    view = mask_view(given, byte_level, template="qwen_chat", max_length=40)
    assert view.cut == 2
    assert (view.trained, round(view.share, 3)) == (2, round(2 / len(view.tokens), 3))
    assert list(view.stop_ids) == stop_ids(byte_level, template="qwen_chat")
    assert view.stop_trained


def test_a_stop_word_of_several_tokens_is_seen(prepend):
    view = mask_view(ask("a", "b"), prepend, template="qwen_chat")
    assert not view.stop_trained


def test_what_cannot_be_shown_is_refused_with_the_reason(byte_level):
    with pytest.raises(BadInput, match="no answer"):
        mask_view(ask("a"), byte_level, template="default")
    with pytest.raises(BadInput, match="longer than 3"):
        mask_view(ask("a", "b"), byte_level, template="default", max_length=3)
    with pytest.raises(BadInput, match="does not know tools"):
        mask_view(talk(("user", "a"), ("tool", "b"), ("assistant", "c")), byte_level, template="default")


def test_bare_text_is_shown_without_a_prompt(byte_level):
    view = mask_view(Conversation((Message("assistant", "abc"),), kind="text"), byte_level, template="default")
    assert (view.text, view.prompt_text, view.prompt_ids) == ("<s>abc</s>", "", ())
    assert [t.trained for t in view.tokens][:2] == [False, True]


def test_two_templates_are_compared_byte_by_byte(own):
    one, two = own(CHATML), own(WITH_DEFAULT)
    given = ask("a", "b")
    same = compare_views(mask_view(given, one), mask_view(given, one))
    assert (same.same_text, same.same_ids, same.differs_at) == (True, True, -1)
    other = compare_views(mask_view(given, one), mask_view(given, two))
    assert other.differs_at == len("<|im_start|>")
    assert other.same_trained
    assert "".join(p.a for p in other.pieces) == other.a.text
    assert "".join(p.b for p in other.pieces) == other.b.text
    assert "Bluebird" in "".join(p.b for p in other.pieces if p.kind != "same")


def test_long_words_are_compared_in_a_moment(byte_level):
    words = "".join(chr(0x4E00 + at * 7 % 900) for at in range(4000))
    given = ask(words, words[::-1])
    one, two = (mask_view(given, byte_level, template=name) for name in ("qwen_chat", "zephyr"))
    begun = time.perf_counter()
    made = compare_views(one, two)
    assert time.perf_counter() - begun < 10
    for pieces, a, b in ((made.pieces, one.text, two.text), (made.prompt_pieces, one.prompt_text, two.prompt_text)):
        assert ("".join(p.a for p in pieces), "".join(p.b for p in pieces)) == (a, b)
        assert any(words in piece.a for piece in pieces if piece.kind == "same")


def test_what_differs_through_and_through_is_one_piece_and_no_grapheme_is_torn():
    assert differences(["a" * 2000], ["b" * 2000]) == (Difference("changed", "a" * 2000, "b" * 2000),)
    assert differences(["xé!"], ["xe!"]) == (
        Difference("same", "x", "x"),
        Difference("changed", "é", "e"),
        Difference("same", "!", "!"),
    )
