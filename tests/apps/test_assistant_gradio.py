"""The finished assistant with Gradio, driven over HTTP as its page and as a program would."""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from apps.assistant_gradio.app import launch, main  # noqa: E402
from apps.assistant_gradio.bubbles import turn_bubbles  # noqa: E402
from apps.assistant_gradio.page import build  # noqa: E402
from apps.assistant_gradio.pictures import uploaded  # noqa: E402
from tests.apps.conftest import GRADIO_SAYS, NASTY, PERSONA  # noqa: E402
from tests.data.pictured import png  # noqa: E402
from tests.waiting import until  # noqa: E402
from workbench.chat import Assistant  # noqa: E402
from workbench.chat.desk import Desk, Limits, Wish  # noqa: E402
from workbench.chat.door import Door  # noqa: E402
from workbench.chat.face import Face  # noqa: E402
from workbench.chat.loading import Opened  # noqa: E402
from workbench.data import Picture, read  # noqa: E402
from workbench.data.conversation import Message  # noqa: E402
from workbench.data.imaging import opened  # noqa: E402
from workbench.templates import prompt_ids  # noqa: E402
from workbench.tools import Card  # noqa: E402

pytestmark = GRADIO_SAYS
HERE = Door("127.0.0.1", 0)


@pytest.fixture(scope="module")
def page(adapter: Path, received: Any) -> Iterator[Any]:
    """The page as its command starts it."""
    made = main([str(adapter), "--device", "cpu", "--lang", "en"], wait=False)
    yield made
    made.close(verbose=False)


@pytest.fixture
def served() -> Iterator[Callable[[Desk], Any]]:
    """Pages of other desks."""
    pages = []

    def serve(desk: Desk, at: Door = HERE) -> Any:
        made = build(desk, "en")
        launch(made, at)
        pages.append(made)
        return made

    yield serve
    for made in pages:
        made.close(verbose=False)


def client(page: Any, **how: Any) -> Any:
    from gradio_client import Client

    return Client(page.local_url, verbose=False, **how)


def ask(to: Any, question: str, system: str = "", longest: int = 8) -> str:
    return str(to.predict(question, system, 0.0, 1.0, longest, api_name="/ask"))


def over_http(page: Any, session: str, question: str) -> str:
    """The same without a client's library: a call, then its events to the end."""
    import httpx

    url = f"{page.local_url}gradio_api/call/ask"
    body = {"data": [question, "", 0.0, 1.0, 8], "session_hash": session}
    with httpx.Client(timeout=100, trust_env=False) as http:
        event = http.post(url, json=body).json()["event_id"]
        with http.stream("GET", f"{url}/{event}") as events:
            lines = list(events.iter_lines())
    assert "event: complete" in lines, lines
    return str(json.loads([line for line in lines if line.startswith("data:")][-1].removeprefix("data:"))[0])


def test_it_answers_as_the_assistant_does(page: Any, assistant: Assistant) -> None:
    assert ask(client(page), "Who are you?", longest=12) == assistant.ask("Who are you?", max_new_tokens=12)


def test_the_answer_is_streamed(page: Any) -> None:
    job = client(page).submit("Who are you?", "", 0.0, 1.0, 60, api_name="/ask")
    job.result(60)
    said = job.outputs()
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(said))


def test_the_model_receives_the_prompt_that_was_trained(page: Any, assistant: Assistant, received: Any) -> None:
    to, tokenizer = client(page), assistant.loaded.tokenizer
    said = [Message("system", "短。")]
    for question in ("你是谁？", NASTY):
        received()
        answer = ask(to, question, "短。")
        said.append(Message("user", question))
        assert received() == [list(prompt_ids(said, tokenizer))]
        said.append(Message("assistant", answer))


def test_two_visitors_have_conversations_of_their_own(page: Any, assistant: Assistant, received: Any) -> None:
    one, two = client(page), client(page)
    ask(one, "你是谁？")
    received()
    ask(two, "hi")
    assert received() == [assistant.prompt("hi")]


def test_history_that_a_client_sends_is_not_taken(page: Any) -> None:
    """The conversation shown is an output only: no event of the page reads it back."""
    chats = {number for number, block in page.blocks.items() if isinstance(block, gr.Chatbot)}
    assert chats and not [fn for fn in page.fns.values() if chats & {one._id for one in fn.inputs}]


