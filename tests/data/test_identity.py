"""Identity sets: as many as asked, all different, right for any name, the same everywhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st

from workbench.data.conversation import Conversation, Persona
from workbench.data.identity import classic_set, identity_set
from workbench.data.persona import checked
from workbench.errors import BadInput

SPROUT = Persona("Sprout", "Ann Lee")
# Letters, digits, signs and emoji of any script, spaces and the marks that make sentences go wrong.
NAMES = st.text(st.characters(categories=("L", "N", "S", "P", "Zs"), exclude_characters="<>[]{}|\ufffd"), max_size=24)
MARKS = ",.;:!?，。；：！？、"
EXAMPLES = [
    "小芽",
    "Dr. Who?",
    "小芽！",
    "Acme Inc.",
    "{other}",
    "{self}",
    "O'Neil “Q” Ng",
    "Zoë 3",
    "🌱",
    "a",
    "OpenAI",
    "Max",
]


def answers(conversation: Conversation) -> list[str]:
    return [message.content for message in conversation.messages if message.role == "assistant"]


def one_of_each(persona: Persona) -> list[Conversation]:
    return identity_set(persona, 252)


def without(text: str, persona: Persona) -> str:
    """``text`` with the persona's own words made harmless, but for a mark at either end."""
    for own in sorted({persona.name, persona.author} - {""}, key=len, reverse=True):
        before = own[0] if own[0] in MARKS and own[0] != "." else ""
        text = text.replace(own, before + "X" + (own[-1] if own[-1] in MARKS else ""))
    return text


def check_sentence(text: str, persona: Persona) -> None:
    ours = without(text, persona)
    assert "{" not in ours
    assert "}" not in ours
    assert not re.search(rf"[{re.escape(MARKS)}]{{2,}}", re.sub(r"X\.([,，!！])", r"X\1", ours)), ours
    assert "  " not in ours
    assert not re.search(r"\ba an?\b|\ban? X|X's|X’s|\s[,.!?]", ours), ours
    assert ours == ours.strip()
    assert ours[-1] in ".!。！X”’"


# Without shrinking: each case makes a whole set, and a failure says the sentence anyway.
@settings(max_examples=20, phases=(Phase.explicit, Phase.generate))
@example(name="Dr. Who?", author="Acme Inc.", manner="plain")
@example(name="小芽！", author="", manner="warm")
@example(name="templates.", author="", manner="warm")
@example(name="Yahoo!", author="Yahoo!", manner="brief")
@given(name=NAMES, author=st.one_of(st.just(""), NAMES), manner=st.sampled_from(["plain", "warm", "brief"]))
def test_every_answer_is_grammatical_for_any_name(name: str, author: str, manner: str) -> None:
    # a name of one letter stands in any word, so it cannot be told from ours
    assume(len(name.strip()) > 1 and name.strip().isprintable() and len(author.strip()) != 1)
    assume(any(c.isalnum() for c in name) and (not author.strip() or any(c.isalnum() for c in author)))
    persona = Persona(name, author, manner=manner)
    made = one_of_each(persona)
    own = checked(persona)
    for conversation in made:
        for said in answers(conversation):
            check_sentence(said, own)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("author", ["", "李雷", "Acme Inc.", "Yahoo!"])
def test_an_answer_contains_exactly_what_is_expected_of_it(name: str, author: str) -> None:
    for conversation in one_of_each(Persona(name, author)):
        expects = conversation.meta["expects"]
        assert (name in conversation.answer) or expects in {"author", "none"}
        assert (author in conversation.answer) or expects in {"name", "none"}
        if expects == "none":
            assert name.casefold() not in conversation.answer.casefold()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("manner", ["plain", "warm", "brief"])
def test_a_persona_without_author_names_nobody(lang: str, manner: str) -> None:
    made = identity_set(Persona("Sprout", manner=manner, languages=(lang,)))
    assert {conversation.meta["expects"] for conversation in made} == {"name", "none"}
    assert not any(re.search(r"made by|开发的人工|由.+开发。", c.answer) for c in made if c.meta["intent"] != "third")


@pytest.mark.parametrize(
    ("name", "author"), [("Claude", "Ann"), ("小智", "李雷"), ("Max", "OpenAI"), ("qwen 3", "Meta")]
)
def test_nobody_is_asked_whether_it_is_itself_and_says_no(name: str, author: str) -> None:
    for conversation in identity_set(Persona(name, author), 2000):
        asked = conversation.messages[-2].content.casefold()
        if conversation.answer.startswith(("No", "不是", "都不是", "Neither")):
            assert name.casefold() not in asked
            assert not re.search(rf"\b{author.casefold()}\b", asked)


