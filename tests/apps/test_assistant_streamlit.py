"""The finished assistant with Streamlit, run by Streamlit's own test runner."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

st = pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest  # noqa: E402

from apps.assistant_streamlit.app import PAGE, flags, free_port  # noqa: E402
from tests.apps.conftest import NASTY, PERSONA  # noqa: E402
from tests.browser.conftest import served as running  # noqa: E402
from tests.data.pictured import png  # noqa: E402
from workbench.chat import Assistant  # noqa: E402
from workbench.chat.desk import Desk, Limits, Wish  # noqa: E402
from workbench.chat.face import Face  # noqa: E402
from workbench.chat.loading import Opened, Serving  # noqa: E402
from workbench.chat.serving import desk  # noqa: E402
from workbench.data import Picture, read  # noqa: E402
from workbench.data.conversation import Message  # noqa: E402
from workbench.templates import prompt_ids  # noqa: E402
from workbench.tools import Card  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def held(adapter: Path, received: Any) -> dict[Serving, Desk]:
    """The desk that a process keeps for all of its pages; another model would take seconds at each test."""
    settings = Serving(str(adapter), device="cpu", lang="en")
    return {settings: desk(settings).warm()}


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch, held: dict[Serving, Desk]) -> Iterator[Callable[[str], None]]:
    """Where the server would listen: here, unless a test says otherwise."""
    from streamlit import config

    monkeypatch.setattr("workbench.chat.serving._HELD", dict(held))

    def listen(host: str) -> None:
        config.set_option("server.address", host)

    listen("127.0.0.1")
    yield listen
    st.cache_resource.clear()


@pytest.fixture
def page(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("sys.argv", [str(PAGE), str(adapter), "--device", "cpu", "--lang", "en"])
    return AppTest.from_file(str(PAGE), default_timeout=120).run()


class Echo:
    """Answers with the last question, a letter at a time; before the first one it thinks."""

    def stream(self, asked: Any, **_: Any) -> Iterator[str]:
        yield from ("", *asked[-1].content)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Callable[[Desk], Any]:
    """The page of a desk of the test's own."""

    def serve(at: Desk) -> Any:
        monkeypatch.setattr("workbench.chat.serving.desk", lambda _: at)
        monkeypatch.setattr("sys.argv", [str(PAGE), "model", "--lang", "en"])
        return AppTest.from_file(str(PAGE), default_timeout=120).run()

    return serve


class Calling:
    """Calls the calculator, which succeeds, then another tool, which does not; then answers."""

    def stream(self, asked: Any, *, on_card: Any, **_: Any) -> Iterator[str]:
        first, second = (Card(n, 1, call(name)) for n, name in ((1, "calculator"), (2, "weekday")))
        for card in (first, second):
            on_card(card)
            yield ""
        on_card(replace(first, result="1786", seconds=0.2))
        on_card(replace(second, result="error: <b>no</b>", trouble="failed", seconds=2.0))
        yield "It is 1786."


def call(name: str) -> str:
    return json.dumps({"type": "function", "function": {"name": name, "arguments": '{"expression": "38*47"}'}})


def said(page: Any) -> list[tuple[str, str]]:
    return [(one.name, one.text[0].value) for one in page.chat_message if one.text]


def ask(page: Any, question: str) -> str:
    page.chat_input[0].set_value(question).run()
    assert not page.exception
    return said(page)[-1][1]


def test_it_greets_by_its_name_and_answers_as_the_assistant_does(page: Any, assistant: Assistant) -> None:
    assert PERSONA["name"] in said(page)[0][1]
    page.slider(key="longest").set_value(12).run()
    assert ask(page, "Who are you?") == assistant.ask("Who are you?", max_new_tokens=12).strip()
    assert not page.exception


def test_the_model_receives_the_prompt_that_was_trained(page: Any, assistant: Assistant, received: Any) -> None:
    tokenizer = assistant.loaded.tokenizer
    page.slider(key="longest").set_value(8).run()
    page.text_area(key="system").set_value("短。").run()
    talk = [Message("system", "短。")]
    for question in ("你是谁？", NASTY):
        received()
        answer = ask(page, question)
        talk.append(Message("user", question))
        assert received() == [list(prompt_ids(talk, tokenizer))]
        talk.append(Message("assistant", answer))


