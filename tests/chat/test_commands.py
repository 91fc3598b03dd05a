"""A line typed in a chat is a question or a command; a wrong command names the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.chat import COMMANDS, Assistant, Chat, Sampling, Session
from workbench.errors import BadInput, OutputExists, UnknownName
from workbench.texts import text


@pytest.fixture
def session(assistant: Assistant) -> Session:
    return Session(Chat(assistant, sampling=Sampling(max_new_tokens=8)))


def said(session: Session, line: str) -> str:
    reply = session.handle(line)
    return "".join(reply.answer or ()) or reply.notice


def test_a_line_is_asked(session: Session, assistant: Assistant) -> None:
    assert said(session, "Who are you?") == assistant.ask("Who are you?", max_new_tokens=8)
    assert said(session, "   ") == ""
    assert len(session.chat.messages) == 2


def test_a_space_before_a_slash_makes_it_a_question(session: Session) -> None:
    said(session, " /help me")
    assert session.chat.messages[0].content == "/help me"


@pytest.mark.parametrize(
    ("given", "meant"), [("/rest", "/reset"), ("/hlep", "/help"), ("/exit", "/quit"), ("/sav x", "/save")]
)
def test_an_unknown_command_names_the_nearest(session: Session, given: str, meant: str) -> None:
    with pytest.raises(UnknownName) as caught:
        session.handle(given)
    assert given.partition(" ")[0] in str(caught.value)
    assert given == "/exit" or meant in str(caught.value)
    assert session.chat.messages == []


def test_help_tells_every_command() -> None:
    for lang in ("en", "zh"):
        assert all(command in text("chat.help", lang) for command in COMMANDS if command != "/help")


def test_the_system_message_is_set_shown_and_removed(session: Session) -> None:
    assert "no system message" in said(session, "/system")
    said(session, "/system Be brief.  请简短。")
    assert session.chat.system == "Be brief.  请简短。"
    assert "Be brief" in said(session, "/system")
    said(session, "/reset")
    assert session.chat.system == "Be brief.  请简短。"
    said(session, "/system off")
    assert session.chat.system == ""


def test_a_talk_is_saved_once_and_loaded(session: Session, tmp_path: Path) -> None:
    file = tmp_path / "my talk.jsonl"
    with pytest.raises(BadInput, match="needs the name of a file"):
        session.handle("/save")
    said(session, "Who are you?")
    before = list(session.chat.messages)
    assert str(file) in said(session, f"/save {file}")
    with pytest.raises(OutputExists):
        session.handle(f"/save {file}")
    said(session, "/reset")
    said(session, f"/load {file}")
    assert session.chat.messages == before


def test_retry_and_quit(session: Session) -> None:
    first = said(session, "Who are you?")
    drawn = {said(session, "/retry") for _ in range(3)}
    assert drawn - {first}
    assert session.handle("/QUIT").leave
