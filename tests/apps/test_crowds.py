"""Many at once, with a real model: no answer is lost or another's, memory stays, and who leaves holds up nobody."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from apps.assistant_gradio.app import launch  # noqa: E402
from apps.assistant_gradio.page import build  # noqa: E402
from apps.studio.line import Line  # noqa: E402
from apps.studio.page import Studio  # noqa: E402
from apps.studio.page import build as build_studio  # noqa: E402
from apps.studio.workspaces import Workspaces  # noqa: E402
from tests.apps.conftest import GRADIO_SAYS  # noqa: E402
from tests.apps.test_studio_page import call, event  # noqa: E402
from tests.browser.conftest import served as running  # noqa: E402
from tests.waiting import until  # noqa: E402
from workbench.chat import Assistant  # noqa: E402
from workbench.chat.desk import Desk, Wish  # noqa: E402
from workbench.chat.door import Door  # noqa: E402
from workbench.chat.loading import Serving  # noqa: E402
from workbench.chat.serving import desk  # noqa: E402
from workbench.steps.chat import ChatSettings  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), *GRADIO_SAYS]
LONGEST = 12
CROWD = 50


@pytest.fixture(scope="module")
def served(adapter: Path) -> Desk:
    """The desk, with the model in a process of its own."""
    at = desk(Serving(str(adapter), device="cpu", lang="en")).warm()
    at.opened(120)
    return at


@pytest.fixture(scope="module")
def page(served: Desk) -> Iterator[Any]:
    made = build(served, "en")
    launch(made, Door("127.0.0.1", 0))
    yield made
    made.close(verbose=False)


def stream(page: Any, session: str, question: str, longest: int = LONGEST) -> Iterator[str]:
    """The lines of the answer, as a program hears them."""
    import httpx

    url = f"{page.local_url}gradio_api/call/ask"
    body = {"data": [question, "", 0.0, 1.0, longest], "session_hash": session}
    with httpx.Client(timeout=600, trust_env=False) as http:
        called = http.post(url, json=body)
        if called.status_code != 200:
            yield f"event: {called.status_code}"
            return
        with http.stream("GET", f"{url}/{called.json()['event_id']}") as lines:
            yield from lines.iter_lines()


def ask(page: Any, session: str, question: str, longest: int = LONGEST) -> str:
    lines = list(stream(page, session, question, longest))
    assert "event: complete" in lines, lines
    return str(json.loads([line for line in lines if line.startswith("data:")][-1].removeprefix("data:"))[0])


def crowd(visit: Callable[[int], str], size: int = CROWD) -> list[str]:
    """What each of so many hears who come at the same moment."""
    together = threading.Barrier(size)

    def come(number: int) -> str:
        together.wait(60)
        return visit(number)

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(come, range(size)))


def question(number: int) -> str:
    return f"{number}: who are you, and what is {number} plus {number}?"


@pytest.fixture(scope="module")
def expected(assistant: Assistant) -> list[str]:
    """What each of them must hear; enough of them differ that one answer could not pass for another's."""
    answers = [assistant.ask(question(n), max_new_tokens=LONGEST) for n in range(CROWD)]
    assert len(set(answers)) > 5
    return answers


def test_fifty_at_once_with_gradio(page: Any, expected: list[str]) -> None:
    assert crowd(lambda n: ask(page, f"visitor{n}", question(n))) == expected


def child(served: Desk) -> int:
    """The number of the model's process."""
    beside: Any = served._opener.__self__  # type: ignore[attr-defined]
    return int(beside._child._process.pid)


