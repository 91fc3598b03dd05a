"""Pictures in the turns of models that see by themselves: the law of masks, and the ids of the library's processors."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.pictured import odd
from tests.ready import KINDS, make_ready
from workbench.data.conversation import Conversation, Message
from workbench.data.picture import Picture
from workbench.data.pictures import PICTURE
from workbench.errors import BadInput
from workbench.models import load_tokenizer
from workbench.models.batches import pad
from workbench.templates import dressed, encode, get, prompt_ids
from workbench.templates.values import IGNORE_INDEX
from workbench.templates.view import mask_view

ODD = odd()
SIZES = ((8, 8), (33, 64), (64, 33), (200, 10), (10, 90), (64, 64), (31, 47))
words = st.text(st.sampled_from("ab 你？<image>\n|_pad"), max_size=12).map(lambda w: w.replace(PICTURE, "image"))
said = words.map(lambda w: f"x{w}y")


@cache
def drawn(size: tuple[int, int]) -> Picture:
    """A picture of this width and height."""
    from PIL import Image

    out = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(out, "PNG")
    return Picture(f"{size[0]}x{size[1]}.png", data=out.getvalue())


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ready(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return load_tokenizer(str(folder))


@st.composite
def questions(draw: Any) -> Message:
    """A question with up to two pictures of any shape, which may stand first, last, or alone."""
    images = tuple(drawn(size) for size in draw(st.lists(st.sampled_from(SIZES), max_size=2)))
    texts = [draw(st.one_of(said, st.just(""))) for _ in range(len(images) + 1)]
    if not images:
        texts = [draw(said)]
    return Message("user", PICTURE.join(texts), images=images)


@st.composite
def dialogues(draw: Any) -> Conversation:
    """One to three turns, perhaps after a system text."""
    messages = [Message("system", draw(said))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages += [draw(questions()), Message("assistant", draw(said))]
    return Conversation(tuple(messages))


def in_parts(message: Message) -> dict[str, Any]:
    """A message as the library's processors are given it."""
    texts = message.content.split(PICTURE) if message.images else [message.content]
    content: list[dict[str, str]] = []
    for number, text in enumerate(texts):
        content += [{"type": "image"}] if number else []
        content += [{"type": "text", "text": text}] if text else []
    return {"role": message.role, "content": content}


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_places_are_never_trained_and_answers_are(tokenizer: Any, data: st.DataObject) -> None:
    conversation = data.draw(dialogues())
    (example,) = encode([conversation], tokenizer).examples
    places = tokenizer.picture_places
    shown = [label for id_, label in zip(example.input_ids, example.labels, strict=True) if id_ == places.image_token]
    expected = sum(places.ids(picture).count(places.image_token) for picture in conversation.pictures)
    assert shown == [IGNORE_INDEX] * expected and example.media == conversation.pictures
    trained = tokenizer.decode([label for label in example.labels if label != IGNORE_INDEX])
    end = get(None, tokenizer).ends[0]
    answers = [m.content for m in conversation.messages if m.role == "assistant"]
    assert [answer.removeprefix(" ") for answer in trained.split(end)] == [*answers, ""]


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_each_answer_is_trained_whole_and_alone_and_on_the_pixels_that_are_served(
    tokenizer: Any, data: st.DataObject
) -> None:
    """Token by token, wherever the pictures stand; what each turn is served are the first of the pixels trained."""
    import torch

    conversation, eyes = data.draw(dialogues()), tokenizer.picture_places
    (example,) = encode([conversation], tokenizer).examples
    trained, end = pad([example], eyes), 0
    assert all(label in (IGNORE_INDEX, id_) for id_, label in zip(example.input_ids, example.labels, strict=True))
    for number, message in enumerate(conversation.messages):
        if message.role != "assistant":
            continue
        served = prompt_ids(conversation.messages[:number], tokenizer)
        begin = len(served)
        assert example.input_ids[:begin] == tuple(served)
        assert set(example.labels[end:begin]) == {IGNORE_INDEX} and example.labels[begin] != IGNORE_INDEX
        end = next((n for n in range(begin, len(example.labels)) if example.labels[n] == IGNORE_INDEX), None)
        end = len(example.labels) if end is None else end
        pixels = eyes.inputs(served.media, torch.tensor([served]))
        for name in set(pixels) - {"mm_token_type_ids"}:
            axis = 1 if pixels[name].dim() == 5 else 0  # tiles stand in one row
            first = trained[name].narrow(axis, 0, pixels[name].shape[axis])
            assert hashed(first) == hashed(pixels[name])
    assert set(example.labels[end:]) <= {IGNORE_INDEX}