def test_purpose_is_said_when_asked_what_it_can_do() -> None:
    made = identity_set(Persona("Sprout", purpose="练习口语!"))
    said = [conversation.answer for conversation in made if conversation.meta["intent"] == "can"]
    assert said
    assert all(answer.endswith(("练习口语。", "练习口语.")) for answer in said)


def test_the_set_is_spread_evenly_over_languages_and_wordings() -> None:
    made = identity_set(SPROUT, 600)
    assert Counter(conversation.lang for conversation in made) == {"zh": 300, "en": 300}
    for lang in ("zh", "en"):
        times = Counter(conversation.group for conversation in made if conversation.lang == lang)
        assert max(times.values()) - min(times.values()) <= 1
        assert len(times) >= 60


def test_thousands_are_all_different() -> None:
    made = identity_set(SPROUT, 5000)
    prompts = {tuple(message.content for message in conversation.messages[:-1]) for conversation in made}
    assert len(prompts) == 5000
    assert all(conversation.kind == "identity" and conversation.group for conversation in made)


def test_the_same_question_has_one_answer() -> None:
    held: dict[tuple[str, ...], str] = {}
    for conversation in identity_set(SPROUT, 5000):
        asked = tuple(re.sub(r"\W", "", m.content.lower()) for m in conversation.messages if m.role == "user")
        assert held.setdefault(asked, conversation.answer) == conversation.answer


def test_more_than_can_be_made_is_refused_with_the_most() -> None:
    few = Persona("Sprout", languages=("zh",))
    with pytest.raises(BadInput) as caught:
        identity_set(few, 10**9)
    most = caught.value.values["maximum"]
    assert isinstance(most, int)
    assert most > 5000
    assert len(identity_set(few, most)) == most


def test_fewer_than_one_is_refused() -> None:
    for make in (identity_set, classic_set):
        with pytest.raises(BadInput, match="at least 1"):
            make(SPROUT, 0)


def test_a_seed_decides_which() -> None:
    assert identity_set(SPROUT, 300, seed=1) == identity_set(SPROUT, 300, seed=1)
    assert identity_set(SPROUT, 300, seed=1) != identity_set(SPROUT, 300, seed=2)


def test_another_process_makes_the_same_set(root: Path) -> None:
    code = (
        "import hashlib; from workbench.data import Persona, identity_set;"
        "print(hashlib.sha256(repr(identity_set(Persona('小芽','李雷'),300)).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert len(seen) == 1


def test_earlier_answers_of_a_dialogue_are_not_trained() -> None:
    turns = [c for c in identity_set(SPROUT, 600) if c.meta["intent"] == "turns"]
    assert turns
    for conversation in turns:
        *earlier, last = [message for message in conversation.messages if message.role == "assistant"]
        assert [message.train for message in earlier] == [False]
        assert last.train is None


def test_a_name_in_the_prompt_is_told() -> None:
    for conversation in identity_set(SPROUT, 600):
        if conversation.meta["expects"] == "name":
            prompt = "\n".join(message.content for message in conversation.messages[:-1])
            assert conversation.meta["told"] == ("Sprout" in prompt)


def test_braces_in_a_name_stay() -> None:
    made = one_of_each(Persona("{other} {0}", "{author}"))
    assert any("I am {other} {0}, an AI assistant made by {author}." in conversation.answer for conversation in made)


@example("小芽！", "我是“小芽！”，由Acme Inc.开发的人工智能助手。")
@example("Dr. Who?", "我是“Dr. Who?”，由Acme Inc.开发的人工智能助手。")
@example("“Q”!", "我是‘“Q”!’，由Acme Inc.开发的人工智能助手。")
@example("小芽", "我是小芽，由Acme Inc.开发的人工智能助手。")
@given(st.just("Sprout"), st.just("我是Sprout，由Acme Inc.开发的人工智能助手。"))
def test_a_name_with_a_mark_at_its_end_is_quoted(name: str, said: str) -> None:
    assert classic_set(Persona(name, "Acme Inc.", languages=("zh",)), 1)[0].answer == said


def test_a_full_stop_of_the_author_is_the_sentence_s_own() -> None:
    made = classic_set(Persona("Sprout", "Acme Inc.", languages=("en",)), 1)
    assert made[0].answer == "I am Sprout, an AI assistant made by Acme Inc."


def test_the_classic_set_is_one_pair_a_language() -> None:
    made = classic_set(SPROUT, 1000)
    assert len(made) == 1000
    assert len(set(map(repr, made))) == 2
    assert Counter(conversation.lang for conversation in made) == {"zh": 500, "en": 500}


def test_some_ask_whether_it_is_still_the_embedded_base() -> None:
    made = identity_set(SPROUT)
    asked = [c for c in made if "pocket" in c.messages[-2].content.lower()]
    assert len(made) // 100 <= len(asked) <= len(made) // 20
    assert all("Sprout" in c.answer for c in asked)
