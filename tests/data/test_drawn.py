"""Facts about drawn pictures: the same of one seed, never a held-out pair in training, and answers that are right."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from workbench.cli.data_pictures import pictures
from workbench.data import Message, read
from workbench.data.conversation import Conversation
from workbench.data.drawing import COLOURS, HELD_PAIRS, SHAPES, Figure, Scene, paint, png, scene
from workbench.data.drawn import TOPICS, asked, over_picture, questions, shown_only, title, titles
from workbench.data.imaging import opened
from workbench.errors import BadSetting, OutputExists


def test_one_seed_draws_the_same_bytes() -> None:
    assert questions(4, seed=3) == questions(4, seed=3)
    assert questions(4, seed=3) != questions(4, seed=4)


def test_held_out_pairs_use_every_shape_and_every_colour_stays_trained() -> None:
    assert {shape for shape, _ in HELD_PAIRS} == set(range(SHAPES))
    trained = {(s, c) for s in range(SHAPES) for c in range(COLOURS)} - HELD_PAIRS
    assert {s for s, _ in trained} == set(range(SHAPES)) and {c for _, c in trained} == set(range(COLOURS))
    rng = random.Random(0)
    assert not any(f.held for _ in range(300) for f in scene(rng).figures)
    assert all(f.held for _ in range(100) for f in scene(rng, held=True).figures)


def test_a_caption_says_what_is_drawn() -> None:
    drawn = Scene((Figure(shape=4, colour=0, size=1, place=0, count=1),), 5)
    assert title(drawn, "en") == "two large red stars on the left"
    assert title(drawn, "zh") == "左边有两个大的红色的星形"
    pixels = paint(drawn).load()
    red = [(x, y) for x in range(96) for y in range(96) if pixels[x, y][0] > 180 and pixels[x, y][1] < 80]
    assert red and all(x < 60 for x, _ in red)


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_topic_has_wordings_of_its_own_for_probes(topic: str, lang: str) -> None:
    drawn = Scene((Figure(2, 3, 0, 1, 0),), 1)
    seen = {asked(random.Random(n), drawn, topic, lang)[0] for n in range(40)}  # type: ignore[arg-type]
    unseen = {asked(random.Random(n), drawn, topic, lang, unseen_wording=True)[0] for n in range(40)}  # type: ignore[arg-type]
    assert seen and unseen and not seen & unseen
    assert "{" not in "".join(seen | unseen)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_title_is_asked_for_in_many_ways_and_never_for_one_part_alone(lang: str) -> None:
    rows = titles(300, seed=2, languages=(lang,), asked_for=True)
    assert [row.answer for row in rows] == [row.answer for row in titles(300, seed=2, languages=(lang,))]
    requests = {row.messages[0].content.removeprefix("<image>").strip() for row in rows}
    assert "" in requests and len(requests) > 15
    drawn = Scene((Figure(2, 3, 0, 1, 0),), 1)
    parts = {asked(random.Random(n), drawn, topic, lang)[0] for n in range(40) for topic in TOPICS if topic != "whole"}
    assert not requests & parts


def test_the_picture_is_a_png_of_the_scene() -> None:
    (row,) = titles(1)
    (picture,) = row.pictures
    assert opened(picture).size == (96, 96)
    assert picture.data == png(scene(random.Random("titles 0 False")))


def test_only_the_picture_and_its_title_are_left() -> None:
    (row,) = questions(1)
    longer = row.with_messages(*row.messages, Message("user", "And?"), Message("assistant", "No."))
    assert [m.content for m in shown_only(longer).messages] == ["<image>", row.answer]
    text = Conversation((Message("user", "Hi"), Message("assistant", "Hello.")))
    assert shown_only(text) == text


def test_a_question_over_a_picture_keeps_its_words() -> None:
    text = Conversation((Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hello.")))
    (shown,) = over_picture([text])
    assert shown.messages[1].content == "<image>\nHi" and len(shown.pictures) == 1
    assert shown.messages[::2] == text.messages[::2]


def test_the_command_writes_sets_that_can_be_read(tmp_path: Path) -> None:
    out = tmp_path / "drawn"
    done = CliRunner().invoke(pictures, [str(out), "--count", "6", "--held-out", "4", "--json"], catch_exceptions=False)
    assert json.loads(done.output)["conversations"] == {"pretrain.jsonl": 6, "finetune.jsonl": 6, "held-out.jsonl": 4}
    rows = read(out / "finetune.jsonl")
    assert [opened(p).size for row in rows for p in row.pictures] == [(96, 96)] * 6
    assert [row.answer for row in rows] == [row.answer for row in questions(6)]
    with pytest.raises(OutputExists):
        CliRunner().invoke(pictures, [str(out), "--count", "6"], catch_exceptions=False, standalone_mode=False)


def test_a_language_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting):
        options = [str(tmp_path / "a"), "--language", "fr"]
        CliRunner().invoke(pictures, options, catch_exceptions=False, standalone_mode=False)
