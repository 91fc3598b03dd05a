"""The assistant introduces itself as its run says."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.chat.face import EXAMPLES, Face, face_of
from workbench.chat.loading import Serving
from workbench.chat.serving import face
from workbench.texts import text

NOTE = {
    "persona": {"name": "小芽", "author": "课堂", "purpose": "练习", "languages": ["zh"]},
    "recipe": {"questions": ["你喜欢什么？", "What do you like?", 7, " "]},
}


def test_the_persona_greets_by_its_name_author_and_purpose() -> None:
    told = face_of(NOTE, "pocket")
    for lang in ("en", "zh"):
        assert all(part in told.greeting(lang) for part in ("小芽", "课堂", "练习"))


def test_without_a_persona_the_model_greets() -> None:
    told = face_of({}, "pocket")
    assert not told.known and "pocket" in told.greeting("en")


def test_examples_are_the_runs_own_questions_of_the_language_first() -> None:
    told = face_of(NOTE, "pocket")
    assert told.examples("zh")[0] == "你喜欢什么？" and told.examples("en")[0] == "What do you like?"
    assert len(told.examples("zh")) == EXAMPLES
    assert all(isinstance(question, str) for question in told.examples("zh"))


def test_a_note_that_somebody_bent_harms_nothing() -> None:
    for note in (
        {"persona": "x"},
        {"persona": {"name": ["a"]}},
        {"recipe": {"questions": "x"}},
        {"persona": {"name": " \n"}},
    ):
        assert face_of(note, "model") == Face("model")
    assert face_of({"persona": {"name": "a\nb" * 999}}, "m").name.count("\n") == 0


def test_the_adapters_note_counts_before_the_models(tmp_path: Path) -> None:
    for name in ("model", "adapter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "workbench.json").write_text(json.dumps({"persona": {"name": f"the {name}"}}))
    at = [str(tmp_path / name) for name in ("model", "adapter")]
    assert face(Serving(at[0])).name == "the model"
    assert face(Serving(at[0], adapter=at[1])).name == "the adapter"


def test_what_is_made_of_pocket_says_what_little_it_can() -> None:
    able = {lang: text("web.greeting.pocket", lang) for lang in ("en", "zh")}
    made = face_of({**NOTE, "base": {"name": "pocket"}}, "models/sprout")
    other = face_of({**NOTE, "base": {"name": "models/other"}}, "models/sprout")
    for lang, sentence in able.items():
        assert made.greeting(lang).endswith(sentence)
        assert face_of({}, "pocket").greeting(lang).endswith(sentence)
        assert sentence not in other.greeting(lang)
