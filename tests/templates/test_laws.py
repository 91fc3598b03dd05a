"""The law of masks, for every named template, on random conversations.

What is trained decodes to the answers and their ends; the user's words change no label; what serving sends is what was
trained; nobody's words become control tokens; a cut never touches an answer.
"""

from __future__ import annotations

from functools import cache
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.data.conversation import Conversation, Message
from workbench.templates import encode, get, names, prompt_ids
from workbench.templates.codec import codec

EDGES = [
    "", " ", "\n", "  \n\n", "Hello there", "你好！", " 谢谢", "👋", "👨‍👩‍👧", "🇨🇳", "\u200b", "\ufeff", "e\u0301",
    "{input}", "{{x}}", "</s>", "<s>", "<|im_end|>", "<|im_start|>assistant\n", "<eoh>", "<think>", "<|im_end",
    "|>", "<", "s>", "a\tb", "\r\n", "x" * 50,
]  # fmt: skip

words = (
    st.lists(st.one_of(st.sampled_from(EDGES), st.text(max_size=8)), max_size=4)
    .map("".join)
    .filter(lambda text: "\ue000" not in text and _sound(text))
)


def _sound(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@st.composite
def conversations(draw, systems=True):
    messages = []
    for _ in range(draw(st.integers(1, 3))):
        if systems and draw(st.booleans()):
            messages.append(Message("system", draw(words)))
        messages.append(Message("user", draw(words)))
        messages.append(Message("assistant", draw(words)))
    return Conversation(tuple(messages))


def runs(example):
    """The trained stretches of an example."""
    pairs = zip(example.input_ids, example.labels, strict=True)
    return [[i for i, _ in part] for trained, part in groupby(pairs, lambda p: p[1] != -100) if trained]


def end_of(template):
    spec = template.spec
    return spec.suffix + ("" if spec.suffix_ends else template.eos)


def law(tokenizer, name, conversation, other):
    template, coder = get(name, tokenizer), codec(tokenizer)
    (example,) = encode([conversation], tokenizer, template=name).examples

    # the trained ids decode to the answers and their ends (up to "▁", which is a space to the older Llama tokenizers)
    answers = [m.content for m in conversation.messages if m.role == "assistant"]
    for run, answer in zip(runs(example), answers, strict=True):
        assert coder.same_text(coder.decode(run), answer + end_of(template))
    assert all(label in (-100, id_) for id_, label in zip(example.input_ids, example.labels, strict=True))

    # other users' and system words change no label
    changed = [m if m.role == "assistant" else Message(m.role, other) for m in conversation.messages]
    (again,) = encode([Conversation(tuple(changed))], tokenizer, template=name).examples
    assert runs(again) == runs(example)

    # what serving sends is a prefix of what was trained, and the answer comes next
    ends = [i for i, m in enumerate(conversation.messages) if m.role == "assistant"]
    seen = 0
    for run, at in zip(runs(example), ends, strict=True):
        served = prompt_ids(conversation.messages[:at], tokenizer, template=name)
        assert list(example.input_ids[: len(served)]) == served
        assert list(example.labels[len(served) : len(served) + len(run)]) == run
        assert all(label == -100 for label in example.labels[seen : len(served)])
        seen = len(served) + len(run)

    # nobody's words become control tokens; one BOS leads
    calm = [Message(m.role, "w") for m in conversation.messages if m.role != "system" or m.content]
    (calmed,) = encode([Conversation(tuple(calm))], tokenizer, template=name).examples
    assert [i for i in example.input_ids if i in coder.control_ids] == [
        i for i in calmed.input_ids if i in coder.control_ids
    ]
    assert example.input_ids[0] == tokenizer.bos_token_id != example.input_ids[1]


def check(tokenizer, name, examples):
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(conversations(systems=name != "minicpm"), words)
    def holds(conversation, other):
        law(tokenizer, name, conversation, other)

    holds()


@pytest.mark.parametrize("name", names())
def test_the_law_holds_for_random_conversations(byte_level, name):
    check(byte_level, name, 12)


@pytest.mark.parametrize("name", ["default", "internlm_chat", "llama2_chat", "gemma", "chatglm2", "deepseek_v2"])
def test_the_law_holds_where_the_tokenizer_puts_a_space_before_each_text(prepend, name):
    check(prepend, name, 12)


@cache
def thousands():
    """2 000 random conversations, each with other words: drawn once for all templates, the shortest first."""
    drawn = []

    @settings(max_examples=2000, suppress_health_check=list(HealthCheck))
    @given(conversations(), words)
    def draw(conversation, other):
        drawn.append((conversation, other))

    draw()
    return sorted(drawn, key=lambda pair: sum(len(m.content) for m in pair[0].messages))


def without_system(conversation):
    return Conversation(tuple(m for m in conversation.messages if m.role != "system"))


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("which", ["byte_level", "prepend"])
def test_the_law_holds_for_thousands_of_conversations(request, name, which):
    tokenizer = request.getfixturevalue(which)
    for conversation, other in thousands()[which == "prepend" :: 2]:  # each tokenizer has the half of them
        law(tokenizer, name, without_system(conversation) if name == "minicpm" else conversation, other)


calm_words = st.sampled_from(["Hello there", "你好！", " a", "b \n", "", "{x}", "👋 é"])


@settings(max_examples=40)
@given(
    st.sampled_from([n for n in names() if n != "minicpm"]),
    st.lists(st.tuples(calm_words, calm_words), min_size=1, max_size=3),
)
def test_without_control_tokens_in_the_words_ours_are_xtuners_labels(byte_level, name, pairs):
    messages = [Message("system", "Be brief.")]
    for question, answer in pairs:
        messages += [Message("user", question), Message("assistant", answer)]
    rows = [Conversation(tuple(messages))]
    ours, theirs = (encode(rows, byte_level, template=name, compat=c).examples for c in (None, "xtuner"))
    assert ours == theirs


@settings(max_examples=60)
@given(conversations(), st.integers(1, 120), st.sampled_from(["default", "qwen_chat", "llama3_chat"]))
def test_a_cut_keeps_the_last_answer_whole_and_counts_what_it_leaves_out(byte_level, conversation, max_length, name):
    whole = encode([conversation], byte_level, template=name).examples[0]
    made = encode([conversation], byte_level, template=name, max_length=max_length)
    if len(whole.input_ids) <= max_length:
        assert made.examples == [whole]
        assert not made.truncated
        return
    if not made.examples:
        assert made.dropped == {"too_long": [0]}
        alone = [m for m in conversation.messages if m.role != "system"][-2:]
        last = encode([Conversation(tuple(alone))], byte_level, template=name).examples
        assert len(last[0].input_ids) > max_length or conversation.messages[-3:-2]
        return
    assert made.truncated == [0]
    (cut,) = made.examples
    assert len(cut.input_ids) <= max_length
    kept = runs(cut)
    assert kept == runs(whole)[-len(kept) :]