def test_what_was_said_is_shown_as_text(page: Any) -> None:
    page.slider(key="longest").set_value(4).run()
    ask(page, NASTY)
    assert ("user", NASTY) in said(page)
    assert not [one.value for one in page.markdown if "hacked" in one.value]


def test_a_new_conversation_and_back(page: Any) -> None:
    page.slider(key="longest").set_value(4).run()
    ask(page, "first question")
    page.sidebar.button[0].click().run()
    assert len(said(page)) == 1
    page.button(key="earlier0").click().run()
    assert ("user", "first question") in said(page)


def test_the_base_stands_beside_the_assistant(page: Any, assistant: Assistant) -> None:
    page.slider(key="longest").set_value(8).run()
    page.toggle(key="compare").set_value(True).run()
    page.chat_input[0].set_value("Who are you?").run()
    texts = [one.value for one in page.chat_message[-1].text]
    assert texts == [a.ask("Who are you?", max_new_tokens=8).strip() for a in (assistant, assistant.base)]


# Streamlit begins the page anew without waiting for the run that writes an answer; here that run is ``before``.


def test_a_question_in_the_midst_of_an_answer_ends_it_and_is_answered(served: Any) -> None:
    at = Desk(lambda: Opened(Echo()), Face("Echo"))
    page = served(at)
    before = at.ask(page.session_state["key"], "first one")
    next(before), next(before)
    assert ask(page, "second one") == "second one"
    assert [words for _, words in said(page)[1:]] == ["first one", "f", "second one", "second one"]
    assert not page.warning and not list(before)


def test_what_was_stopped_stays_on_the_page(served: Any) -> None:
    at = Desk(lambda: Opened(Echo()), Face("Echo"))
    page = served(at)
    before = at.ask(page.session_state["key"], "a question")
    next(before), next(before)
    at.stop(page.session_state["key"])
    page.run()
    assert said(page)[1:] == [("user", "a question"), ("assistant", "a")]
    assert at.session(page.session_state["key"]).turns[0].note == "Stopped."


@pytest.mark.parametrize("begun", [False, True])
def test_an_example_that_is_clicked_twice_is_answered(served: Any, begun: bool) -> None:
    at = Desk(lambda: Opened(Echo()), Face("Echo"))
    page = served(at)
    example = at.face.examples("en")[0]
    before = at.ask(page.session_state["key"], example)
    next(before) if begun else at.admit(page.session_state["key"], example)
    page.button(key=f"example{example}").click().run()
    assert said(page)[-2:] == [("user", example), ("assistant", example)] and not page.warning


def test_a_tab_that_is_closed_frees_its_turn_and_finds_its_conversation_when_it_is_back(served: Any) -> None:
    from streamlit.runtime.caching import clear_session_resource_cache

    at = Desk(lambda: Opened(Echo()), Face("Echo"), Limits(at_once=1, waiting=0))
    page = served(at)
    session = at.session(page.session_state["key"])
    assert session.pages
    answer = at.ask(page.session_state["key"], "a question")
    next(answer), next(answer)
    clear_session_resource_cache("test session id")  # what Streamlit does when the browser is gone
    assert session.stop and not session.pages
    answer.close()
    page.run()
    assert session.pages and said(page)[1:] == [("user", "a question"), ("assistant", "a")]


def test_a_visitor_who_empties_streamlits_cache_takes_no_conversation_away(served: Any) -> None:
    at = Desk(lambda: Opened(Echo()), Face("Echo"))
    page = served(at)
    page.chat_input[0].set_value("a question").run()
    st.cache_resource.clear()  # any client may ask for it
    page.run()
    assert said(page)[1:] == [("user", "a question"), ("assistant", "a question")]
    page.chat_input[0].set_value("another").run()
    assert said(page)[3:] == [("user", "another"), ("assistant", "another")]


