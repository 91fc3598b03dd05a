# ruff: noqa: E501 (templates are easier to read in one line)
"""What an assistant thinks before it answers: trained, seen or left out, in training and serving alike, and never
silently."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from workbench.data.conversation import Conversation, Message, ask
from workbench.errors import BadInput
from workbench.templates import dressed, encode, get, mask_view, prompt_ids

from .test_own import CHATML

# as a family of reasoning models has it: a field for the thought, which earlier answers lose; a switch for the prompt
SWITCHED = (
    "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.index0 > ns.last %}<think>\n{{ m.reasoning_content or '' }}\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
DROPS = CHATML.replace(
    "{{ m.content }}", "{{ m.content.split('</think>')[-1] if m.role == 'assistant' else m.content }}"
)
ALWAYS = CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
LAST_ONLY = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last %}[thought]\n[/thought]\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n[thought]\n[/thought]\n{% endif %}"
)
OTHER_END = CHATML.replace("<|im_end|>", "{{ eos_token if m.role == 'assistant' and loop.last else '<|im_end|>' }}")
TWICE = Conversation(
    (
        Message("user", "2 + 2?"),
        Message("assistant", "4", thinking="Two and two."),
        Message("user", "3 + 3?"),
        Message("assistant", "6", thinking="Three and three."),
    )
)
ONCE = TWICE.with_messages(*TWICE.messages[:2])
BARE = ask("2 + 2?", "4")
INLINE = ask("2 + 2?", "<think>\nTwo and two.\n</think>\n\n4")


def trained(tokenizer: Any, conversation: Conversation, **how: Any) -> list[str]:
    """The trained stretches of the rendered text."""
    view = mask_view(conversation, tokenizer, **how)
    made, before = [], False
    for segment in view.segments:
        if segment.trained and before:
            made[-1] += segment.text
        elif segment.trained:
            made.append(segment.text)
        before = segment.trained
    return made


@pytest.mark.parametrize(
    ("thinking", "expected"),
    [
        ("keep", ["<think>\nTwo and two.\n</think>\n\n4<|im_end|>"]),
        ("mask", ["4<|im_end|>"]),
        ("empty", ["4<|im_end|>"]),
    ],
)
@pytest.mark.parametrize("given", [ONCE, INLINE], ids=["field", "inline"])
def test_a_thought_is_trained_seen_or_left_out_as_is_asked(own, given, thinking, expected):
    for template in (CHATML, SWITCHED) if given is ONCE else (CHATML,):
        tokenizer = dressed(own(template), thinking=thinking)
        assert trained(tokenizer, given, thinking=thinking) == expected
        assert ("Two and two." in mask_view(given, tokenizer, thinking=thinking).text) == (thinking != "empty")


def test_the_field_of_the_thought_is_the_one_that_the_template_reads(own):
    for name in ("reasoning_content", "thinking", "reasoning"):
        tokenizer = own(SWITCHED.replace("reasoning_content", name))
        assert trained(tokenizer, ONCE) == ["<think>\nTwo and two.\n</think>\n\n4<|im_end|>"]


def test_a_named_template_writes_the_thought_into_the_answer(own):
    assert trained(own(CHATML), ONCE, template="qwen_chat")[0].startswith(
        "<think>\nTwo and two.\n</think>\n\n4<|im_end|>"
    )
    assert trained(own(CHATML), ONCE, template="qwen_chat", thinking="mask")[0].startswith("4<|im_end|>")
    assert trained(own(CHATML), ONCE, template="qwen_chat", thinking="empty")[0].startswith("4<|im_end|>")


def test_marks_of_a_thought_are_the_model_s_own_tokens(own):
    tokenizer = own(CHATML)
    tokenizer.add_tokens(["<think>", "</think>"])
    for given in (ONCE, INLINE):
        (example,) = encode([given], tokenizer).examples
        assert tokenizer.convert_tokens_to_ids("<think>") in example.input_ids


@pytest.mark.parametrize(
    ("template", "thinking", "given", "apart"),
    [
        (SWITCHED, "keep", TWICE, {"thought_left_out": [(0, 1)]}),
        (SWITCHED, "keep", BARE, {"empty_thought": [(0, 1)]}),
        (SWITCHED, "empty", TWICE, {"rewritten": [(0, 1)], "thought_emptied": [(0, 3)]}),
        (SWITCHED, "empty", BARE, {}),
        (SWITCHED, "mask", ONCE, {"thought_masked": [(0, 1)]}),
        (DROPS, "keep", TWICE, {"thought_left_out": [(0, 1), (0, 3)]}),
        (DROPS, "keep", INLINE, {"thought_left_out": [(0, 1)]}),
        (LAST_ONLY, "keep", ask("a", "b"), {}),
        (LAST_ONLY, "keep", replace(TWICE, messages=tuple(replace(m, thinking="") for m in TWICE.messages)), {"rewritten": [(0, 1)]}),
        (OTHER_END, "keep", replace(TWICE, messages=tuple(replace(m, thinking="") for m in TWICE.messages)), {"rewritten": [(0, 1)]}),
        (CHATML, "keep", TWICE, {}),
    ],
)  # fmt: skip
def test_every_answer_that_is_not_trained_as_it_stands_is_counted_and_said(own, template, thinking, given, apart):
    tokenizer = dressed(own(template), thinking=thinking)
    made = encode([given], tokenizer, thinking=thinking)
    assert made.apart == apart
    assert len(made.says()) == len(apart) and all(line in made.summary() for line in made.says())
    view = mask_view(given, tokenizer, thinking=thinking)
    assert view.apart == {reason: len(where) for reason, where in apart.items()}


def test_an_answer_that_somebody_switched_off_is_not_counted(own):
    off = TWICE.with_messages(
        *(replace(m, train=False, thinking="") if i == 1 else m for i, m in enumerate(TWICE.messages))
    )
    assert not encode([off], own(LAST_ONLY.replace("[thought]\n[/thought]\n", ""))).apart
    assert not encode([TWICE.with_messages(*TWICE.messages)], own(SWITCHED), loss_on="last").apart


def test_counts_stand_for_every_row_that_says_the_same(own):
    made = encode([INLINE, ask("a", "b"), INLINE], own(DROPS))
    assert made.apart == {"thought_left_out": [(0, 1), (2, 1)]}
    assert "2 of 3 answers" in made.summary() and "rows 1, 3" in made.summary()


@pytest.mark.parametrize("thinking", ["keep", "empty", "mask"])
def test_the_prompt_served_is_how_the_trained_text_begins(own, thinking):
    tokenizer = dressed(own(SWITCHED), thinking=thinking)
    for given in (BARE, ONCE, INLINE):
        view = mask_view(given, tokenizer, thinking=thinking)
        assert view.prompt_is_prefix
        assert list(view.prompt_ids) == prompt_ids(given.messages[:1], tokenizer)
    assert ("<think>" in view.prompt_text) == (thinking == "empty")


def test_a_model_that_always_thinks_takes_answers_with_thoughts_and_says_what_the_others_lack(own):
    assert trained(own(ALWAYS), INLINE) == ["Two and two.\n</think>\n\n4<|im_end|>"]
    assert trained(own(ALWAYS), INLINE, thinking="mask") == ["4<|im_end|>"]
    with pytest.raises(BadInput, match="does not go on from the prompt"):
        encode([BARE], own(ALWAYS))


def test_a_refusal_is_in_words_and_says_what_to_change(own):
    for template, change in (
        (CHATML.replace("assistant\n{% endif %}", "assistant\n[x]\n{% endif %}"), "add_generation_prompt"),
        (CHATML.replace("<|im_end|>", ""), "end-of-turn token"),
        (
            "{% if messages[1].content != 'Four.' %}{{ raise_exception('What is ' + messages[1].content) }}{% endif %}",
            "roles",
        ),
    ):
        with pytest.raises(BadInput) as caught:
            get(None, own(template))
        said = str(caught.value)
        assert change in said and "--drop" not in said
        assert not any(word.startswith("W") and word.rstrip("Z").endswith(("x0", "x1")) for word in said.split())


CALL = '{"type": "function", "function": {"name": "weather", "arguments": {"city": "Paris", "days": 2}}}'
CALLED = Conversation((Message("user", "Is it warm?"), Message("assistant", "", tool_calls=(CALL,))))


@pytest.mark.parametrize(
    "written",
    ["{{ '[' + c.function.arguments + ']' }}", "[{{ c.function.arguments }}]", "[{{ c.function.arguments | tojson }}]"],
)
def test_arguments_of_a_call_are_given_as_the_template_expects_them(own, written):
    template = CHATML.replace(
        "{{ m.content }}", "{{ m.content }}{% for c in m.tool_calls or [] %}" + written + "{% endfor %}"
    )
    (text,) = trained(own(template), CALLED)
    assert text == '[{"city": "Paris", "days": 2}]<|im_end|>'
