"""Pictures in what is rendered: their places are never trained, and nobody's words become a place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.conversation import Conversation, Message
from workbench.data.picture import Picture
from workbench.data.pictures import PICTURE
from workbench.errors import BadInput
from workbench.models import load_tokenizer
from workbench.models.eyes import Eyes
from workbench.models.sight.build import PREPROCESSOR
from workbench.templates import encode, get, prompt_ids
from workbench.templates.values import IGNORE_INDEX

PATCHES, TOKEN = 36, 3
TEXT = load_tokenizer("pocket")
SEES: Any = load_tokenizer("pocket")
SEES.picture_places = Eyes(PREPROCESSOR, image_token=TOKEN, patches=PATCHES)
words = st.text(st.sampled_from("ab 你？<image>\n|"), max_size=12).map(lambda w: w.replace(PICTURE, "image"))
said = words.map(lambda w: f"x{w}y")


@st.composite
def questions(draw: Any) -> Message:
    """A question with up to two pictures, each at some place of its words."""
    count = draw(st.integers(0, 2))
    content = PICTURE.join(draw(said) for _ in range(count + 1))
    images = tuple(Picture(f"{draw(st.integers(0, 9))}.png", data=b"-") for _ in range(count))
    return Message("user", content, images=images)


@st.composite
def dialogues(draw: Any) -> Conversation:
    """One to three turns, perhaps after a system text."""
    messages = [Message("system", draw(said))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages += [draw(questions()), Message("assistant", draw(said))]
    return Conversation(tuple(messages))


@pytest.mark.parametrize("template", [None, "internlm2_chat", "qwen_chat"])
@given(dialogues())
@settings(max_examples=40, deadline=None)
def test_places_are_never_trained_and_answers_are(template: str | None, conversation: Conversation) -> None:
    (example,) = encode([conversation], SEES, template=template).examples
    places = [label for id_, label in zip(example.input_ids, example.labels, strict=True) if id_ == TOKEN]
    assert places == [IGNORE_INDEX] * PATCHES * len(conversation.pictures)
    assert example.media == conversation.pictures
    trained = [label for label in example.labels if label != IGNORE_INDEX]
    ends = get(template, SEES).ends
    answers = [m.content + "".join(ends) for m in conversation.messages if m.role == "assistant"]
    assert SEES.decode(trained) == "".join(answers)


@given(dialogues(), said)
@settings(max_examples=40, deadline=None)
def test_an_edit_before_the_picture_moves_no_label(conversation: Conversation, more: str) -> None:
    first = conversation.messages[0]
    edited = conversation.with_messages(replace(first, content=more + first.content), *conversation.messages[1:])
    before, after = (encode([c], SEES).examples[0] for c in (conversation, edited))
    assert [x for x in before.labels if x >= 0] == [x for x in after.labels if x >= 0]


@given(dialogues())
@settings(max_examples=40, deadline=None)
def test_what_serving_sends_begins_what_was_trained(conversation: Conversation) -> None:
    (example,) = encode([conversation], SEES).examples
    sent = prompt_ids(conversation.messages[:-1], SEES)
    assert example.input_ids[: len(sent)] == tuple(sent)
    assert sent.media == conversation.pictures


def test_a_mark_that_somebody_wrote_is_text() -> None:
    shown = Message("user", f"{PICTURE} and the word {PICTURE}", images=(Picture("a.png", data=b"-"),))
    written = Message("user", f"the word {PICTURE}")
    for message, count in ((shown, 1), (written, 0)):
        (example,) = encode([Conversation((message, Message("assistant", PICTURE)))], SEES).examples
        assert example.input_ids.count(TOKEN) == PATCHES * count


def test_without_pictures_nothing_is_otherwise() -> None:
    rows = [Conversation((Message("user", "Hi"), Message("assistant", "Hello.")))]
    assert encode(rows, SEES).examples == encode(rows, TEXT).examples


def test_a_text_model_refuses_a_picture_in_one_sentence() -> None:
    shown = Conversation((Message("user", PICTURE, images=(Picture("a.png", data=b"-"),)), Message("assistant", "A.")))
    assert encode([shown], TEXT).dropped == {"pictures": [0]}
    with pytest.raises(BadInput, match="sees no pictures"):
        prompt_ids(shown.messages[:1], TEXT)


def test_the_turn_of_a_picture_is_never_cut_off() -> None:
    shown = Message("user", f"{PICTURE}\nWhat is it?", images=(Picture("a.png", data=b"-"),))
    turns = (shown, Message("assistant", "A."), Message("user", "And now?"), Message("assistant", "B."))
    assert encode([Conversation(turns)], SEES, max_length=40).dropped == {"picture_too_long": [0]}


def test_pixels_belong_to_the_fingerprint() -> None:
    other: Any = load_tokenizer("pocket")
    other.picture_places = Eyes({**PREPROCESSOR, "do_pad": False}, image_token=TOKEN, patches=PATCHES)
    assert get(None, SEES).fingerprint(SEES) != get(None, other).fingerprint(other)