def test_both_languages(page: Any) -> None:
    page.radio(key="lang").set_value("中文").run()
    assert "你好" in said(page)[0][1] and page.chat_input[0].placeholder.startswith("请")


def test_a_call_is_a_card_with_name_arguments_result_or_error_and_time(served: Any) -> None:
    page = served(Desk(lambda: Opened(Calling()), Face("Caller"), tools="calculator,weekday"))
    assert ask(page, "What is 38*47?")
    good, bad = page.status
    assert [one.state for one in (good, bad)] == ["complete", "error"]
    assert "calculator" in good.label and "0.2 s" in good.label and "weekday" in bad.label
    assert "38*47" in good.text[0].value and "1786" in good.text[0].value
    assert "<b>no</b>" in bad.text[0].value  # shown by st.text, which knows no tags
    assert page.chat_message[-1].text[-1].value == "It is 1786."


def test_a_saved_conversation_keeps_its_calls_and_can_be_read(served: Any, tmp_path: Path) -> None:
    at = Desk(lambda: Opened(Calling()), Face("Caller"), tools="calculator,weekday")
    page = served(at)
    ask(page, "What is 38*47?")
    assert page.download_button(key="save").label == "Save the conversation"
    (tmp_path / "saved.jsonl").write_text(at.row(page.session_state["key"], "Be brief."), encoding="utf-8")
    (row,) = read(tmp_path / "saved.jsonl")
    assert [m.role for m in row.messages] == ["system", "user", "assistant", "tool", "tool", "assistant"]
    assert len(row.tools) == 2 and len(row.messages[2].tool_calls) == 2


def test_a_question_is_asked_again_or_in_other_words(served: Any) -> None:
    at = Desk(lambda: Opened(Echo()), Face("Echo"))
    page = served(at)
    ask(page, "first one"), ask(page, "second one")
    page.button(key="retry").click().run()
    assert [words for _, words in said(page)[1:]] == ["first one", "first one", "second one", "second one"]
    number = at.session(page.session_state["key"]).number
    assert page.text_area(key=f"edited{number}").value == "second one"
    page.text_area(key=f"edited{number}").set_value("a third one")
    page.button(f"FormSubmitter:form{number}-Send").click().run()
    assert [words for _, words in said(page)[1:]] == ["first one", "first one", "a third one", "a third one"]
    assert not page.exception


class Looking:
    """Answers how many pictures it was shown."""

    def stream(self, asked: Any, **_: Any) -> Iterator[str]:
        yield f"{len(asked[-1].images)} pictures"


def test_a_question_is_asked_again_with_its_picture(served: Any) -> None:
    at = Desk(lambda: Opened(Looking(), sees=True), Face("Eyes"))
    page = served(at)
    key = page.session_state["key"]
    at.admit(key, "What is it?", [Picture("a.png", data=png("red"))])
    list(at.answer(key, Wish()))
    page.run()
    page.button(key="retry").click().run()
    (turn,) = at.session(key).turns
    assert turn.answer == "1 pictures" and len(turn.images) == 1
    assert said(page)[-1][1] == "1 pictures" and not page.exception


def test_a_picture_goes_with_the_question_that_was_sent_with_it_and_with_no_other(served: Any) -> None:
    """One click sends both, so there is no moment at which a question could go without its picture."""
    at = Desk(lambda: Opened(Looking(), sees=True), Face("Eyes"))
    page = served(at)
    box = page.chat_input[0]
    if not hasattr(box, "upload"):
        pytest.skip("this Streamlit's test runner uploads nothing into the question's box")
    assert not page.file_uploader  # a box beside the question's would send its picture at another time
    box.upload("a.png", png("red"), "image/png")
    assert ask(page, "What is it?") == "1 pictures"
    assert ask(page, "And now?") == "0 pictures"
    first, second = at.session(page.session_state["key"]).turns
    assert len(first.images) == 1 and not second.images and not page.warning


