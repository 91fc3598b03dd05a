"""A picture goes with a question, and what a visitor shows is drawn anew before anything keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.data.pictured import bomb, png, turned
from workbench.chat import Chat
from workbench.chat.desk import Desk
from workbench.chat.face import Face
from workbench.chat.loading import Opened
from workbench.chat.shown import MOST, SIDE, address, from_visitor
from workbench.data import Message, Picture
from workbench.data.imaging import opened
from workbench.data.picture import BadPicture
from workbench.errors import BadInput


class Listener:
    """Answers how many pictures it was shown, and keeps the messages."""

    name = "listener"

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def stream(self, messages: Any, **_: Any) -> Iterator[str]:
        self.heard = list(messages)
        yield f"{sum(len(message.images) for message in messages)} pictures"


def picture(**options: Any) -> Picture:
    return Picture("a.png", data=png(**options))


def test_a_picture_stands_before_the_next_question_and_no_other() -> None:
    listener = Listener()
    chat = Chat(listener)  # type: ignore[arg-type]
    chat.show([picture()])
    assert chat.say("What is <image>?") == "1 pictures"
    assert listener.heard == [Message("user", "<image>\nWhat is <image>?", images=(picture(),))]
    chat.say("And now?")
    assert listener.heard[-1] == Message("user", "And now?")
    assert chat.conversation().pictures == (picture(),)


def test_another_answer_is_drawn_for_the_same_picture() -> None:
    listener = Listener()
    chat = Chat(listener)  # type: ignore[arg-type]
    chat.show([picture()])
    chat.say("What?")
    assert "".join(chat.retry()) == "1 pictures"


def test_a_conversation_is_kept_with_its_pictures(tmp_path: Path) -> None:
    chat = Chat(Listener())  # type: ignore[arg-type]
    chat.show([picture()])
    chat.say("What?")
    chat.save(tmp_path / "talk.jsonl")
    again = Chat(Listener())  # type: ignore[arg-type]
    again.load(tmp_path / "talk.jsonl")
    assert [one.content() for one in again.conversation().pictures] == [png()]


def test_what_cannot_be_seen_is_not_asked_about() -> None:
    chat = Chat(Listener())  # type: ignore[arg-type]
    with pytest.raises(BadPicture):
        chat.show([Picture("a.svg", data=b"<svg/>")])
    assert chat.say("What?") == "0 pictures"


def test_a_visitors_picture_is_drawn_anew_and_small() -> None:
    (shown,) = from_visitor([Picture("holiday.jpg", data=turned(6))])
    assert opened(shown).size == (20, 40)
    assert b"Exif" not in shown.data and shown.data.startswith(b"\x89PNG")
    (large,) = from_visitor([picture(size=(3000, 1000))])
    assert opened(large).size == (SIDE, round(SIDE / 3))
    assert address(large).startswith("data:image/png;base64,")


@pytest.mark.parametrize("data", [b"", b"<svg/>", bomb(), png()[:50], b"GIF89a"])
def test_what_is_no_picture_is_refused_with_one_sentence(data: bytes) -> None:
    with pytest.raises(BadPicture) as caught:
        from_visitor([Picture("x", data=data)])
    assert "\n" not in caught.value.say("en") and caught.value.say("zh") and caught.value.do("zh")


def test_a_question_takes_few_pictures() -> None:
    with pytest.raises(BadInput, match=str(MOST)):
        from_visitor([picture()] * (MOST + 1))


def desk(*, sees: bool = True) -> tuple[Desk, Listener]:
    listener = Listener()
    return Desk(lambda: Opened(listener, sees=sees), Face("Iris")), listener


def test_a_visitors_picture_stays_in_the_conversation() -> None:
    at, listener = desk()
    at.opened()
    assert at.can_see
    assert [turn.answer for turn in at.ask("a", "What?")][-1] == "0 pictures"
    at.admit("a", "And this?", [picture()])
    assert [turn.answer for turn in at.answer("a", wish())][-1] == "1 pictures"
    list(at.ask("a", "And now?"))
    assert [len(message.images) for message in listener.heard] == [0, 0, 1, 0, 0]


def test_a_bad_picture_takes_nobodys_turn() -> None:
    at, _ = desk()
    with pytest.raises(BadPicture):
        at.admit("a", "What?", [Picture("x", data=b"hello")])
    assert not at.session("a").waits


def wish() -> Any:
    from workbench.chat.limits import Wish

    return Wish()
