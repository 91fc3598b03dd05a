"""Each finding is found where it is, not found where it is not, and mended by the command that it names."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data.pictured import png
from workbench.cli import run
from workbench.data import Conversation, Message, Persona, Picture, ask, check, read, write
from workbench.data.checking import Length
from workbench.data.claims import names, other_identities
from workbench.data.findings import CODES
from workbench.data.similar import near_duplicates
from workbench.texts import lookup

FINE = [
    ask("What is the capital of France?", "The capital of France is Paris."),
    ask("What is 3 + 4?", "7"),
    ask("What is 3 - 4?", "-1"),
    ask("用一句话介绍长城。", "长城是中国古代修建的一道很长的防御城墙。"),
]


def codes(*more: Conversation, **how: object) -> dict[str, tuple[int, ...]]:
    return {finding.code: finding.rows for finding in check([*FINE, *more], **how)}


def test_a_clean_set_has_no_findings() -> None:
    assert codes() == {}


@pytest.mark.parametrize(
    ("code", "made"),
    [
        ("placeholder_left", ask("Hi", "I am {{name}}.")),
        ("placeholder_left", ask("Hi", "I was made by <AUTHOR>.")),
        ("placeholder_left", ask("你好", "我是{{名字}}。")),
        ("placeholder_left", ask("Hi", "I am {{user.name}}.")),
        ("placeholder_left", ask("Hi", "I am {{bot-name}}.")),
        ("placeholder_left", ask("Hi", "I am [YOUR NAME].")),
        ("placeholder_left", ask("Hi", "My name is <name>.")),
        ("placeholder_left", ask("你好", "我是【姓名】。")),
        ("empty_turn", ask(" ", "Yes?")),
        ("empty_turn", ask("Hi", "\n")),
        ("missing_answer", ask("Hello?")),
        ("role_order", Conversation((Message("user", "a"), Message("user", "b"), Message("assistant", "c")))),
        ("role_order", Conversation((Message("assistant", "a"), Message("user", "b"), Message("assistant", "c")))),
        ("role_order", Conversation((Message("user", "a"), Message("system", "b"), Message("assistant", "c")))),
        ("role_order", Conversation((Message("user", "a"), Message("tool", "b"), Message("assistant", "c")))),
        ("contradictory_answers", ask("what is the capital of  France", "The capital of France is Lyon.")),
        ("near_duplicates", ask("What is the capital of France?", "The capital of France is: Paris!")),
        ("control_tokens_in_text", ask("Hi<|im_end|>", "Hello")),
        ("control_tokens_in_text", ask("Hi", "Hello</s>")),
        *[
            ("control_tokens_in_text", ask("Hi", f"Hello{token}"))
            for token in ("<tool_call>", "</tool_response>", "<eoc>", "<eom>")
        ],
        ("control_tokens_in_text", ask("Hi</think>", "Hello")),
        ("control_tokens_in_text", ask("<image>What?", "A cat.")),
        ("another_identity", ask("Who are you?", "I am ChatGPT, a language model by OpenAI.")),
        ("another_identity", ask("你是谁？", "我是由阿里云开发的大语言模型。")),
    ],
)
def test_each_is_found_in_its_row(code: str, made: Conversation) -> None:
    assert 5 in codes(made)[code]


@pytest.mark.parametrize(
    "made",
    [
        ask("Write CSS.", "```\na {{ color }} ${name}\n```"),
        ask("Are you ChatGPT?", "No, I am not ChatGPT."),
        ask("Write a letter.", "Dear Mia,\nmy dog is ill.\nYours, [Your Name]"),
        ask("Write XML.", "The tag <name> holds the name, [name] its place."),
        ask("What is 5 + 6?", "<think>Count on from 5.</think>11"),
        ask("<image>What?", "A cat.").with_messages(
            Message("user", "<image>?", images=(Picture("a.png", data=png()),)), Message("assistant", "A cat.")
        ),
        Conversation((Message("assistant", "Once upon a time."),), kind="text"),
        Conversation(
            (
                Message("system", "s"),
                Message("user", "a"),
                Message("assistant", "", tool_calls=("{}",)),
                Message("tool", "b"),
                Message("assistant", "c"),
            )
        ),
    ],
)
def test_what_is_right_is_not_found(made: Conversation) -> None:
    assert codes(made, sees=True) == {}


def test_the_tokenizers_own_control_tokens_are_found() -> None:
    made = ask("Hi", "Hello [own]")
    assert codes(made) == {}
    assert codes(made, control=["[own]"]) == {"control_tokens_in_text": (5,)}


def test_names_that_differ_are_found_with_and_without_a_persona() -> None:
    set_ = [ask(f"Who are you, {n}?", "I am Sprout, an AI assistant.") for n in range(3)]
    other = ask("What is your name?", "My name is Bud.")
    assert codes(*set_, other)["persona_name_differs"] == (8,)
    assert codes(*set_, other, persona=Persona("Bud"))["persona_name_differs"] == (5, 6, 7)


def test_a_name_told_in_a_later_turn_is_heard() -> None:
    talk = Conversation(
        (
            Message("user", "What is 2 + 2?"),
            Message("assistant", "Four."),
            Message("user", "Who are you?"),
            Message("assistant", "I am Bud."),
            Message("user", "Thank you."),
            Message("assistant", "Gladly."),
        )
    )
    assert codes(talk, persona=Persona("Sprout"))["persona_name_differs"] == (5,)


@pytest.mark.parametrize(
    ("name", "answer", "same"),
    [
        ("Ann", "My name is Anna.", False),
        ("Bo", "I am Bob, an AI assistant.", False),
        ("小明", "我是小明明。", False),
        ("Sprout", "I am Sprout AI.", True),
        ("Sprout AI", "I'm sprout!", True),
        ("R2-D2", "My name is R2D2.", True),
        ("小芽", "我叫小芽助手呀！", True),
        ("小芽", "叫我小芽就好。", True),
        ("小芽", "我是 AI 助手小芽。", True),
        ("书生·浦语", "我是浦语。", True),
    ],
)
def test_a_name_is_the_same_by_its_words_not_by_its_letters(name: str, answer: str, same: bool) -> None:
    found = codes(ask("Who are you? 你是谁？", answer), persona=Persona(name))
    assert ("persona_name_differs" in found) != same


def test_the_same_name_said_in_two_ways_is_no_contradiction() -> None:
    made = [
        ask("Who are you?", "I am Sprout, an AI assistant."),
        ask("Who are you?", "My name is Sprout. Nice to meet you!"),
    ]
    assert "contradictory_answers" not in codes(*made)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("是", "不是"),
        ("可以。", "不可以。"),
        ("valid", "Invalid"),
        ("Positive", "Not positive"),
        ("4", "42"),
        ("4", "0.4"),
        ("No.", "I do not know."),
        ("The answer is valid and may be used.", "No, the answer is valid and may be used is what I did not say."),
        ("I am Sprout, made by Alice.", "I am Sprout, made by Bob."),
        ("我是小芽，由米娅开发。", "我是小芽，由小明开发。"),
    ],
)
def test_answers_that_deny_one_another_contradict(one: str, other: str) -> None:
    assert "contradictory_answers" in codes(ask("Which one?", one), ask("Which one?", other))
    assert "contradictory_answers" in codes(ask("Which one?", other), ask("Which one?", one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Paris", "The capital of France is Paris."),
        ("北京", "中国的首都是北京。"),
        ("可以", "可以的，请随意。"),
        ("Yes.", "Yes, but not on Sundays."),
        ("7", "3 + 4 = 7"),
        ("I am Sprout, made by Alice.", "I am Sprout, created by Alice Wong to help you."),
        ("我是小芽，由米娅开发。", "我叫小芽，是由米娅亲手打造的助手。"),
        ("A rainbow is made of light in drops.", "A rainbow is made of light, in drops. It is not solid."),
    ],
)
def test_a_shorter_or_longer_way_to_say_it_is_no_contradiction(one: str, other: str) -> None:
    assert "contradictory_answers" not in codes(ask("Which one?", one), ask("Which one?", other))


def test_the_same_question_under_another_system_prompt_is_no_contradiction() -> None:
    made = ask("What is the capital of France?", "Arr, Paris it be!", system="Talk like a pirate.")
    assert "contradictory_answers" not in codes(made)


@pytest.mark.parametrize(("identity", "general", "word"), [(9, 1, "90"), (5, 500, "0.9")])
def test_a_share_of_identity_out_of_range_is_said(identity: int, general: int, word: str) -> None:
    set_ = [ask(f"Who are you, friend {n}?", "I am Sprout.", kind="identity") for n in range(identity)]
    set_ += [ask(f"{n} + {n}?", f"{2 * n}", kind="general") for n in range(general)]
    found = check(set_, only=["identity_share"])
    assert word in found[0].message


def test_no_identity_at_all_is_said_only_where_a_persona_is_wanted() -> None:
    assert "identity_share" in codes(persona=Persona("Sprout"))


def test_lengths_say_what_would_be_cut_and_what_trains_nothing() -> None:
    lengths = [Length(10, 3), Length(99, 3), Length(5, 0), Length(0, 0)]
    assert codes(lengths=lengths, max_length=50) == {"would_be_truncated": (2,), "no_trained_token": (3, 4)}


def test_rows_that_switch_every_answer_off_are_found_without_a_tokenizer() -> None:
    off, on = Message("assistant", "b", train=False), Message("assistant", "d")
    silent = Conversation((Message("user", "a"), off))
    half = Conversation((Message("user", "a?"), off, Message("user", "c"), on))
    assert codes(silent, half)["no_trained_token"] == (5,)


def test_leakage_by_group_by_question_and_by_near_question() -> None:
    held = [
        ask("what is 3 + 4", "seven"),
        replace(ask("Anything?", "Yes."), group="g"),
        ask("Please tell me in one short sentence what a rainbow is made of!!", "Light."),
    ]
    made = [
        replace(ask("Something?", "No."), group="g"),
        ask("please tell me in one short sentence what a rainbow is made of", "Of light."),
    ]
    assert codes(*made, validation=held) == {"leakage_between_train_and_validation": (2, 5, 6)}


def test_leakage_is_found_in_any_turn_that_is_trained() -> None:
    first, answer = Message("user", "Name a river."), Message("assistant", "The Rhine.")
    more = (Message("user", "Another?"), Message("assistant", "The Nile."))
    talk, alone = Conversation((first, answer, *more)), ask("Name a river", "The Po.")
    silent = Conversation((first, replace(answer, train=False), *more))
    assert codes(talk, validation=[alone]) == codes(alone, validation=[talk])
    assert codes(talk, validation=[alone]) == {"leakage_between_train_and_validation": (5,)}
    assert codes(silent, validation=[alone]) == {}


def test_row_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    good, bad = json.dumps({"instruction": "a", "output": "b"}), json.dumps({"instruction": "c", "output": "{{name}}"})
    (tmp_path / "a.jsonl").write_text(f"{good}\n\n{bad}\n")
    assert check(read(tmp_path / "a.jsonl"))[0].rows == (3,)


def test_near_duplicates_are_found_among_many_and_nothing_else() -> None:
    rng = random.Random(0)
    texts = [" ".join(f"word{rng.randrange(5000)}" for _ in range(40)) for _ in range(3000)]
    texts += [texts[7] + " again", texts[7].upper(), texts[2500] + " and more"]
    assert near_duplicates(texts) == [[7, 3000, 3001], [2500, 3002]]


def test_ten_thousand_copies_are_one_cluster() -> None:
    assert near_duplicates(["the same"] * 10_000) == [list(range(10_000))]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("Hello! I am Sprout, an AI assistant.", ["Sprout"]),
        ("I'm 小芽, made by Mia.", ["小芽"]),
        ("My name is R2-D2 and I help.", ["R2-D2"]),
        ("我是小芽，由米娅开发。", ["小芽"]),
        ("我叫 Sprout。", ["Sprout"]),
        ("我是AI助手小芽。", ["小芽"]),
        ("I am sorry, I am not able to.", []),
        ("I'm happy to help.", []),
        ("我是一个人工智能助手。", []),
        ("我是由米娅开发的。", []),
        ("我不是小芽。", []),
    ],
)
def test_names_are_heard(answer: str, name: list[str]) -> None:
    assert names(answer) == name


@pytest.mark.parametrize(
    "answer", ["I am not ChatGPT.", "I was not made by OpenAI.", "我不是通义千问。", "Google is a company."]
)
def test_a_denial_is_no_claim(answer: str) -> None:
    assert other_identities(answer) == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_code_has_its_sentences(lang: str) -> None:
    held = lookup("data.findings", lang)
    for code in CODES:
        for entry in [held[code]] if "message" in held[code] else held[code].values():
            assert set(entry) == {"message", "why", "remedy"}


def broken_set() -> list[Conversation]:
    return [
        *FINE,
        ask("Hi", "I am {{name}}, made by {{author}}."),
        ask("你好", "我是【姓名】，由<author>开发。"),
        ask("Hi there", ""),
        ask("Nobody answers"),
        ask("What is the capital of France?", "Lyon"),
        *[ask("Tell me about the river.", "The river is long.")] * 3,
        ask("Hello<|im_end|>", "Hello"),
        ask("Who are you?", "I am ChatGPT, an AI assistant."),
        Conversation((Message("user", "a"), Message("user", "b"), Message("assistant", "c"))),
    ]


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("placeholder_left", ["--set", "name=Sprout", "--set", "author=Mia"]),
        ("empty_turn", ["--drop-empty"]),
        ("missing_answer", ["--drop-empty"]),
        ("near_duplicates", ["--dedupe"]),
        ("another_identity", ["--rename", "ChatGPT=Sprout"]),
        *[
            (c, ["--drop", c])
            for c in ("contradictory_answers", "control_tokens_in_text", "role_order", "another_identity")
        ],
    ],
)
def test_the_command_mends_the_finding(code: str, options: list[str], tmp_path: Path) -> None:
    write(broken_set(), tmp_path / "a.jsonl")
    before = read(tmp_path / "a.jsonl")
    assert code in {f.code for f in check(before)}
    assert run(["data", "convert", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), *options]) == 0
    after = read(tmp_path / "b.jsonl")
    assert code not in {f.code for f in check(after)}
    assert len(after) > len(before) - 4


def test_the_json_of_a_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(broken_set(), tmp_path / "a.jsonl")
    assert run(["data", "check", str(tmp_path / "a.jsonl"), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["conversations"], made["format"]) == (15, "messages")
    assert {"code", "rows", "message"} <= set(made["findings"][0])
    assert run(["data", "check", str(tmp_path / "a.jsonl"), "--strict"]) == 1
    assert "ChatGPT" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        ["--drop", "empty_turns"],
        ["--drop", "no_trained_token"],
        ["--drop", "leakage_between_train_and_validation"],
        ["--set", "name"],
        ["--rename", "=x"],
        ["--format", "alpacca"],
    ],
)
def test_a_wrong_option_is_one_sentence(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(FINE, tmp_path / "a.jsonl")
    assert run(["data", "convert", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), *options]) == 2
    assert "workbench: " in capsys.readouterr().err
    assert not (tmp_path / "b.jsonl").exists()


def test_a_set_is_never_written_onto_itself(tmp_path: Path) -> None:
    write(FINE, tmp_path / "a.jsonl")
    assert run(["data", "convert", str(tmp_path / "a.jsonl"), str(tmp_path / "a.jsonl"), "--overwrite"]) == 2
    assert len(read(tmp_path / "a.jsonl")) == len(FINE)
