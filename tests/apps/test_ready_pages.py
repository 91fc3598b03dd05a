"""Models that see by themselves on both pages of the finished assistant, as their commands start them: a picture is
offered, uploaded, looked at and answered; what is odd or hostile is one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio")
pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest

from apps.assistant_gradio import view
from apps.assistant_gradio.app import PICTURE, SMALLEST, launch
from apps.assistant_gradio.page import HEAD, build
from apps.assistant_streamlit.app import PAGE
from tests.apps.conftest import GRADIO_SAYS
from tests.data.pictured import odd, png
from tests.ready import KINDS, make_adapter, shared
from workbench.chat import Assistant
from workbench.chat.desk import Desk, Wish
from workbench.chat.door import Door
from workbench.chat.face import Face
from workbench.chat.loading import Opened, Serving
from workbench.chat.serving import desk, may_see
from workbench.data.drawn import questions
from workbench.data.imaging import encoded, opened

pytestmark = GRADIO_SAYS
ODD = odd()
EIGHT = Wish(max_new_tokens=8)


@pytest.fixture(scope="module", params=KINDS)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Serving:
    """An adapter's folder alone, which names its base: nothing but that says that pictures are taken."""
    base = shared(request.param, tmp_path_factory.getbasetemp())
    return Serving(str(make_adapter(base, tmp_path_factory.mktemp("adapter"))), device="cpu", lang="en")


@pytest.fixture(scope="module")
def answering(settings: Serving) -> Desk:
    """The model in its process, as both pages have it."""
    made = desk(settings)
    made.opened(300)
    return made


@pytest.fixture(scope="module")
def gradio(settings: Serving, answering: Desk) -> Iterator[Any]:
    sees = may_see(settings)
    made = build(answering, "en", sees=sees)
    launch(made, Door("127.0.0.1", 0), head=HEAD, max_file_size=PICTURE if sees else SMALLEST)
    yield made
    made.close(verbose=False)


@pytest.fixture
def streamlit(settings: Serving, answering: Desk, monkeypatch: pytest.MonkeyPatch) -> Any:
    from streamlit import config

    config.set_option("server.address", "127.0.0.1")
    monkeypatch.setattr("workbench.chat.serving.desk", lambda _: answering)
    monkeypatch.setattr("workbench.chat.serving._HELD", {})
    monkeypatch.setattr("sys.argv", [str(PAGE), settings.model, "--lang", "en", "--device", "cpu"])
    return AppTest.from_file(str(PAGE), default_timeout=120).run()


@pytest.fixture(scope="module")
def picture() -> bytes:
    return encoded(opened(questions(1)[0].pictures[0]).resize((60, 40)))


@pytest.fixture(scope="module")
def expected(settings: Serving, picture: bytes, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("picture") / "a.png"
    file.write_bytes(picture)
    return Assistant.load(settings.model, device="cpu").ask("What?", images=[file], max_new_tokens=8)


def send(page: Any, data: bytes, session: str) -> list[Any]:
    """Upload a file and ask about it: what the page shows then."""
    import httpx

    files = {"files": ("a.png", data)}
    (path,) = httpx.post(f"{page.local_url}gradio_api/upload", files=files, timeout=60).json()
    wanted = next(number for number, block in page.blocks.items() if getattr(block, "elem_id", None) == "send")
    number = next(number for number, fn in page.fns.items() if (wanted, "click") in fn.targets)
    image = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "a.png"}
    body = {"data": ["What?", image, "en", "", 0, 1, 8, False], "fn_index": number, "session_hash": session}
    return list(httpx.post(f"{page.local_url}gradio_api/run/predict", json=body, timeout=60).json()["data"])


def ask_about(page: Any, name: str, data: bytes) -> None:
    """Send a question of Streamlit's page with a file in its own box."""
    if not hasattr(page.chat_input[0], "upload"):
        pytest.skip("this Streamlit's test runner uploads nothing into the question's box")
    page.chat_input[0].upload(name, data, "image/png")
    page.chat_input[0].set_value("What?").run()


def test_gradio_takes_a_picture_and_answers_about_it(
    gradio: Any, answering: Desk, picture: bytes, expected: str
) -> None:
    config = gradio.get_config_file()["components"]
    (box,) = [one for one in config if one["props"].get("elem_id") == "image"]
    assert box["props"]["visible"] is True
    assert "data:image/png;base64," in json.dumps(send(gradio, picture, "a"))
    turn = list(answering.answer("a", EIGHT))[-1]
    assert turn.answer == expected and not turn.note
    assert opened(turn.images[0]).tobytes() == opened(answering.session("a").turns[0].images[0]).tobytes()


def test_streamlit_takes_a_picture_and_answers_about_it(streamlit: Any, picture: bytes, expected: str) -> None:
    streamlit.slider(key="longest").set_value(8).run()
    ask_about(streamlit, "a.png", picture)
    assert not streamlit.exception
    assert streamlit.chat_message[-1].text[0].value == (expected.strip() or "…")


@pytest.mark.parametrize("name", ODD)
def test_an_odd_picture_is_one_sentence_on_both_pages(name: str, gradio: Any, streamlit: Any, answering: Desk) -> None:
    data, fault = ODD[name]
    shown = json.dumps(send(gradio, data, name))
    assert "Traceback" not in shown and "/tmp" not in shown
    turns = list(answering.answer(name, EIGHT))
    assert bool(fault) == (not turns)
    for note in [turn.note for turn in turns if turn.note]:  # too thin for this model
        assert "strip" in name and "two hundred" in note and "\n" not in note
    ask_about(streamlit, "picture.png", data)
    assert not streamlit.exception and bool(streamlit.warning) == bool(fault)


class Blind:
    """Answers, and sees nothing."""

    def stream(self, asked: Any, **_: Any) -> Iterator[str]:
        yield str(len(asked))


def test_the_box_goes_away_where_what_was_loaded_sees_nothing() -> None:
    """A hub id that is not here yet may be of either kind."""
    loading, blind, seeing = (Desk(lambda s=sees: Opened(Blind(), sees=s), Face("X")) for sees in (False, False, True))
    for made in (blind, seeing):
        made.opened()
    assert view.seeing(blind)["visible"] is False
    assert "visible" not in view.seeing(seeing) and "visible" not in view.seeing(loading)


def test_a_picture_of_a_few_megabytes_passes_the_gate(gradio: Any) -> None:
    import httpx

    large = png(size=(8, 8)) + bytes(3_000_000)
    answer = httpx.post(f"{gradio.local_url}gradio_api/upload", files={"files": ("a.png", large)}, timeout=60)
    assert answer.status_code == 200 and Path(answer.json()[0]).stat().st_size == len(large)