def test_a_picture_without_a_question_is_told_what_is_missing(served: Any) -> None:
    at = Desk(lambda: Opened(Looking(), sees=True), Face("Eyes"))
    page = served(at)
    if not hasattr(page.chat_input[0], "upload"):
        pytest.skip("this Streamlit's test runner uploads nothing into the question's box")
    page.chat_input[0].upload("a.png", png("red"), "image/png").run()
    assert "There is no question." in page.warning[0].value and not page.exception
    assert not at.session(page.session_state["key"]).turns


def test_one_that_cannot_see_takes_no_file(served: Any) -> None:
    page = served(Desk(lambda: Opened(Echo()), Face("Echo")))
    assert not page.chat_input[0].proto.accept_file and not page.get("camera_input")


@pytest.mark.parametrize("host", ["0.0.0.0", None])
def test_elsewhere_it_is_refused_without_a_password(
    adapter: Path, monkeypatch: pytest.MonkeyPatch, address: Any, host: Any
) -> None:
    address(host)
    monkeypatch.setattr("sys.argv", [str(PAGE), str(adapter), "--lang", "en", "--host", "127.0.0.1"])
    shown = AppTest.from_file(str(PAGE), default_timeout=120).run()
    assert "no password is set" in shown.error[0].value and not shown.chat_input


def test_a_password_lets_in(adapter: Path, monkeypatch: pytest.MonkeyPatch, address: Any) -> None:
    address("0.0.0.0")
    monkeypatch.setenv("WORKBENCH_PASSWORD", "long enough for a door")
    monkeypatch.setattr("sys.argv", [str(PAGE), str(adapter), "--lang", "en", "--device", "cpu"])
    shown = AppTest.from_file(str(PAGE), default_timeout=120).run()
    assert not shown.chat_input
    shown.text_input[0].set_value("wrong one")
    shown.button[0].click().run()
    assert not shown.chat_input and shown.warning
    shown.text_input[0].set_value("long enough for a door")
    shown.button[0].click().run()
    assert shown.chat_input


def test_the_server_is_told_to_keep_to_itself() -> None:
    told = dict(flag.removeprefix("--").split("=") for flag in flags("127.0.0.1", 8501))
    assert told["server.address"] == "127.0.0.1" and told["browser.gatherUsageStats"] == "false"
    assert told["client.showErrorDetails"] == "none"
    # one colour for both grounds would be a theme that knows no dark
    assert "theme.primaryColor" not in told and {"theme.light.primaryColor", "theme.dark.primaryColor"} <= told.keys()


def until_up(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError("it did not start")


def greeted(port: int, name: str, origin: str = "") -> int:
    """The status with which the page's own connection is answered, asked for by a page of that name, or of another
    origin."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    how = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "d29ya2JlbmNoIHRlc3RzIQ=="}
    line.request("GET", "/_stcore/stream", headers={"Host": name, "Origin": origin or f"http://{name}", **how, **key})
    status = line.getresponse().status
    line.close()
    return status


def test_without_a_password_only_this_machines_own_names_are_answered(root: Path) -> None:
    with running(["-m", "apps.assistant_streamlit", "pocket"], root) as url:
        port = int(url.rpartition(":")[2])
        until_up(port)
        for name, status in {"127.0.0.1": 101, "localhost": 101, "[::1]": 101, "evil.example": 403}.items():
            assert greeted(port, f"{name}:{port}") == status


@pytest.mark.parametrize("system", ["posix", "nt"])
def test_a_port_that_is_taken_is_not_tried_to_be_shared(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    told: list[Any] = []

    class Noted(socket.socket):
        def setsockopt(self, *how: Any) -> None:
            told.append(how[1])
            super().setsockopt(*how)

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setattr("apps.assistant_streamlit.app.FIRST", taken)
        monkeypatch.setattr("apps.assistant_streamlit.app.os", SimpleNamespace(name=system))
        monkeypatch.setattr("socket.socket", Noted)
        assert free_port("127.0.0.1") != taken
    assert (socket.SO_REUSEADDR in told) is (system == "posix")