def test_three_hundred_answers_do_not_fill_the_memory(adapter: Path, root: Path) -> None:
    """Each of another visitor; of the page's process and the model's together, as their command starts them."""
    psutil = pytest.importorskip("psutil")

    def answers(first: int, count: int) -> int:
        """The bytes in memory after so many answers."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: ask(page, f"many{n}", question(n)), range(first, first + count)))
        return sum(
            process.memory_info().rss for process in psutil.Process().children(recursive=True) if process not in own
        )

    own = psutil.Process().children(recursive=True)
    with running(["-m", "apps.assistant_gradio", str(adapter), "--device", "cpu"], root) as url:
        page = SimpleNamespace(local_url=f"{url}/")
        before = answers(0, 40)  # what is loaded at the first use is no growth
        assert answers(40, 300) - before < 50_000_000


def test_two_hundred_rapid_requests_are_answered_or_told(page: Any, expected: list[str]) -> None:
    def heard(number: int) -> str:
        lines = list(stream(page, f"rapid{number}", question(number % CROWD)))
        return lines[-2].removeprefix("data: ") if "event: complete" in lines else "told: " + " ".join(lines)[:300]

    answers = crowd(heard, 200)
    told = [answer for answer in answers if answer.startswith("told:")]
    wrong = [
        answer
        for n, answer in enumerate(answers)
        if not answer.startswith("told:") and json.loads(answer or "[0]")[0] != expected[n % CROWD]
    ]
    assert not wrong and len(told) < 100, (wrong[:3], told[:3])
    assert ask(page, "after the rush", question(0)) == expected[0]


def test_ten_that_leave_hold_up_nobody(page: Any, served: Desk, expected: list[str]) -> None:
    def leave(number: int) -> str:
        for line in stream(page, f"leaver{number}", question(number), 1024):
            if line.startswith("data:"):
                break
        return ""

    crowd(leave, 10)
    assert ask(page, "after them", question(1)) == expected[1]
    until(lambda: served.places.served == 0 and served.places.in_line == 0, 60)


def test_where_the_models_process_is_killed_one_sentence_says_so_and_the_next_answer_is_right(
    page: Any, served: Desk, expected: list[str]
) -> None:
    asked = served.ask("somebody", question(2), Wish(max_new_tokens=1024))
    assert next(turn for turn in asked if turn.answer)  # in the midst of it
    os.kill(child(served), signal.SIGKILL)
    note = list(asked)[-1].note
    assert "process of the model ended" in note and "\n" not in note
    assert ask(page, "after the fall", question(2)) == expected[2]


@pytest.mark.skipif(find_spec("streamlit") is None or find_spec("websockets") is None, reason="needs Streamlit")
def test_fifty_at_once_with_streamlit(adapter: Path, expected: list[str], root: Path) -> None:
    from tests.apps.streamlit_client import Visitor
    from tests.apps.test_assistant_streamlit import until_up

    def visit(number: int) -> str:
        with Visitor(url, longest=LONGEST) as visitor:
            visitor.open(600)
            return visitor.ask(question(number), 600)

    with running(["-m", "apps.assistant_streamlit", str(adapter), "--device", "cpu"], root) as url:
        until_up(int(url.rpartition(":")[2]))
        heard = crowd(visit)
        with Visitor(url) as gone:
            gone.open()
            gone.send(question(7))  # and leaves
        assert visit(8) == heard[8]
    assert heard == expected


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[tuple[Any, Workspaces]]:
    """The studio and its workspaces."""
    rooms = Workspaces(tmp_path / "root", lang="en")
    made = build_studio(Studio(rooms, Line(), "en", "0" * 16))
    launch(made, Door("127.0.0.1", 0))
    yield made, rooms
    made.close(verbose=False)


def test_fifty_at_once_in_the_studio(studio: tuple[Any, Workspaces]) -> None:
    import httpx

    page, rooms = studio
    base = f"{page.local_url}gradio_api"
    opens = next(number for number, fn in page.fns.items() if any(kind == "load" for _, kind in fn.targets))

    def visit(number: int) -> str:
        session = f"visitor{number}"
        call(page, opens, [""], session)
        body = {"data": ["en", question(number), ["base"], None], "session_hash": session}
        body["fn_index"] = event(page, "ask-button", "click")
        with httpx.Client(timeout=600, trust_env=False) as http:
            assert http.post(f"{base}/queue/join", json=body).status_code == 200
            with http.stream("GET", f"{base}/queue/data", params={"session_hash": session}) as lines:
                for line in lines.iter_lines():
                    if "process_completed" in line:
                        break
        return dict(rooms.of(session).project.chat.answers)["base"]

    heard = crowd(visit)
    alone, longest = rooms.base("pocket"), ChatSettings().max_new_tokens
    expected = [alone.ask(question(n), max_new_tokens=longest) for n in range(len(heard))]
    assert heard == expected and len(set(heard)) > 5