def test_fifty_at_once_all_get_the_right_answer(served: Any) -> None:
    class Echo:
        def stream(self, asked: Any, **_: Any) -> Iterator[str]:
            for letter in " | ".join(m.content for m in asked if m.role == "user"):
                time.sleep(0.001)
                yield letter

    made = served(Desk(lambda: Opened(Echo()), Face("Echo"), Limits(at_once=4, waiting=100)))
    heard: dict[int, list[str]] = {}

    def visit(number: int) -> None:
        heard[number] = [over_http(made, f"visitor{number}", f"v{number} {word}") for word in ("a", "b")]

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {n: [f"v{n} a", f"v{n} a | v{n} b"] for n in range(50)}


class Slow:
    """Goes on until it is stopped, and notes when it was let go."""

    def __init__(self) -> None:
        self.running = 0

    def stream(self, asked: Any, *, should_stop: Any, **_: Any) -> Iterator[str]:
        self.running += 1
        try:
            for _ in range(2000):
                if should_stop():
                    return
                time.sleep(0.01)
                yield "x"
        finally:
            self.running -= 1


def test_beyond_the_line_it_says_busy(served: Any) -> None:
    slow = Slow()
    desk = Desk(lambda: Opened(slow), Face("Slow"), Limits(at_once=1, waiting=0))
    made = served(desk)
    first = client(made).submit("long", "", 0.0, 1.0, 8, api_name="/ask")
    until(lambda: slow.running == 1)
    # what the page does on a click; programs wait in the server's own queue
    with pytest.raises(Exception, match="Too many"):
        desk.admit("somebody else", "hi")
    first.cancel()
    until(lambda: slow.running == 0)


def test_a_client_that_breaks_off_frees_its_turn(served: Any) -> None:
    """A browser that is closed, seen from the server: the stream of events is cut."""
    import httpx

    slow = Slow()
    desk = Desk(lambda: Opened(slow), Face("Slow"), Limits(at_once=1))
    made = served(desk)
    base = f"{made.local_url}gradio_api"
    body = {"data": ["long", "", 0, 1, 8], "session_hash": "gone", "fn_index": api(made, "ask")}
    assert httpx.post(f"{base}/queue/join", json=body).status_code == 200
    with httpx.stream("GET", f"{base}/queue/data", params={"session_hash": "gone"}, timeout=20) as events:
        for _ in events.iter_lines():
            if slow.running:
                break
    until(lambda: slow.running == 0)
    assert desk.places.served == 0


def opens(page: Any, session: str, secret: str) -> str:
    """What a page is given when it opens."""
    import httpx

    number = next(number for number, fn in page.fns.items() if any(kind == "load" for _, kind in fn.targets))
    body = {"data": [secret], "fn_index": number, "session_hash": session}
    return httpx.post(f"{page.local_url}gradio_api/run/predict", json=body, timeout=60).text


def test_a_reloaded_page_shows_its_conversation_and_another_browser_does_not(page: Any) -> None:
    opens(page, "before", "0" * 32)
    over_http(page, "before", "a question of mine")
    assert "a question of mine" in opens(page, "after", "0" * 32)
    for session, secret in (("other", "1" * 32), ("bad", "0" * 31), ("none", "")):
        assert "a question of mine" not in opens(page, session, secret)


@pytest.mark.parametrize("left", [True, False])
def test_a_page_reloaded_in_the_midst_of_an_answer_shows_what_came_of_it(served: Any, left: bool) -> None:
    desk = Desk(lambda: Opened(Slow()), Face("Slow"))
    made = served(desk)
    opens(made, "before", "0" * 32)
    answer = desk.ask("before", "a question of mine")
    next(answer)
    if left:
        desk.leave("before")
    assert "a question of mine" in opens(made, "after", "0" * 32)
    assert bool(desk.session("after").turns) is left
    assert bool(next(answer, None)) is not left  # where the other page is open still, it goes on
    answer.close()


def click(page: Any, part: str, data: list[Any], session: str) -> list[Any]:
    """A click on a part, as the page sends it; returns what its parts are given."""
    import httpx

    wanted = next(number for number, block in page.blocks.items() if getattr(block, "elem_id", None) == part)
    number = next(number for number, fn in page.fns.items() if (wanted, "click") in fn.targets)
    body = {"data": data, "fn_index": number, "session_hash": session}
    return list(httpx.post(f"{page.local_url}gradio_api/run/predict", json=body, timeout=60).json()["data"])


