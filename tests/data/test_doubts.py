"""What a set would teach that nobody meant, where each row by itself can be read: it is found, counted, and mended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.cli import run
from workbench.data import Conversation, Message, Picture, ask, check, read, write
from workbench.data.doubts import of_columns
from workbench.data.findings import Finding
from workbench.data.questions import question_core

FINE = [
    ask("What is the capital of France?", "The capital of France is Paris."),
    ask("What is 3 + 4?", "7"),
    ask("What is 3 - 4?", "-1"),
    ask("用一句话介绍长城。", "长城是中国古代修建的一道很长的防御城墙。"),
]
HI = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
GOOD = "我是小苗，由三班开发。可以回答问题——比如数学。"


def found(*more: Conversation, **how: object) -> dict[str, Finding]:
    return {finding.code: finding for finding in check([*FINE, *more], **how)}


# garbled text
@pytest.mark.parametrize(
    "text",
    [
        "a lost \ufffd letter",
        "a private \ue123 one",
        "a bell \x07 rings",
        "????",
        "\\u4f60\\u597d\\u5417",
        "锟斤拷",
        GOOD.encode().decode("latin-1"),
        GOOD.encode().decode("cp1252", "ignore"),
        GOOD.encode().decode("gb18030", "replace"),
        GOOD.encode().decode("gb18030", "ignore"),
        GOOD.encode().decode("big5", "replace"),
        "こんにちは、私は学生です。".encode().decode("cp932", "ignore"),
        "Привет, как дела?".encode().decode("cp1251", "ignore"),
        "It’s a café".encode().decode("cp1252"),
        "naïve".encode().decode("latin-1"),
        GOOD.encode("gbk").decode("latin-1"),
        "20 °C, très bien".encode().decode("latin-1").replace("\xa0", " "),
        "\\xe6\\x88\\x91\\xe6",
        "%E6%88%91%E6%98%AF",
        "One line\\nNext line",
        "Tom &amp; Jerry said &quot;hi&quot;",
        "a\ufeffb",
    ],
)
def test_garbled_text_is_found_in_its_row(text: str) -> None:
    assert found(ask("Hi", text))["garbled_text"].rows == (5,)
    assert found(ask(text, "Hello"))["garbled_text"].rows == (5,)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "老老实实，好好学习，天天向上。",
        "繁體中文也是好的，沒有問題。",
        "こんにちは、私は学生です。",
        "안녕하세요, 저는 학생입니다.",
        "Привет, как дела?",
        "Ein schöner Tag, très naïf, ÀÉÎ «oui» £5 50 °C ½",
        "NÃO É",
        "Is it true??",
        "Describe 小苗 to me.",
        "I am 小芽, an AI assistant made by the class. You can call me 小芽.",
        "小校 is 小校, and 小校 stays 小校.",
        "In Python `'\\u4f60\\u597d\\u5417'` is a text.",
        "👍🏽 → ≥ ∑",
        "Tiếng Việt rất đẹp",
        "Put it into C:\\new\\Names, or see https://a.b/%E6%88%91%E6%98%AF.",
        "The HTML for it is &amp; and &quot;; R&amp;D.",
        "$\\nabla f$",
    ],
)
def test_sound_text_of_any_language_is_not(text: str) -> None:
    assert "garbled_text" not in found(ask("Hi", text))


def test_what_a_misread_text_was_is_said() -> None:
    assert "你是谁" in found(ask("Hi", "你是谁？".encode().decode("latin-1")))["garbled_text"].message


# ratings, preferences, columns
@pytest.mark.parametrize(
    ("code", "bad", "fine"),
    [
        ("rated_rows", {"label": False}, {"label": True}),
        ("rated_rows", {"kto_tag": "false"}, {"kto_tag": "true"}),
        ("rated_rows", {"feedback": "thumbs_down"}, {"feedback": "thumbs_up"}),
        ("rated_rows", {"deleted": True}, {"deleted": False}),
        ("rated_rows", {"is_correct": 0}, {"is_correct": 1}),
        ("held_out_rows", {"split": "test"}, {"split": "train"}),
        ("preference_rows", {"rejected": "London."}, {"rejected": None}),
        ("preference_rows", {"rejected_response": "London."}, {"rejected_response": ""}),
        ("unread_columns", {"context": "Paris is the capital."}, {"context": ""}),
        ("unread_columns", {"chosen": "Rome."}, {"source": "wiki"}),
        ("unread_columns", {"question": "Which river?"}, {"question": "Say it."}),
        ("unread_columns", {"loss_mask": [0, 1]}, {"loss_mask": 1}),
        ("unread_columns", {"weight": 0.5}, {"weight": 1.0}),
        ("rated_rows", {"status": "rejected"}, {"status": "done"}),
        ("unread_columns", {"train_on_input": False}, {"trainer": "me"}),
        ("rated_rows", {"标签": "差"}, {"标签": "好"}),
        ("rated_rows", {"verified": False}, {"verified": True}),
        ("rated_rows", {"metadata": {"quality": "bad"}}, {"metadata": {"quality": "good"}}),
        ("rated_rows", {"finish_reason": "length"}, {"finish_reason": "stop"}),
        ("held_out_rows", {"is_test": True}, {"is_test": False}),
        ("preference_rows", {"negative_response": "London."}, {"negative": True}),
        ("preference_rows", {"坏回答": "伦敦。"}, {"好": 1}),
        ("unread_columns", {"options": ["Rome", "Oslo"]}, {"options": ["It is", "Lyon"]}),
        ("unread_columns", {"earlier": [["Hi", "Hello"]]}, {"earlier": ["a"]}),
        ("unread_columns", {"rationale": "It is known."}, {"reasoning_effort": "high"}),
        ("unread_columns", {"persona": "You are Pip."}, {"persona": None}),
        ("unread_columns", {"metadata": {"train": False}}, {"metadata": {"train": True}}),
        ("unread_columns", {"train": "no"}, {"train": "true"}),
        ("unread_columns", {"output_2": "It is Rome, the old one."}, {"output_2": ""}),
        ("unread_columns", {"ground_truth": "Rome"}, {"ground_truth": "Lyon"}),
        ("unread_columns", {"reference_answer": 7}, {"expected": None}),
        ("unread_columns", {"corrected_answer": "It is Rome, the old one."}, {"corrected": True}),
        ("unread_columns", {"edited_content": "It is Rome, I say."}, {"edited_at": "today"}),
        ("rated_rows", {"preference": "rejected"}, {"preference": "chosen"}),
        ("rated_rows", {"feedback": "👎"}, {"feedback": "👍"}),
        ("unread_columns", {"标准答案": "罗马"}, {"output_tokens": 12}),
        ("unread_columns", {"训练方式": False}, {"来源": "百科"}),
    ],
)
def test_a_column_that_changes_the_meaning_is_counted(code: str, bad: dict, fine: dict) -> None:
    finding = found(ask("Name it.", "It is Paris.", meta=bad), ask("Say it.", "It is Lyon.", meta=fine))[code]
    assert finding.rows == (5,)
    assert next(iter(bad)) in finding.message or str(next(iter(bad.values()))) in finding.message


def test_columns_are_looked_at_file_by_file_and_a_row_that_comes_twice_counts_once(tmp_path: Path) -> None:
    sets = []
    for name, column in (("a", "label"), ("b", "context")):
        rows = [{"messages": row, column: value} for row, value in ((HI, ""), (HI, "Nobody knows."))]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        sets += read(tmp_path / f"{name}.jsonl")
    assert [(finding.code, finding.rows) for finding in of_columns([*sets, *sets])] == [("unread_columns", (2,))]
    assert of_columns([ask("a", "b"), ask("c", "d", meta={"label": False})])[0].rows == (2,)


def test_ratings_by_number_are_counted_where_they_differ() -> None:
    rated = [ask(f"Question {n}?", f"The answer is {n}.", meta={"score": n, "year": n}) for n in (1, 5)]
    assert "score 1–5" in found(*rated)["rated_rows"].message
    assert "rated_rows" not in found(rated[0])


def test_a_rating_of_a_single_message_is_counted_too() -> None:
    assert found(ask("Hi", "Hello", meta={"message_extras": {"1": {"label": False}}}))["rated_rows"].rows == (5,)


def test_the_class_of_a_plain_text_is_no_rating() -> None:
    assert "rated_rows" not in found(
        Conversation((Message("assistant", "A film like rain."),), kind="text", meta={"label": 0})
    )


def test_pictures_are_counted_unless_the_model_sees() -> None:
    pictured = Conversation((Message("user", "<image>?", images=(Picture("a.jpg"),)), Message("assistant", "A cat.")))
    assert found(pictured)["pictures_unseen"].rows == (5,)
    assert "pictures_unseen" not in found(pictured, sees=True)


@pytest.mark.parametrize("text", ["<video>What happens?", "What do you hear?\n<audio>"])
def test_the_place_of_a_film_or_sound_is_no_text(text: str) -> None:
    assert found(ask(text, "A bell rings."))["control_tokens_in_text"].rows == (5,)
    assert "control_tokens_in_text" not in found(ask("What does <video> do in HTML?", "It shows a film."))


# answers of a few characters
def test_answers_of_a_few_characters_are_counted() -> None:
    short = [ask("猕猴桃是水果吗？", "是"), ask("Is it red?", "No."), ask("金桔是树吗？", "是的。"), ask("And?", "……")]
    assert found(*short)["short_answers"].rows == (5, 6, 7, 8)
    assert "short_answers" not in found(short[0])


# questions that are one
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("猕猴桃与奇异果是什么关系？", "猕猴桃和奇异果什么关系"),
        ("猕猴桃和奇异果有什么区别？", "奇异果跟猕猴桃的区别是什么呢"),
        ("请问金桔怎么授粉？", "金桔如何授粉"),
        ("什么是大棚？", "请介绍一下大棚"),
        ("为什么要剪枝", "为何要剪枝呢？"),
        ("What is the difference between kiwi and kiwifruit?", "What's the difference of kiwifruit & kiwi"),
        ("Can you tell me what a graft is?", "What is a graft?"),
        ("Please explain grafting of trees", "Explain the grafting of a tree"),
    ],
)
def test_a_question_in_other_words_with_another_answer_is_found(one: str, other: str) -> None:
    pair = ask(one, "它们是同一种水果。"), ask(other, "它们没有关系。")
    assert found(*pair)["similar_questions"].rows == (5, 6)
    assert "similar_questions" not in found(pair[0], ask(other, "它们是同一种水果。"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 3 + 4 + 1?", "What is 3 + 4 - 1?"),
        ("法国的首都是哪里？", "德国的首都是哪里？"),
        ("金桔怎么授粉？", "金桔为什么授粉？"),
        ("猫吃鱼吗？", "鱼吃猫吗？"),
        ("苹果能冷藏吗？", "苹果不能冷藏吗？"),
        ("From Paris to Rome?", "From Rome to Paris?"),
        ("Is a cat bigger than a dog?", "Is a dog bigger than a cat?"),
        ("Who is the president?", "Who was the president?"),
        ("你是谁？", "你是什么？"),
    ],
)
def test_another_question_is_not_one(one: str, other: str) -> None:
    assert question_core(one) != question_core(other) or not question_core(one)


def test_paraphrases_that_a_set_declares_may_be_answered_each_in_its_way() -> None:
    pair = [ask("什么是大棚？", "种菜的房子。", group="g"), ask("大棚是什么", "保温的棚。", group="g")]
    assert "similar_questions" not in found(*pair)


# contradictions
def test_a_contradiction_names_its_own_question_and_keeps_what_most_say() -> None:
    hello = (Message("user", "Who are you?"), Message("assistant", "I am Sprout."))
    long = [Conversation((*hello, Message("user", f"And {n}?"), Message("assistant", "Sums."))) for n in range(3)]
    odd = ask("who are you", "I am Bud, a tool.")
    finding = found(odd, *long)["contradictory_answers"]
    assert (finding.rows, finding.surplus) == ((5, 6, 7, 8), (4,))
    assert '"Who are you?"' in finding.message or '"who are you"' in finding.message
    assert "And" not in finding.message
    assert "Bud" in finding.message
    assert "Sprout" in finding.message


def test_a_contradiction_in_a_later_turn_is_said_with_what_was_asked_before() -> None:
    talks = [
        Conversation(
            (Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "Sum?"), Message("assistant", a))
        )
        for a in ("It is four.", "It is nine.")
    ]
    assert '"Hi" → "Sum?"' in found(*talks)["contradictory_answers"].message


# near duplicates
LORE = "You are Pip, a small robot of the lighthouse who speaks in short sentences and never leaves the island. " * 6
FACTS = ["It counts ships.", "It oils the lamp.", "It hums at night.", "It fears the gulls.", "It writes to the moon."]


def dedupe(conversations: list[Conversation], place: Path) -> int:
    write(conversations, place / "a.jsonl")
    assert run(["data", "convert", str(place / "a.jsonl"), str(place / "b.jsonl"), "--dedupe"]) == 0
    return len(read(place / "b.jsonl"))


def test_a_system_text_that_all_rows_share_makes_no_duplicates(tmp_path: Path) -> None:
    rows = [ask(f"What about {fact[3:8]}?", fact, system=LORE) for fact in FACTS]
    assert dedupe(rows, tmp_path) == 5


def test_an_instruction_before_every_question_makes_no_duplicates(tmp_path: Path) -> None:
    rows = [ask(f"{LORE}\n{fact}", "That is true.") for fact in [*FACTS, "It paints doors.", "It reads maps."]]
    assert dedupe(rows, tmp_path) == 7


def test_two_personas_that_answer_alike_are_both_kept(tmp_path: Path) -> None:
    assert dedupe([ask("Hi", "Hello there!", system=system) for system in ("Be Ann.", "Be Bo.")], tmp_path) == 2


def test_real_duplicates_under_a_shared_system_text_are_found(tmp_path: Path) -> None:
    rows = [ask(f"What about {fact[3:8]}?", fact, system=LORE) for fact in FACTS]
    assert dedupe([*rows, rows[0], ask("what about count", "It counts ships", system=LORE)], tmp_path) == 5


def test_one_long_answer_to_different_questions_is_no_duplicate(tmp_path: Path) -> None:
    assert dedupe([ask(q, LORE) for q in ("Who are you?", "Tell me of the island.", "What is this?")], tmp_path) == 3


# cells that were empty
def test_what_a_program_wrote_for_an_empty_cell_is_counted() -> None:
    finding = found(ask("Name it.\nnan", "It is Paris."), ask("Say it.", "None"), ask("What is nan?", "No number."))
    assert (finding["filled_cells"].rows, "nan, None" in finding["filled_cells"].message) == ((5, 6), True)


def test_a_thought_without_an_answer_is_an_empty_turn() -> None:
    thinks = Conversation((Message("user", "Hi"), Message("assistant", "", thinking="A greeting.")))
    assert found(thinks)["empty_turn"].rows == (5,)


# dialogues that are read as plain text
def test_plain_text_that_begins_as_a_turn_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Human: Who are you?\n\nAssistant: I am Sprout.\n\nA user: somebody who asks.\n")
    finding = next(f for f in check(read(tmp_path / "a.txt")) if f.code == "turns_in_text")
    assert (finding.rows, "Who are you?" in finding.message) == ((1, 2), True)


@pytest.mark.parametrize(
    ("who", "whom"), [("User: ", "Assistant: "), ("用户：", "助手："), ("### Human: ", "### Assistant: ")]
)
def test_names_of_speakers_before_both_sides_are_counted(who: str, whom: str) -> None:
    finding = found(ask(f"{who}Who are you?", f"{whom}I am Sprout."))["marked_speakers"]
    assert (finding.rows, "Sprout" in finding.message) == ((5,), True)


def test_a_play_begins_with_a_name_and_that_is_no_fault() -> None:
    assert "marked_speakers" not in found(ask("Write a dialogue.", "User: Hi\nAssistant: Hello"))
    assert "marked_speakers" not in found(ask("User: Hi\nAssistant: Hello\nSum it up.", "They greet each other."))


def test_names_before_the_answers_of_a_whole_set_are_counted() -> None:
    rows = [ask(f"What is number {n}?", f"Assistant: It is the number {n}.") for n in range(9)]
    finding = next(f for f in check(rows) if f.code == "marked_speakers")
    assert len(finding.rows) == 9 and finding.surplus


# the commands
def test_a_field_of_an_object_in_a_column_is_left_out_by_its_name(tmp_path: Path) -> None:
    write([ask("Hi", "Hello", meta={"metadata": {"train": False, "id": 7}})], tmp_path / "a.jsonl")
    argv = ["data", "convert", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), "--drop-column", "metadata.train"]
    assert run(argv) == 0
    assert read(tmp_path / "b.jsonl")[0].meta == {"metadata": {"id": 7}}


def test_a_column_is_left_out_by_its_name(tmp_path: Path) -> None:
    row = {"prompt": "Hi", "chosen": "Hello", "rejected": "No.", "id": 7}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    assert (
        run(["data", "convert", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), "--drop-column", "rejected"]) == 0
    )
    made = read(tmp_path / "b.jsonl")
    assert (made[0].meta, [f.code for f in check(made)]) == ({"id": 7}, [])


@pytest.mark.parametrize(
    "code", ["garbled_text", "rated_rows", "held_out_rows", "similar_questions", "pictures_unseen"]
)
def test_the_command_mends_the_finding(code: str, tmp_path: Path) -> None:
    bad = [
        ask("Hi", "lost \ufffd"),
        ask("Name it.", "It is Lyon.", meta={"label": False, "split": "test"}),
        ask("猕猴桃与奇异果是什么关系？", "它们是同一种水果。"),
        ask("猕猴桃和奇异果什么关系", "它们没有关系。"),
        Conversation((Message("user", "<image>?", images=(Picture("a.jpg"),)), Message("assistant", "A cat."))),
    ]
    write([*FINE, *bad], tmp_path / "a.jsonl")
    before = read(tmp_path / "a.jsonl")
    assert code in {finding.code for finding in check(before)}
    assert run(["data", "convert", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), "--drop", code]) == 0
    after = read(tmp_path / "b.jsonl")
    assert (len(after), code in {finding.code for finding in check(after)}) == (len(before) - 1, False)
