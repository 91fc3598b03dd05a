"""Every way in which sets hold pictures is read to the same conversation, and each defect is named by row."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.pictured import bomb, moving, png, saved
from workbench.data import Conversation, Finding, Message, Picture, check, load, read, split, write
from workbench.data.picture_faults import UnseenRow, refuse_unreadable
from workbench.data.pictures import illustrated

QUESTION, ANSWER = "<image>\nWhat?", "A cat."
INLINE = "data:image/png;base64," + base64.b64encode(png()).decode()


def turns(question: str = QUESTION) -> list[dict[str, str]]:
    return [{"from": "human", "value": question}, {"from": "gpt", "value": ANSWER}]


def said(content: object = QUESTION) -> list[dict[str, object]]:
    return [{"role": "user", "content": content}, {"role": "assistant", "content": ANSWER}]


WORDS = {"type": "text", "text": "\nWhat?"}
ROWS: dict[str, dict[str, Any]] = {
    "llava": {"image": "a.png", "conversations": turns()},
    "llava-list": {"image": ["a.png"], "conversations": turns()},
    "the-other-key": {"id": 3, "image": "a.png", "conversation": turns()},
    "messages": {"messages": said(), "images": ["a.png"]},
    "of-a-message": {"messages": [{**said()[0], "images": ["a.png"]}, said()[1]]},
    "objects": {"messages": said(), "images": [{"path": "a.png"}]},
    "parts-path": {"messages": said([{"type": "image", "path": "a.png"}, WORDS])},
    "parts-url": {"messages": said([{"type": "image_url", "image_url": {"url": "a.png"}}, WORDS])},
    "parts-text": {"messages": said([{"type": "image_url", "image_url": "a.png"}, WORDS])},
    "parts-inline": {"messages": said([{"type": "image_url", "image_url": {"url": INLINE}}, WORDS])},
    "parts-beside": {"messages": said([{"type": "image"}, WORDS]), "images": ["a.png"]},
    "pairs": {"image": "a.png", "question": QUESTION, "answer": ANSWER},
    "no-place": {"image": "a.png", "conversations": turns("What?")},
}


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_each_way_of_writing_is_one_conversation(row: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    conversation = read(tmp_path / "rows.json")[0]
    assert [m.content for m in conversation.messages] == [QUESTION, ANSWER]
    assert [picture.content() for picture in conversation.pictures] == [png()]


@pytest.mark.parametrize("question", ["What?\n<image>", "<image>\nWhat?", " <image>What? "])
def test_xtuner_puts_the_picture_before_the_words(question: str, tmp_path: Path) -> None:
    row = {"image": "a.png", "conversations": [{"from": "gpt", "value": "Hello."}, *turns(question)]}
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    theirs, ours = read(tmp_path / "rows.json", compat="xtuner"), read(tmp_path / "rows.json")
    assert [message.content for message in theirs[0].messages] == [QUESTION, ANSWER]
    assert ours[0].messages[1].content == question


def test_a_folder_of_pictures_with_captions_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "metadata.csv").write_text("file_name,text\na.png,A red field.\n")
    reading = load(tmp_path)
    assert reading.format == "captions"
    assert reading.conversations[0].messages == (
        Message("user", "<image>", images=(Picture("a.png", str(tmp_path)),)),
        Message("assistant", "A red field."),
    )


@pytest.mark.parametrize("columns", [{"text": "A red field."}, {"conversations": turns()}, {"messages": said()}])
def test_bytes_in_a_table_are_pictures(columns: dict[str, Any], tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    column = "images" if "messages" in columns else "image"
    cell: Any = {"bytes": png("blue"), "path": "a.png"}
    row = {column: [cell] if column == "images" else cell, **columns}
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")[0].pictures == (Picture("a.png", data=png("blue")),)


def test_pictures_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(png())
    (tmp_path / "rows.json").write_text(json.dumps([ROWS["llava"]]))
    assert found(read(tmp_path / "rows.json")).keys() == {"picture_missing"}
    assert found(read(tmp_path / "rows.json", image_folder=tmp_path / "photos")) == {}


def test_what_is_written_elsewhere_takes_its_pictures_along(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").write_bytes(png())
    (tmp_path / "data" / "rows.json").write_text(json.dumps([ROWS["llava"]]))
    conversations = read(tmp_path / "data" / "rows.json")
    write(conversations, tmp_path / "data" / "same.jsonl")
    write(conversations, tmp_path / "elsewhere.jsonl")
    assert '"a.png"' in (tmp_path / "data" / "same.jsonl").read_text()
    for file in (tmp_path / "data" / "same.jsonl", tmp_path / "elsewhere.jsonl"):
        assert [picture.content() for picture in read(file)[0].pictures] == [png()]


def found(conversations: list[Conversation], **options: Any) -> dict[str, tuple[int, ...]]:
    return {finding.code: finding.rows for finding in findings(conversations, **options)}


def findings(conversations: list[Conversation], **options: Any) -> list[Finding]:
    return [finding for finding in check(conversations, sees=True, **options) if "picture" in finding.code]


def rows_of(tmp_path: Path, *names: str, question: str = QUESTION) -> list[Conversation]:
    rows = [{"image": name, "conversations": turns(f"{question} {n}")} for n, name in enumerate(names)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    return read(tmp_path / "rows.json")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "picture_unreadable"),
        (png()[:60], "picture_unreadable"),
        (b"<svg/>", "picture_unreadable"),
        (bomb(), "picture_too_large"),
        (moving(), "picture_changed"),
        (png(size=(90, 20)), "picture_narrow"),
    ],
)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_defect_is_named_by_its_row_with_its_mend(data: bytes, code: str, lang: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").write_bytes(data)
    finding = findings(rows_of(tmp_path, "a.png", "b.png"), lang=lang)[0]
    assert (finding.code, finding.rows) == (code, (2,))
    assert finding.remedy
    assert "{" not in finding.message + finding.why + finding.remedy


def test_what_cannot_be_seen_stops_a_training_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(UnseenRow, match=r"rows\.json, row 2.*2 rows.*b\.png") as caught:
        refuse_unreadable(rows_of(tmp_path, "a.png", "b.png", "../c.png"))
    assert caught.value.exit_status == 2
    refuse_unreadable(rows_of(tmp_path, "a.png"))


@pytest.mark.parametrize(
    ("messages", "row"),
    [
        (said("What?"), 1),
        ([*said("Hi"), *said()], 1),
        ([said("Hi")[0], {"role": "assistant", "content": QUESTION}], 1),
    ],
)
def test_a_picture_in_an_unusual_place_is_told(messages: list[Any], row: int, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "rows.json").write_text(json.dumps([{"messages": messages, "images": ["a.png"]}]))
    assert found(read(tmp_path / "rows.json")) == {"picture_places": (row,)}


def test_a_place_without_a_picture_is_told() -> None:
    conversation = Conversation((Message("user", QUESTION), Message("assistant", ANSWER)))
    assert found([conversation]) == {"picture_places": (1,)}


def test_one_picture_in_many_rows_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "copy.png").write_bytes(png())
    assert found(rows_of(tmp_path, *["a.png"] * 3, "copy.png", "copy.png")) == {"one_picture": (1, 2, 3, 4, 5)}
    assert found(rows_of(tmp_path, *["a.png"] * 4)) == {}


def test_the_same_picture_on_both_sides_is_found_by_its_pixels() -> None:
    def shows(data: bytes, name: str) -> Conversation:
        return Conversation((illustrated(f"What? {name}", [Picture(name, data=data)]), Message("assistant", ANSWER)))

    from PIL import Image

    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    ours = [shows(png(), "a.png"), shows(saved(noise, "PNG"), "b.png")]
    theirs = [shows(saved(noise, "JPEG", quality=92), "c.jpg")]
    assert found(ours, validation=theirs) == {"picture_in_both": (2,)}


def test_the_same_question_of_another_picture_is_another_question() -> None:
    pictures = [Picture(f"{n}.png", data=png((n, 90, 200))) for n in range(0, 250, 25)]
    rows = [Conversation((illustrated("What?", [p]), Message("assistant", f"Number {p.name}."))) for p in pictures]
    assert {finding.code for finding in check(rows, sees=True)} == set()
    train, held_out = split(rows, validation=0.2)
    assert (len(train), len(held_out)) == (8, 2)


def test_rows_of_one_picture_are_never_parted() -> None:
    picture = Picture("a.png", data=png())
    rows = [
        Conversation((illustrated(f"Question {n}?", [picture]), Message("assistant", f"Answer {n}.")))
        for n in range(10)
    ]
    assert split(rows, validation=0.3) == (rows, [])