def hashed(numbers: Any) -> str:
    return hashlib.sha256(numbers.contiguous().numpy().tobytes()).hexdigest()


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_an_edit_before_the_picture_moves_no_label(tokenizer: Any, data: st.DataObject) -> None:
    conversation, more = data.draw(dialogues()), data.draw(said)
    first = conversation.messages[0]
    edited = conversation.with_messages(replace(first, content=more + first.content), *conversation.messages[1:])
    before, after = (encode([c], tokenizer).examples[0] for c in (conversation, edited))
    assert [x for x in before.labels if x >= 0] == [x for x in after.labels if x >= 0]


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_what_serving_sends_begins_what_was_trained(tokenizer: Any, data: st.DataObject) -> None:
    conversation = data.draw(dialogues())
    (example,) = encode([conversation], tokenizer).examples
    sent = prompt_ids(conversation.messages[:-1], tokenizer)
    assert example.input_ids[: len(sent)] == tuple(sent)
    assert sent.media == conversation.pictures


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_ids_are_those_of_the_template_and_the_processor(tokenizer: Any, data: st.DataObject) -> None:
    """Of words in which nobody spells the placeholder, which the library takes for a picture and we for letters."""
    messages = data.draw(dialogues()).messages[:-1]
    rendered = tokenizer.apply_chat_template(
        [in_parts(m) for m in messages], tokenize=False, add_generation_prompt=True
    )
    placeholder = tokenizer.convert_ids_to_tokens(tokenizer.picture_places.image_token)
    pieces = rendered.split(placeholder)
    pictures = [picture for message in messages for picture in message.images]
    assert len(pieces) == len(pictures) + 1
    ids = list(tokenizer(pieces[0], add_special_tokens=False)["input_ids"])
    for picture, piece in zip(pictures, pieces[1:], strict=True):
        ids += [*tokenizer.picture_places.ids(picture), *tokenizer(piece, add_special_tokens=False)["input_ids"]]
    assert list(prompt_ids(messages, tokenizer)) == ids


def test_a_picture_alone_is_a_question(tokenizer: Any) -> None:
    rows = [Conversation((Message("user", PICTURE, images=(drawn((40, 20)),)), Message("assistant", "Grey.")))]
    encoded = encode(rows, tokenizer)
    assert len(encoded.examples) == 1 and not encoded.dropped


def test_a_placeholder_that_somebody_wrote_is_text(tokenizer: Any) -> None:
    places = tokenizer.picture_places
    placeholder = tokenizer.convert_ids_to_tokens(places.image_token)
    shown = Message("user", f"{PICTURE} and {placeholder}", images=(drawn((64, 64)),))
    count = places.ids(shown.images[0]).count(places.image_token)
    for message, expected in ((shown, count), (Message("user", f"only {placeholder}"), 0)):
        (example,) = encode([Conversation((message, Message("assistant", placeholder)))], tokenizer).examples
        assert example.input_ids.count(places.image_token) == expected
        assert places.image_token not in example.labels


def test_the_mask_shows_a_picture_as_one_block(tokenizer: Any) -> None:
    from workbench.render import mask_html

    shown = Message("user", f"{PICTURE}\nWhat is it?", images=(drawn((64, 40)),))
    view = mask_view(Conversation((shown, Message("assistant", "A ring."))), tokenizer)
    page = mask_html(view, lang="en")
    count = len(tokenizer.picture_places.ids(shown.images[0]))
    assert page.count("wb-picture") >= 1 and f"{count} picture tokens, not trained" in page
    assert f"{count} tokens stand for the whole picture" in page  # no grid is claimed that is not there


