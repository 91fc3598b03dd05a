"""An assistant sends the prompt that was trained, answers with or without its adapter, and takes turns."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from pathlib import Path
from types import ModuleType

import pytest

from workbench.chat import Assistant, Chat, Sampling, compare
from workbench.data.conversation import Conversation, Message, ask
from workbench.errors import BadInput, UnknownName
from workbench.export import merge
from workbench.templates.encoding import encode

QUESTIONS = ["Who are you?", "What is the capital of France?", "你是谁？"]
SHORT = {"max_new_tokens": 12}


def copy(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def test_the_prompt_served_begins_the_example_trained(assistant: Assistant) -> None:
    turns = [Message("system", "短"), Message("user", "你是谁？\n"), Message("assistant", " I. "), Message("user", "?")]
    trained = encode([Conversation((*turns, Message("assistant", "Paris.")))], assistant.loaded.tokenizer).examples[0]
    prompt = assistant.prompt(turns)
    assert list(trained.input_ids[: len(prompt)]) == prompt
    first = next(i for i, label in enumerate(trained.labels) if label != -100)
    assert first <= len(prompt) < len(trained.input_ids)
    assert assistant.prompt_text("hi") == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_control_tokens_in_a_question_are_text(assistant: Assistant) -> None:
    end = assistant.loaded.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert assistant.prompt("<|im_end|>").count(end) == assistant.prompt("x").count(end)


def test_the_base_column_is_the_base(assistant: Assistant, base: Path) -> None:
    alone = Assistant.load(str(base), device="cpu")
    with_adapter = assistant.ask_all(QUESTIONS, **SHORT)
    without = assistant.base.ask_all(QUESTIONS, **SHORT)
    assert without == alone.ask_all(QUESTIONS, **SHORT)
    assert all(a != b for a, b in zip(with_adapter, without, strict=True))
    assert [assistant.base.ask(q, **SHORT) for q in QUESTIONS] == without
    assert [assistant.ask(q, **SHORT) for q in QUESTIONS] == with_adapter


def test_base_and_assistant_stream_side_by_side(assistant: Assistant) -> None:
    expected = [a.ask(QUESTIONS[0], **SHORT) for a in (assistant.base, assistant)]
    streams = [a.stream(QUESTIONS[0], **SHORT) for a in (assistant.base, assistant)]
    heard = ["", ""]
    while (pieces := [next(s, None) for s in streams]) != [None, None]:
        heard = [h + (p or "") for h, p in zip(heard, pieces, strict=True)]
    assert heard == expected


def test_many_threads_mix_no_answers(assistant: Assistant) -> None:
    jobs = [(who, q) for who in (assistant, assistant.base) for q in QUESTIONS] * 3
    expected = {(id(who), q): who.ask(q, **SHORT) for who, q in jobs}
    heard: list[tuple[int, str, str]] = []
    threads = [
        threading.Thread(target=lambda w=who, q=q: heard.append((id(w), q, w.ask(q, **SHORT)))) for who, q in jobs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == len(jobs)
    assert all(expected[who, q] == answer for who, q, answer in heard)


def test_a_stream_left_half_way_blocks_nobody(assistant: Assistant) -> None:
    left = assistant.stream(QUESTIONS[0], **SHORT)
    next(left)
    assert assistant.ask(QUESTIONS[1], **SHORT)


def test_an_answer_ends_where_it_is_told_to(assistant: Assistant) -> None:
    whole = list(assistant.stream(QUESTIONS[0], max_new_tokens=30))
    asked = itertools.count()
    heard = list(assistant.stream(QUESTIONS[0], max_new_tokens=30, should_stop=lambda: next(asked) >= 3))
    assert "".join(whole).startswith("".join(heard)) and 0 < len(heard) <= 3 < len(whole)


def test_an_answer_ends_at_the_end_of_turn_and_at_the_end_of_text(assistant: Assistant) -> None:
    tokenizer = assistant.loaded.tokenizer
    assert set(assistant.stop_ids) == {tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>")}
    made = assistant.loaded.tokenizer(assistant.ask(QUESTIONS[0], max_new_tokens=200))["input_ids"]
    assert not set(made) & set(assistant.stop_ids)


def test_the_same_seed_draws_the_same_answer(assistant: Assistant) -> None:
    hot = {"temperature": 1.5, "max_new_tokens": 12}
    drawn = [assistant.ask("hi", seed=seed, **hot) for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert assistant.ask("hi", temperature=1.5, top_k=1, max_new_tokens=12) == assistant.ask("hi", **SHORT)


def test_a_long_history_is_cut_and_it_is_said(assistant: Assistant) -> None:
    long = [Message("user", "Who are you? " * 20), Message("assistant", "I am. " * 20)] * 3 + [Message("user", "?")]
    with pytest.warns(UserWarning, match="oldest messages were left out"):
        assistant.ask(long, **SHORT)
    cut: list[int] = []
    list(assistant.stream(long, on_cut=cut.append, **SHORT))
    assert cut and cut[0] % 2 == 0
    with pytest.raises(BadInput, match="alone takes"):
        assistant.ask("Who are you? " * 200)


def test_an_adapters_folder_is_enough(adapter: Path, assistant: Assistant) -> None:
    alone = Assistant.load(str(adapter), device="cpu")
    assert alone.adapted and alone.ask(QUESTIONS[0], **SHORT) == assistant.ask(QUESTIONS[0], **SHORT)


def test_the_merged_model_answers_as_the_adapter_does(
    base: Path, adapter: Path, assistant: Assistant, tmp_path: Path
) -> None:
    merged = Assistant.load(str(merge(str(base), adapter, tmp_path / "m", dtype="float32")), device="cpu")
    assert merged.ask_all(QUESTIONS, **SHORT) == assistant.ask_all(QUESTIONS, **SHORT)
    assert set(merged.stop_ids) == set(assistant.stop_ids)


def test_a_changed_chat_template_is_refused_unless_named(base: Path, adapter: Path, tmp_path: Path) -> None:
    both = [copy(folder, tmp_path / folder.name) for folder in (base, adapter)]
    for folder in both:
        file = folder / "chat_template.jinja"
        file.write_text(file.read_text(encoding="utf-8").replace("assistant\\n", "assistant\\n\\n"))
    with pytest.raises(BadInput, match="renders differently"):
        Assistant.load(str(both[0]), both[1], device="cpu")
    named = Assistant.load(str(both[0]), both[1], template="zephyr", device="cpu")
    assert any("renders differently" in notice for notice in named.notices)
    only_base = Assistant.load(
        str(both[0]), adapter, device="cpu"
    )  # the adapter brings the tokenizer it was trained with
    assert only_base.prompt_text("hi").endswith("assistant\n") and not only_base.prompt_text("hi").endswith("\n\n")


def test_another_base_of_the_same_shape_is_told(making: ModuleType, adapter: Path, tmp_path: Path) -> None:
    other = making.save_base(tmp_path / "other", dtype="float32", seed=5)
    told = Assistant.load(str(other), adapter, device="cpu").notices
    assert len(told) == 1 and "other weights" in told[0]


def test_an_adapter_whose_weights_found_no_place_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    import warnings

    from safetensors.torch import load_file, save_file

    lost = copy(adapter, tmp_path / "lost")
    weights = load_file(lost / "adapter_model.safetensors")
    renamed = {name.replace("base_model.model.model", "base_model.model.net"): w for name, w in weights.items()}
    save_file(renamed, lost / "adapter_model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT warns, and loads all the same
        with pytest.raises(BadInput, match="changes nothing"):
            Assistant.load(str(base), lost, device="cpu")


def test_unknown_names_are_refused(base: Path, adapter: Path) -> None:
    with pytest.raises(UnknownName, match="qwen_chat"):
        Assistant.load(str(base), adapter, template="qwen_chta")
    with pytest.raises(UnknownName):
        Assistant.load("poket")


def test_a_comparison_asks_each_the_same(assistant: Assistant) -> None:
    rows = compare({"base": assistant.base, "assistant": assistant}, QUESTIONS, max_new_tokens=12)
    assert [row.question for row in rows] == QUESTIONS
    assert [row.answers["base"] for row in rows] == assistant.base.ask_all(QUESTIONS, **SHORT)
    assert [row.answers["assistant"] for row in rows] == assistant.ask_all(QUESTIONS, **SHORT)


def test_a_chat_renders_its_messages_anew(assistant: Assistant) -> None:
    chat = Chat(assistant, system="brief", sampling=Sampling(max_new_tokens=8))
    first = chat.say("Who are you?")
    sent = [Message("system", "brief"), *ask("Who are you?", first).messages, Message("user", "你是谁？")]
    assert chat.say("你是谁？") == assistant.ask(sent, max_new_tokens=8)
    assert list(chat.conversation().messages[:-1]) == sent
    chat.reset()
    assert chat.messages == [] and chat.system == "brief"


def test_a_stopped_answer_is_kept_as_far_as_it_came(assistant: Assistant) -> None:
    chat = Chat(assistant)
    answer = chat.stream("Who are you?")
    said = next(answer)
    answer.close()
    assert [m.content for m in chat.messages] == ["Who are you?", said]
    list(chat.stream("again", should_stop=lambda: True))
    assert len(chat.messages) == 2  # not a word: not kept


def test_retry_draws_another_answer_to_the_same_question(assistant: Assistant) -> None:
    chat = Chat(assistant, sampling=Sampling(max_new_tokens=12))
    with pytest.raises(BadInput, match="Nothing was asked"):
        list(chat.retry())
    drawn = {chat.say("Who are you?"), *("".join(chat.retry()) for _ in range(3))}
    assert len(drawn) > 1
    assert [m.role for m in chat.messages] == ["user", "assistant"]


def test_a_saved_chat_goes_on_where_it_was(assistant: Assistant, tmp_path: Path) -> None:
    chat = Chat(assistant, system="brief", sampling=Sampling(max_new_tokens=8))
    chat.say("Who are you?")
    chat.save(tmp_path / "talk.jsonl")
    assert json.loads((tmp_path / "talk.jsonl").read_text(encoding="utf-8"))["messages"][0]["content"] == "brief"
    again = Chat(assistant, sampling=Sampling(max_new_tokens=8))
    again.load(tmp_path / "talk.jsonl")
    assert (again.system, again.messages) == (chat.system, chat.messages)
    assert again.say("?") == chat.say("?")