def test_the_last_question_can_be_asked_again_changed_and_saved(served: Any, tmp_path: Path) -> None:
    desk = Desk(lambda: Opened(Calling()), Face("Caller"), tools="calculator")
    made = served(desk)
    for question in ("first", "second"):
        list(desk.ask("me", question, Wish()))
    (tmp_path / "saved.jsonl").write_text(click(made, "save", ["Be brief."], "me")[0], encoding="utf-8")
    (row,) = read(tmp_path / "saved.jsonl")
    assert [m.role for m in row.messages] == ["system", *["user", "assistant", "tool", "assistant"] * 2]
    box, _, chat = click(made, "retry", ["en", "", 0, 1, 8, False], "me")[:3]
    assert box == "" and "second" in json.dumps(chat) and desk.session("me").asked
    list(desk.answer("me", Wish()))
    assert [turn.question for turn in desk.session("me").turns] == ["first", "second"]
    box, _, chat = click(made, "edit", ["en"], "me")[:3]
    assert box == "second" and "second" not in json.dumps(chat)
    assert click(made, "save", [""], "nobody") == [""]


class Looking:
    """Answers how many pictures it was shown."""

    def stream(self, asked: Any, **_: Any) -> Iterator[str]:
        yield f"{len(asked[-1].images)} pictures"


def test_a_question_is_asked_again_or_changed_with_its_picture(served: Any) -> None:
    desk = Desk(lambda: Opened(Looking(), sees=True), Face("Eyes"))
    made = served(desk)
    desk.admit("me", "What is it?", [Picture("a.png", data=png("red"))])
    *_, turn = desk.answer("me", Wish())
    assert turn.answer == "1 pictures"
    picture, words, _ = turn_bubbles(turn, "en")
    assert picture["content"].value.count("data:image/png;base64,") == 1 and words["content"] == "What is it?"
    assert "data:image/png" in json.dumps(click(made, "retry", ["en", "", 0, 1, 8, False], "me")[2])
    *_, turn = desk.answer("me", Wish())
    assert turn.answer == "1 pictures" and len(desk.session("me").turns) == 1
    question, box = click(made, "edit", ["en"], "me")[:2]
    (again,) = uploaded(box["path"])
    assert question == "What is it?" and opened(again).getpixel((0, 0)) == (255, 0, 0)


def test_a_picture_is_opened_by_nothing_before_it_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio's own box has every decoder of Pillow's open what was sent."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a file was opened")

    page = build(Desk(lambda: Opened(Looking(), sees=True), Face("Eyes")), "en")
    box = next(part for part in page.blocks.values() if getattr(part, "elem_id", "") == "image")
    monkeypatch.setattr("PIL.Image.open", refuse)
    assert box.preprocess(box.data_model(path="/cache/x.jpg", orig_name="x.jpg")) == "/cache/x.jpg"
    assert box.preprocess(box.data_model(url="data:image/png;base64,AAAA")) is None and box.preprocess(None) is None


class Calling:
    """Calls the calculator, then answers."""

    def stream(self, asked: Any, *, on_card: Any, **_: Any) -> Iterator[str]:
        function = {"name": "calculator", "arguments": '{"expression": "<b>1</b>"}'}
        card = Card(1, 1, json.dumps({"type": "function", "function": function}))
        on_card(card)
        yield ""
        on_card(replace(card, result="error: <i>no</i>", trouble="failed", seconds=0.3))
        yield "I could not."


