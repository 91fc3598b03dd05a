"""Models that see by themselves in every place where people talk: terminal, panel, pages; and odd pictures there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.pictured import odd
from tests.ready import KINDS, make_adapter, shared
from workbench.chat import Assistant, Chat
from workbench.chat.desk import Desk
from workbench.chat.face import Face
from workbench.chat.limits import Wish
from workbench.chat.loading import Serving, opened
from workbench.cli import run
from workbench.data import write
from workbench.data.conversation import Message
from workbench.data.drawn import questions
from workbench.data.imaging import encoded
from workbench.data.imaging import opened as pixels
from workbench.data.picture import BadPicture, Picture
from workbench.data.pictures import illustrated
from workbench.errors import BadInput
from workbench.steps import ChatStep

ODD = odd()
SHORT = ["--max-new-tokens", "8"]
WISH = Wish(max_new_tokens=8)


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared(request.param, tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def adapter(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(folder, tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="module")
def seeing(folder: Path) -> Assistant:
    return Assistant.load(str(folder), device="cpu")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two drawn pictures, small enough to be shown as they are."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, (row, size) in enumerate(zip(questions(2), ((60, 40), (31, 47)), strict=True)):
        (folder / f"{number}.png").write_bytes(encoded(pixels(row.pictures[0]).resize(size)))
    return [folder / "0.png", folder / "1.png"]


def is_thin(seeing: Assistant, name: str) -> bool:
    """Whether this model takes no picture of that shape."""
    return "strip" in name and not hasattr(seeing.loaded.eyes, "tiles")


def desk_of(folder: Path) -> Desk:
    desk = Desk(lambda: opened(Serving(str(folder), device="cpu")), Face("Eyes"))
    desk.opened()
    return desk


def test_the_terminal_shows_a_picture(folder: Path, seeing: Assistant, small: list[Path], capsys: Any) -> None:
    told = []
    for file in small:
        assert run(["chat", str(folder), "--image", str(file), "--question", "What?", "--json", *SHORT]) == 0
        told.append(json.loads(capsys.readouterr().out)["answer"])
    assert told == [seeing.ask("What?", images=[file], max_new_tokens=8) for file in small]
    assert told[0] != told[1]


def test_an_adapter_alone_finds_its_base_and_sees(
    folder: Path, adapter: Path, seeing: Assistant, small: list[Path], capsys: Any
) -> None:
    assert run(["chat", str(adapter), "--image", str(small[0]), "--question", "What?", "--json", *SHORT]) == 0
    told = json.loads(capsys.readouterr().out)["answer"]
    assert told != seeing.ask("What?", images=[small[0]], max_new_tokens=8)
    desk = desk_of(adapter)
    assert desk.can_see and desk.can_compare
    desk.admit("me", "What?", [Picture.of(small[0])])
    turn = list(desk.answer("me", Wish(max_new_tokens=8, compare=True)))[-1]
    assert turn.base == seeing.ask("What?", images=[small[0]], max_new_tokens=8) and not turn.note
    assert turn.answer == Assistant.load(str(folder), adapter, device="cpu").ask(
        "What?", images=[small[0]], max_new_tokens=8
    )


def test_questions_of_a_picture_set_are_compared_with_their_pictures(
    folder: Path, adapter: Path, seeing: Assistant, tmp_path: Path, capsys: Any
) -> None:
    rows = questions(2)
    write(rows, tmp_path / "rows.jsonl")
    command = ["compare", str(folder), "--adapter", str(adapter), "--questions", str(tmp_path / "rows.jsonl"), "--json"]
    assert run([*command, *SHORT]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["question"] for row in told] == [row.question for row in rows]
    expected = seeing.ask_all([row.messages[:1] for row in rows], max_new_tokens=8)
    assert [next(iter(row["answers"].values())) for row in told] == expected
    assert run(["compare", "pocket", "pocket", "--questions", str(tmp_path / "rows.jsonl"), *SHORT]) == 2
    assert "picture" in capsys.readouterr().err


def test_the_panel_asks_all_its_models_about_the_picture(
    folder: Path, adapter: Path, seeing: Assistant, small: list[Path]
) -> None:
    step = ChatStep({"base": str(folder), "mine": str(adapter), "loaded": seeing})
    step.change(shown=("base", "mine", "loaded"), max_new_tokens=8)
    step.show([Picture.of(small[0])])
    answers = step.ask_whole("What?")
    assert answers["base"] == answers["loaded"] == seeing.ask("What?", images=[small[0]], max_new_tokens=8)
    assert answers["mine"] != answers["base"]
    assert "images=" in step.code()


@pytest.mark.parametrize("models", ["folder", "adapter", "seeing"])
def test_a_panel_s_picture_is_made_no_smaller_than_its_model_takes(
    models: str, request: pytest.FixtureRequest, seeing: Assistant, tmp_path: Path
) -> None:
    """By its folder, by its adapter's, and loaded: as large as for the others who serve it."""
    value = request.getfixturevalue(models)
    step = ChatStep({"one": value if models == "seeing" else str(value)})
    (tmp_path / "a.png").write_bytes(encoded(pixels(questions(1)[0].pictures[0]).resize((2_000, 1_000))))
    step.show([Picture.of(tmp_path / "a.png")])
    assert pixels(step.images[0]).width == max(512, seeing.loaded.eyes.widest)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_picture_is_one_sentence_at_every_place(
    name: str, folder: Path, seeing: Assistant, tmp_path: Path, capsys: Any
) -> None:
    data, fault = ODD[name]
    file = tmp_path / "picture.png"
    file.write_bytes(data)
    refused = bool(fault) or is_thin(seeing, name)

    status = run(["chat", str(folder), "--image", str(file), "--question", "What?", "--max-new-tokens", "2"])
    told = capsys.readouterr()
    assert status == (2 if refused else 0), told.err
    assert not refused or (len(told.err.strip()) < 400 and "Traceback" not in told.err and "picture.png" in told.err)

    desk = Desk(lambda: opened_in(seeing), Face("Eyes"))
    desk.opened()
    if fault:
        with pytest.raises(BadPicture) as error:
            desk.admit("me", "What?", [Picture.of(file)])
        assert error.value.fault == fault
    else:
        desk.admit("me", "What?", [Picture.of(file)])
        turn = list(desk.answer("me", WISH))[-1]
        assert ("two hundred" in turn.note) == refused and "\n" not in turn.note

    step = ChatStep({"one": seeing})
    step.change(max_new_tokens=2)
    with pytest.raises(BadInput) if refused else nothing() as caught:
        step.show([Picture.of(file)])
        step.ask_whole("What?")
    assert not refused or len(caught.value.say("zh")) < 200


def test_a_conversation_goes_on_after_a_picture_that_the_model_does_not_take(seeing: Assistant) -> None:
    chat = Chat(seeing)
    chat.sampling = chat.sampling.__class__(max_new_tokens=2)
    if hasattr(seeing.loaded.eyes, "tiles"):
        pytest.skip("it takes pictures of every shape")
    chat.show([Picture("a.png", data=ODD["a long strip"][0])])
    with pytest.raises(BadInput, match="two hundred"):
        chat.say("What?")
    assert chat.messages == [] and isinstance(chat.say("And now?"), str)


def test_a_damaged_picture_of_an_earlier_turn_is_told(seeing: Assistant) -> None:
    """A history may hold what nobody looked at."""
    shown = illustrated("What?", [Picture("old.png", data=ODD["cut off"][0])])
    with pytest.raises(BadPicture, match="old"):
        seeing.ask([shown, Message("assistant", "A."), Message("user", "And?")], max_new_tokens=2)


def opened_in(assistant: Assistant) -> Any:
    """What a page is given of an assistant that is loaded already."""
    from workbench.chat.loading import Opened

    eyes: Any = assistant.loaded.eyes
    return Opened(assistant, sees=True, side=eyes.widest)


def nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()