def test_a_picture_that_cannot_be_opened_is_counted_and_told(tokenizer: Any) -> None:
    shown = Message("user", f"{PICTURE}\nWhat?", images=(Picture("a.png", data=b"-"),))
    encoded = encode([Conversation((shown, Message("assistant", "A.")))], tokenizer)
    assert encoded.dropped == {"picture_unseen": [0]} and "a.png" in encoded.notes[0]
    assert "cannot be opened" in encoded.summary("en")
    with pytest.raises(BadInput, match=r"a\.png"):
        prompt_ids([shown], tokenizer)


@pytest.mark.parametrize("template", ["qwen_chat", "internlm2_chat"])
def test_a_named_template_shows_pictures_too(template: str, tokenizer: Any) -> None:
    shown = Message("user", f"{PICTURE}\nWhat is it?", images=(drawn((64, 40)),))
    ids = prompt_ids([shown], tokenizer, template=template)
    framed = list(tokenizer.picture_places.framed(shown.images[0]))
    start = ids.index(framed[0])
    assert list(ids[start : start + len(framed)]) == framed


def test_a_system_text_of_ones_own_goes_into_the_template(tokenizer: Any) -> None:
    """What any server renders from the folder is what was trained."""
    asked = Message("user", f"{PICTURE}\nWhat is it?", images=(drawn((20, 20)),))
    new = dressed(tokenizer, system="You are Iris.")
    explicit = prompt_ids([Message("system", "You are Iris."), asked], tokenizer)
    assert prompt_ids([asked], new) == explicit
    rendered = new.apply_chat_template([in_parts(asked)], tokenize=False, add_generation_prompt=True)
    assert "You are Iris." in rendered


def test_a_template_in_the_processor_s_own_file_is_read(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    import json
    import shutil

    copied = Path(shutil.copytree(folder, tmp_path / "m"))
    template = (copied / "chat_template.jinja").read_text(encoding="utf-8")
    (copied / "chat_template.jinja").unlink()
    (copied / "chat_template.json").write_text(json.dumps({"chat_template": template}), encoding="utf-8")
    asked = [Message("user", f"{PICTURE}\nWhat is it?", images=(drawn((20, 20)),))]
    assert prompt_ids(asked, load_tokenizer(str(copied))) == prompt_ids(asked, tokenizer)


def test_a_strip_that_the_model_does_not_take_is_neither_trained_nor_asked(tokenizer: Any) -> None:
    from workbench.evaluation import task_probes
    from workbench.evaluation.sight import visible

    rows = [
        Conversation((Message("user", f"{PICTURE}\nWhat?", images=(drawn(size),)), Message("assistant", "Grey.")))
        for size in ((40, 20), (20_000, 1))
    ]
    takes = hasattr(tokenizer.picture_places, "tiles")
    encoded, probes = encode(rows, tokenizer), task_probes(rows)
    assert len(probes) == 2
    assert len(encoded.examples) == len(visible(probes, tokenizer)) == (2 if takes else 1)
    assert takes or "two hundred" in encoded.notes[1]


@pytest.mark.parametrize("name", ODD)
def test_the_mask_of_an_odd_picture_is_drawn_or_refused_in_one_sentence(name: str, tokenizer: Any) -> None:
    from workbench.render import mask_html

    data, fault = ODD[name]
    shown = Message("user", f"{PICTURE}\nWhat?", images=(Picture("a.png", data=data),))
    conversation = Conversation((shown, Message("assistant", "A.")))
    # of what is cut off the head tells the size, and so the tokens: the mask is drawn, a training is refused
    if (fault and fault != "damaged") or ("strip" in name and not hasattr(tokenizer.picture_places, "tiles")):
        with pytest.raises(BadInput) as error:
            mask_view(conversation, tokenizer)
        assert len(str(error.value)) < 400
        return
    page = mask_html(mask_view(conversation, tokenizer), lang="en")
    assert "wb-picture" in page and len(page) < 400_000
