"""The finished assistant with Streamlit, run by Streamlit's own test runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

st = pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest  # noqa: E402

from apps.assistant_streamlit.app import PAGE, flags  # noqa: E402
from tests.apps.conftest import NASTY, PERSONA  # noqa: E402
from workbench.chat import Assistant  # noqa: E402
from workbench.data.conversation import Message  # noqa: E402
from workbench.templates import prompt_ids  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(autouse=True)
def address() -> Iterator[Callable[[str], None]]:
    """Where the server would listen: here, unless a test says otherwise."""
    from streamlit import config

    def listen(host: str) -> None:
        config.set_option("server.address", host)

    listen("127.0.0.1")
    yield listen
    st.cache_resource.clear()


@pytest.fixture
def page(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("sys.argv", [str(PAGE), str(adapter), "--device", "cpu", "--lang", "en"])
    return AppTest.from_file(str(PAGE), default_timeout=120).run()


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
        with received() as prompts:
            answer = ask(page, question)
        talk.append(Message("user", question))
        assert prompts[0] == list(prompt_ids(talk, tokenizer))
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


def test_both_languages(page: Any) -> None:
    page.radio(key="lang").set_value("中文").run()
    assert "你好" in said(page)[0][1] and page.chat_input[0].placeholder.startswith("请")


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
    monkeypatch.setenv("WORKBENCH_PASSWORD", "long enough")
    monkeypatch.setattr("sys.argv", [str(PAGE), str(adapter), "--lang", "en", "--device", "cpu"])
    shown = AppTest.from_file(str(PAGE), default_timeout=120).run()
    assert not shown.chat_input
    shown.text_input[0].set_value("wrong one")
    shown.button[0].click().run()
    assert not shown.chat_input and shown.warning
    shown.text_input[0].set_value("long enough")
    shown.button[0].click().run()
    assert shown.chat_input


def test_the_server_is_told_to_keep_to_itself() -> None:
    told = dict(flag.removeprefix("--").split("=") for flag in flags("127.0.0.1", 8501))
    assert told["server.address"] == "127.0.0.1" and told["browser.gatherUsageStats"] == "false"
    assert told["client.showErrorDetails"] == "none"
