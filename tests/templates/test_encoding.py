"""Encoding: what is left out is counted, a cut keeps answers whole, nobody's tokenizer is changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from workbench.data.conversation import Conversation, Message, ask
from workbench.errors import BadInput
from workbench.templates import encode, get, prompt_ids, stop_ids
from workbench.templates.codec import codec
from workbench.templates.registry import stops

from .conftest import byte_level_backend, wrapped
from .test_laws import runs
from .test_own import CHATML
from .test_xtuner import letters_backend, marked, talk


@pytest.fixture(scope="module")
def letters():
    return wrapped(letters_backend("<|User|>:\n<|Bot|>:<|System|>:abcdexyzq "), "<s>", "</s>")


def shown(letters, *rows, **how):
    made = encode(list(rows), letters, template="default", **how)
    return [marked(letters, example) for example in made.examples], made


def test_rows_that_would_train_nothing_are_left_out_and_counted(letters):
    rows = [
        ask("a", "b"),
        ask("a"),
        talk(("user", "a"), ("assistant-", "b")),
        talk(("user", "a"), ("assistant", "b"), ("assistant", "c")),
    ]
    _, made = shown(letters, *rows)
    assert made.rows == [0]
    assert made.dropped == {"no_answer": [1], "no_label": [2], "role_order": [3]}
    assert "1 left out: no answer in it (row 2)" in made.summary("en")
    assert "略去 1 个：没有回答" in made.summary("zh")


def test_the_oldest_turns_go_first_then_the_system_text(letters):
    given = talk(("system", "q"), ("user", "a"), ("assistant", "x"), ("user", "b"), ("assistant", "y"))
    (whole,), _ = shown(letters, given)
    length = len(encode([given], letters, template="default").examples[0].input_ids)
    (one,), made = shown(letters, given, max_length=length - 1)
    assert one == "<s><|System|>:q\n<|User|>:b\n<|Bot|>:«y</s>»\n"
    assert made.truncated == [0]
    (two,), _ = shown(letters, given, max_length=25)
    assert two == "<s><|User|>:b\n<|Bot|>:«y</s>»\n"
    assert whole.startswith("<s><|System|>:q\n<|User|>:a")
    none, made = shown(letters, given, max_length=5)
    assert (none, made.dropped, made.truncated) == ([], {"too_long": [0]}, [])


def test_bare_text_gets_an_end_and_is_parted_where_it_is_too_long(letters):
    given = Conversation((Message("assistant", "abcde"),), kind="text")
    assert shown(letters, given)[0] == ["<s>«abcde</s>»"]
    parts, made = shown(letters, given, max_length=3)
    assert parts == ["<s>«ab»", "«cde»", "«</s>»"]
    assert made.rows == [0, 0, 0]


@pytest.mark.parametrize("compat", [None, "xtuner"])
def test_conversations_that_are_given_twice_count_twice(letters, compat):
    rows = [ask("a", "b"), ask("a"), ask("a", "b"), ask("c", "d"), ask("a"), talk(("user", "a"), ("assistant-", "b"))]
    made = encode([*rows, rows[0]], letters, template="default", compat=compat)
    alone = [encode([row], letters, template="default", compat=compat).examples for row in (rows[0], rows[3])]
    assert made.rows == [0, 2, 3, 6]
    assert made.examples == [*alone[0], *alone[0], *alone[1], *alone[0]]
    assert made.dropped == {"no_answer": [1, 4], "no_label": [5]}


def test_what_follows_the_last_answer_is_left_out(letters):
    assert shown(letters, talk(("user", "a"), ("assistant", "x"), ("user", "b")))[0] == [
        "<s><|User|>:a\n<|Bot|>:«x</s>»\n"
    ]


def test_questions_in_a_row_are_joined_by_a_line_break(letters):
    assert shown(letters, talk(("user", "a"), ("user", "b"), ("assistant", "x")))[0] == [
        "<s><|User|>:a\nb\n<|Bot|>:«x</s>»\n"
    ]


def test_words_that_the_tokenizer_cannot_write_are_not_trained(letters):
    rows = [ask("a", "b"), ask("a", "é")]
    letters.backend_tokenizer.model.unk_token = "q"
    _, made = shown(letters, *rows)
    assert made.dropped == {"lossy": [1]}


def test_without_bos_none_is_written(no_bos):
    (example,) = encode([ask("a", "b")], no_bos, template="default").examples
    assert no_bos.decode(example.input_ids) == "<|User|>:a\n<|Bot|>:b<|im_end|>\n"


def test_a_template_that_needs_an_eos_says_so():
    from transformers import PreTrainedTokenizerFast

    with pytest.raises(BadInput, match="end-of-sequence"):
        get("default", PreTrainedTokenizerFast(tokenizer_object=byte_level_backend()))


def test_a_bos_that_the_template_writes_itself_is_not_doubled():
    tokenizer = wrapped(byte_level_backend(), "<|im_start|>", "<|im_end|>")
    start = tokenizer.bos_token_id
    (ours,) = encode([ask("a", "b")], tokenizer, template="qwen_chat").examples
    (theirs,) = encode([ask("a", "b")], tokenizer, template="qwen_chat", compat="xtuner").examples
    assert (ours.input_ids.count(start), theirs.input_ids.count(start)) == (2, 3)
    assert theirs.input_ids == (start, *ours.input_ids)


def test_letters_that_merge_to_a_control_token_are_kept_apart(prepend):
    assert prepend.bos_token_id in prepend.encode("x<s>", add_special_tokens=False, split_special_tokens=True)
    (example,) = encode([ask("x<s>", "y<s>")], prepend, template="default").examples
    assert example.input_ids.count(prepend.bos_token_id) == 1
    assert [codec(prepend).decode(run) for run in runs(example)] == ["y<s></s>"]


def test_a_control_token_across_an_edge_is_not_one(byte_level):
    end = byte_level.convert_tokens_to_ids("<eoh>")
    (example,) = encode([ask("<eoh", "x")], byte_level, template="baichuan_chat").examples
    assert end not in example.input_ids
    coder = codec(byte_level)
    assert coder.hides_control((("<", True), ("eoh>", False)))
    assert not coder.hides_control((("<eoh>", True), ("eoh>", False)))
    assert coder.hides_control((("a", True), ("<eoh>", False)))


def test_html_is_ordinary_text_and_markup_is_not(byte_level):
    assert codec(byte_level).find_control("<b><think></tool_call>") == ["<think>", "</tool_call>"]


def test_both_spellings_give_the_same_ids_where_no_control_token_is_spelled(byte_level, prepend):
    chunk = (("<s>user\n", True), ("Hello 你好 👋", False), ("<eoh>\n", True))
    for tokenizer in (byte_level, prepend):
        coder = codec(tokenizer)
        assert coder._twin_of().encode(chunk) == coder.offsets(chunk)


def test_the_tokenizer_is_left_as_it_was(byte_level):
    before = byte_level.backend_tokenizer.to_str()
    encode([ask("</s>", "<|im_end|>")], byte_level, template="qwen_chat")
    assert byte_level.backend_tokenizer.to_str() == before
    assert byte_level.backend_tokenizer.encode_special_tokens is False


def test_another_callers_settings_change_nothing():
    tokenizer = wrapped(byte_level_backend(), "<s>", "</s>")
    rows = [ask("Hello there", "General <s>"), ask("a", "b " * 30)]
    before = encode(rows, tokenizer, template="qwen_chat").examples
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=50)
    tokenizer.backend_tokenizer.encode_special_tokens = True
    assert encode(rows, tokenizer, template="qwen_chat").examples == before


def test_threads_do_not_disturb_one_another(own):
    tokenizer = own(CHATML)
    rows = [[ask(f"{n} <|im_end|>", f"{n} <s>"), ask(f"{n}", "b")] for n in range(24)]
    alone = [encode(row, tokenizer).examples for row in rows]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda row: encode(row, tokenizer).examples, rows)) == alone


def test_stops_are_the_end_of_turn_and_the_eos_each_one_token(byte_level, prepend):
    end, eos = byte_level.convert_tokens_to_ids(["<|im_end|>", "</s>"])
    assert stop_ids(byte_level, template="internlm2_chat") == [end, eos]
    said = {stop.word: (len(stop.ids), stop.trained) for stop in stops(prepend, template="internlm2_chat")}
    assert said["<|im_end|>"][0] > 1
    assert said["</s>"] == (1, False)
    assert "cannot stop" in stops(prepend, template="internlm2_chat")[0].says("en")


def test_a_generation_configs_stops_are_added(byte_level):
    class Config:
        eos_token_id = (5, 1)

    assert stop_ids(byte_level, template="default", generation_config=Config) == [byte_level.eos_token_id, 5, 1]


def test_a_prompt_must_end_with_a_question(byte_level):
    with pytest.raises(BadInput, match="must end with the user"):
        prompt_ids([Message("user", "a"), Message("assistant", "b")], byte_level, template="default")