def test_a_call_is_a_message_part_of_gradios_own_and_text_whatever_it_looks_like() -> None:
    desk = Desk(lambda: Opened(Calling()), Face("Caller"), tools="calculator")
    *_, turn = desk.ask("me", "hi", Wish())
    _, call, answer = turn_bubbles(turn, "en")
    assert "calculator" in call["metadata"]["title"] and "0.3 s" in call["metadata"]["title"]
    assert "&lt;b&gt;1" in call["content"] and "<i>" not in call["content"] and "could not do it" in call["content"]
    assert answer["content"] == "I could not." and "metadata" not in answer


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_part_of_the_page_is_named_in_its_language(served: Any, lang: str) -> None:
    """What a reader of the screen says: no field goes by the library's name for its kind."""
    made = build(Desk(lambda: Opened(Slow()), Face("Slow")), lang)
    fields = [part for part in made.blocks.values() if isinstance(part, gr.Textbox | gr.Radio | gr.Slider)]
    labels = [part.label for part in fields if part.visible]
    assert labels and all(labels)
    chinese = [
        bool(re.search("[\u4e00-\u9fff]", label)) for label in labels if label not in ("语言 / Language", "Top-p")
    ]
    assert all(chinese) if lang == "zh" else not any(chinese)


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example:80"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
def test_without_a_password_only_this_machines_own_names_are_answered(page: Any, headers: dict[str, str]) -> None:
    import httpx

    for path in ("", "config", "gradio_api/info"):
        answer = httpx.get(f"{page.local_url}{path}", headers=headers)
        assert answer.status_code == 421 and "WORKBENCH_PASSWORD" in answer.text
    assert httpx.get(page.local_url, headers={"Host": "localhost:7860"}).status_code == 200


def api(page: Any, name: str) -> int:
    return next(number for number, fn in page.fns.items() if fn.api_name == name)


def test_a_password_is_asked_for(served: Any, assistant: Assistant) -> None:
    made = served(Desk(lambda: Opened(assistant), Face("x")), Door("127.0.0.1", 0, "long enough for a door"))
    with pytest.raises(Exception, match=r"401|login"):
        client(made, auth=("anybody", "wrong"))
    assert ask(client(made, auth=("anybody", "long enough for a door")), "hi")
    import httpx

    assert httpx.get(f"{made.local_url}config", headers={"Host": "lab.example"}).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "{repo}/pyproject.toml", "{adapter}/adapter_config.json", "../../etc/passwd", "{repo}/.git/config"],
)
def test_no_file_of_the_machine_is_served(page: Any, adapter: Path, root: Path, path: str) -> None:
    import httpx

    wanted = path.format(repo=root, adapter=adapter)
    for route in ("gradio_api/file=", "file=", "gradio_api/file/", "static/../"):
        answer = httpx.get(f"{page.local_url}{route}{wanted}")
        assert answer.status_code in (403, 404), f"{route}{wanted}: {answer.status_code}"


def test_what_is_uploaded_is_small_or_refused(page: Any) -> None:
    import httpx

    files = {"files": ("x.txt", b"x" * 100_000)}
    assert httpx.post(f"{page.local_url}gradio_api/upload", files=files).status_code == 413


def test_names_and_notes_are_escaped(page: Any) -> None:
    config = json.dumps(page.get_config_file())
    assert "小芽 &lt;b&gt;&amp;" in json.loads(json.dumps(config)) or "&lt;b&gt;" in config
    assert f"<h1>{PERSONA['name']}" not in config


def test_nothing_is_fetched_from_elsewhere_or_reported(page: Any) -> None:
    import httpx

    html = httpx.get(page.local_url).text
    sources = re.findall(r"""(?:src|href)=["'](https?://[^"']+)""", html)
    assert not [url for url in sources if "127.0.0.1" not in url]
    assert page.analytics_enabled is False and page.share is False


def test_elsewhere_it_is_refused_without_a_password(adapter: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(adapter), "--host", "0.0.0.0"], wait=False)
    assert ended.value.code == 2 and "WORKBENCH_PASSWORD" in capsys.readouterr().err


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_port_that_is_taken_is_told_in_a_sentence(
    adapter: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    monkeypatch.setenv("WORKBENCH_LANG", lang)
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(SystemExit) as ended:
        port = other.getsockname()[1]
        main([str(adapter), "--device", "cpu", "--port", str(port)], wait=False)
    told = capsys.readouterr().err
    assert ended.value.code == 1 and f"127.0.0.1:{port}" in told and "WORKBENCH_PORT" in told
    assert "Traceback" not in told


def test_a_model_that_is_not_there_is_told_on_the_page(served: Any) -> None:
    from workbench.chat.loading import Serving
    from workbench.chat.serving import desk

    made = served(desk(Serving("no-such-model", lang="en")).warm())
    with pytest.raises(Exception, match="no model"):
        ask(client(made), "hi")
