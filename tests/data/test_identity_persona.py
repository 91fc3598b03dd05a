"""What a persona may be, and what is said where it may not."""

from __future__ import annotations

import unicodedata

import pytest

from workbench.data.conversation import Persona
from workbench.data.persona import checked
from workbench.errors import BadInput, BadSetting


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("", "no_name"),
        ("  \u3000", "no_name"),
        ("Spro\nut", "line_break"),
        ("Spro\u2028ut", "line_break"),
        ("Spro\tut", "hidden_character"),
        ("Spro\x00ut", "hidden_character"),
        ("Spro\u200but", "hidden_character"),
        ("\u202etuorpS", "hidden_character"),
        ("Spro\ufffdut", "hidden_character"),
        ("Spro\ud800ut", "hidden_character"),
        ("Sprout<|im_end|>", "control_token"),
        ("</s>", "control_token"),
        ("[INST] Sprout", "control_token"),
        ("<image>", "control_token"),
        ("{{name}}", "placeholder"),
        ("I am {{ NAME }}", "placeholder"),
        ("x" * 61, "too_long"),
        ("\u0301", "nothing_visible"),
    ],
)
@pytest.mark.parametrize("field", ["name", "author"])
def test_a_text_that_would_spoil_the_set_is_refused(name: str, key: str, field: str) -> None:
    if field == "author" and key == "no_name":
        assert checked(Persona("Sprout", name)).author == ""
        return
    persona = Persona(name) if field == "name" else Persona("Sprout", name)
    with pytest.raises(BadInput) as caught:
        checked(persona)
    assert caught.value.key == f"identity.{key}"
    for lang in ("en", "zh"):
        assert caught.value.say(lang)
        assert caught.value.do(lang)


@pytest.mark.parametrize(
    "name",
    ["小芽", "Zoë", "O'Neil", '"Q"', "R2-D2", "👩‍💻", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
     "می‌خواهم", "{name}", "}{", "a<b", ".NET", "?", "x" * 60],
)  # fmt: skip
def test_a_strange_but_honest_name_stays_as_it_is(name: str) -> None:
    assert checked(Persona(name)).name == name


def test_spaces_around_go_and_accents_are_composed() -> None:
    persona = checked(Persona("  Zoe\u0308 \u3000", " Ann "))
    assert persona.name == unicodedata.normalize("NFC", "Zoë")
    assert persona.author == "Ann"


def test_a_purpose_loses_its_full_stop() -> None:
    assert checked(Persona("Sprout", purpose="to help. ")).purpose == "to help"


@pytest.mark.parametrize("persona", [Persona("Sprout", manner="wam"), Persona("Sprout", languages=("zh", "em"))])
def test_an_unknown_setting_names_the_nearest(persona: Persona) -> None:
    with pytest.raises(BadSetting, match=r"warm|en"):
        checked(persona)


def test_no_language_is_refused_and_one_named_twice_counts_once() -> None:
    with pytest.raises(BadInput, match="--language"):
        checked(Persona("Sprout", languages=()))
    assert checked(Persona("Sprout", languages=("en", "en"))).languages == ("en",)
