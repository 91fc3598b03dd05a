"""Labels under ``compat="xtuner"`` are XTuner 0.1.23's, id for id."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import pytest
import yaml

from workbench.data.conversation import Conversation, Message, ask
from workbench.errors import BadInput, BadSetting, UnknownName
from workbench.templates import encode, names
from workbench.templates.named import specs

from .conftest import letters_backend, wrapped

GOLDEN = yaml.safe_load((Path(__file__).parent / "golden.yaml").read_text(encoding="utf-8"))


def talk(*turns, **known):
    """A conversation of (role, words) pairs; a role that ends with "-" is switched off, with "+" on."""
    flags = {"-": False, "+": True}
    return Conversation(
        tuple(Message(role.rstrip("+-"), words, train=flags.get(role[-1])) for role, words in turns), **known
    )


def marked(tokenizer, example):
    """The text of an example whose tokens are letters, with what is trained between « and »."""
    text, open_ = "", False
    for id_, label in zip(example.input_ids, example.labels, strict=True):
        assert label in (-100, id_)
        if (label == id_) != open_:
            text += "»" if open_ else "«"
            open_ = not open_
        text += tokenizer.convert_ids_to_tokens(id_)
    return text + ("»" if open_ else "")


@pytest.fixture(scope="module")
def letters():
    return wrapped(letters_backend("".join(GOLDEN.values()) + " abxyz{}?"), "<s>", "</s>")


def test_there_are_the_26_templates():
    assert names() == list(GOLDEN)
    assert len(names()) == 26


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("compat", ["xtuner", None])
def test_every_template_renders_and_labels_as_xtuner_does(letters, name, compat):
    system = [] if name == "minicpm" else [("system", "Sys")]
    given = talk(*system, ("user", "Q1"), ("assistant", "A1"), ("user", "Q2"), ("assistant", "A2"))
    made = encode([given], letters, template=name, compat=compat)
    assert marked(letters, made.examples[0]) == GOLDEN[name]


def reference(conversation, tokenizer, strings, max_length):
    """The algorithm once more, written apart from ours, one string at a time."""

    def ids(text):
        return tokenizer.encode(text, add_special_tokens=False)

    turns, system, user = [], "", ""
    messages = list(conversation.messages)
    while messages and messages[0].role == "assistant":
        del messages[0]
    for message in messages:
        if message.role == "system":
            system = message.content
        elif message.role == "user":
            user = user + message.content
        else:
            turns.append((system, user, message.content, message.train is not False))
            system = user = ""
    row, begin = [], True
    for number, (system, user, answer, loss) in enumerate(turns):
        head = strings.system.replace("{system}", system) if system else ""
        body = strings.instruction.replace("{round}", str(number + 1)).replace("{input}", user)
        if begin:
            row.append((tokenizer.bos_token_id, False))
        row += [(i, False) for i in ids(head + body)]
        row += [(i, loss) for i in ids(answer + strings.suffix)]
        begin = not strings.suffix_ends
        if begin:
            row.append((tokenizer.eos_token_id, loss))
        if strings.sep:
            row += [(i, False) for i in ids(strings.sep)]
    row = row[:max_length]
    if not any(loss for _, loss in row):
        return None
    return tuple(i for i, _ in row), tuple(i if loss else -100 for i, loss in row)


PIECES = [
    "Hello", "你好", "谢谢 ", " ", "\n", "\n\n", "\t", "👋", "👨‍👩‍👧", "\u200b", "\ufeff", "{input}", "{", "}", "{{x}}",
    "%s", "<b>", "</s>", "<s>", "<|im_end|>", "<|im_start|>", "<eoh>", "<think>", "é", "e\u0301", "▁", "\r\n",
    "a" * 600, "0",
]  # fmt: skip


def random_conversation(source, *, systems=True):
    def words():
        return "".join(source.choice(PIECES) for _ in range(source.choice([0, 1, 1, 2, 3, 5])))

    roles = ["user", "assistant", "user", "assistant", "assistant+", "assistant-", *(["system"] * systems)]
    if source.random() < 0.5:
        wild = [source.choice(roles) for _ in range(source.randint(1, 8))]
    else:
        wild = ["system"] * (systems and source.random() < 0.5) + ["user", "assistant"] * source.randint(1, 3)
    return talk(*((role, words()) for role in wild))


@pytest.mark.parametrize("name", list(GOLDEN))
@pytest.mark.parametrize("which", ["byte_level", "prepend"])
def test_ids_and_labels_are_those_of_the_algorithm_for_any_conversation(request, name, which):
    tokenizer = request.getfixturevalue(which)
    source = random.Random(f"{name} {which}")
    rows = [random_conversation(source, systems=name != "minicpm") for _ in range(40)]
    for max_length in (None, 30):
        expected = [reference(row, tokenizer, specs()[name], max_length) for row in rows]
        made = encode(rows, tokenizer, template=name, compat="xtuner", max_length=max_length)
        assert [(e.input_ids, e.labels) for e in made.examples] == [e for e in expected if e]
        assert made.rows == [i for i, e in enumerate(expected) if e]
        assert sorted(i for rows_ in made.dropped.values() for i in rows_) == [
            i for i, e in enumerate(expected) if not e
        ]


def rendered(letters, *turns):
    made = encode([talk(*turns)], letters, template="default", compat="xtuner")
    return marked(letters, made.examples[0])


def test_leading_answers_are_skipped_and_questions_are_joined_with_nothing_between(letters):
    text = rendered(letters, ("assistant", "x"), ("user", "a"), ("user", "b"), ("assistant", "y"), ("user", "z"))
    assert text == "<s><|User|>:ab\n<|Bot|>:«y</s>»\n"


def test_a_system_text_in_the_middle_stands_before_the_next_question(letters):
    text = rendered(letters, ("user", "a"), ("system", "b"), ("assistant", "x"), ("user", "a"), ("assistant", "y"))
    assert text == "<s><|System|>:b\n<|User|>:a\n<|Bot|>:«x</s>»\n<s><|User|>:a\n<|Bot|>:«y</s>»\n"


def test_an_empty_system_text_is_no_system_text(letters):
    assert rendered(letters, ("system", ""), ("user", "a"), ("assistant", "y")) == "<s><|User|>:a\n<|Bot|>:«y</s>»\n"


def test_an_answer_that_is_switched_off_stays_in_without_labels(letters):
    text = rendered(letters, ("user", "a"), ("assistant-", "x"), ("user", "b"), ("assistant", "y"))
    assert text == "<s><|User|>:a\n<|Bot|>:x</s>\n<s><|User|>:b\n<|Bot|>:«y</s>»\n"


def test_braces_in_a_question_are_only_braces(letters):
    text = rendered(letters, ("user", "{input}{}{round}"), ("assistant", "}{"))
    assert text == "<s><|User|>:{input}{}{round}\n<|Bot|>:«}{</s>»\n"


def test_the_cut_falls_on_the_right_and_may_take_the_end(letters):
    given = ask("a", "xyz")
    whole = encode([given], letters, template="default", compat="xtuner").examples[0]
    cut = encode([given], letters, template="default", compat="xtuner", max_length=len(whole.input_ids) - 3)
    assert marked(letters, cut.examples[0]).endswith("«xy»")
    assert cut.truncated == [0]
    none = encode([given], letters, template="default", compat="xtuner", max_length=4)
    assert none.dropped == {"no_label": [0]}


def test_bare_text_is_stripped_and_has_bos_but_no_eos(letters):
    text = Conversation((Message("assistant", " ab\n"),), kind="text")
    made = encode([text], letters, compat="xtuner")
    assert marked(letters, made.examples[0]) == "<s>«ab»"


def test_control_tokens_in_the_words_are_parsed_as_xtuner_parses_them(byte_level):
    end = byte_level.convert_tokens_to_ids("</s>")
    made = encode([ask("a</s>", "b")], byte_level, template="default", compat="xtuner")
    assert made.examples[0].input_ids.count(end) == 2


def test_where_xtuner_crashes_there_is_a_sentence(letters, no_bos):
    with pytest.raises(BadInput, match=r"minicpm.*file:3"):
        given = talk(("system", "a"), ("user", "a"), ("assistant", "b"), source="file:3")
        encode([given], letters, template="minicpm", compat="xtuner")
    with pytest.raises(BadInput, match="tool"):
        encode([talk(("user", "a"), ("tool", "b"), ("assistant", "x"))], letters, template="default", compat="xtuner")
    with pytest.raises(BadInput, match="no BOS"):
        encode([ask("a", "b")], no_bos, template="qwen_chat", compat="xtuner")
    with pytest.raises(BadInput, match="name of one of its templates"):
        encode([ask("a", "b")], letters, compat="xtuner")


@pytest.mark.parametrize("name", ["Qwen2TokenizerFast", "Qwen2Tokenizer"])
def test_a_tokenizer_of_qwen_needs_no_bos(no_bos, name):
    qwen = copy.copy(no_bos)
    qwen.__class__ = type(name, (type(no_bos),), {})
    (example,) = encode([ask("a", "b")], qwen, template="default", compat="xtuner").examples
    assert no_bos.decode(example.input_ids) == "<|User|>:a\n<|Bot|>:b<|im_end|>\n"


def test_unknown_names_and_settings_are_answered_with_the_right_ones(letters):
    with pytest.raises(UnknownName, match="internlm2_chat"):
        encode([], letters, template="internlm2-chat")
    with pytest.raises(BadSetting, match="assistant, last, all"):
        encode([], letters, template="default", loss_on="everything")
    with pytest.raises(BadSetting, match="at least 1"):
        encode([], letters, template="default", max_length=0)
    with pytest.raises(BadSetting, match="llamafactory"):
        encode([], letters, template="default", compat="llamafactory")
    with pytest.raises(BadSetting, match="last"):
        encode([], letters, template="default", compat="xtuner", loss_on="last")


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["internlm", "minimind"])
def test_it_holds_for_public_tokenizers_too(shared, folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(shared / "tokenizers" / folder)
    source = random.Random(folder)
    for name in GOLDEN:
        rows = [random_conversation(source, systems=name != "minicpm") for _ in range(100)]
        for max_length in (None, 64):
            expected = [reference(row, tokenizer, specs()[name], max_length) for row in rows]
            made = encode(rows, tokenizer, template=name, compat="xtuner", max_length=max_length)
            assert [(e.input_ids, e.labels) for e in made.examples] == [e for e in expected if e]
