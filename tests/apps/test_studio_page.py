"""The studio: what a browser, or somebody who plays one, can do with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from apps.assistant_gradio.app import launch  # noqa: E402
from apps.studio.export_pane import _made as _merged  # noqa: E402
from apps.studio.line import Line  # noqa: E402
from apps.studio.page import Studio, build  # noqa: E402
from apps.studio.workspaces import Workspaces  # noqa: E402
from tests.apps.conftest import GRADIO_SAYS, NASTY  # noqa: E402
from tests.waiting import until  # noqa: E402
from workbench.chat.door import Door  # noqa: E402
from workbench.errors import BadInput, Interrupted  # noqa: E402
from workbench.runs import Run  # noqa: E402
from workbench.steps import ExportStep  # noqa: E402

pytestmark = GRADIO_SAYS
ROW = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n'


@pytest.fixture
def page(rooms: Workspaces) -> Iterator[Any]:
    made = build(Studio(rooms, Line(), "en", "0" * 16))
    launch(made, Door("127.0.0.1", 0), max_file_size=10_000)
    yield made
    made.close(verbose=False)


def call(page: Any, number: int, data: list[Any], session: str) -> Any:
    """An event of the page, as a browser (or somebody who plays one) sends it."""
    import httpx

    base = f"{page.local_url}gradio_api"
    body = {"data": data, "fn_index": number, "session_hash": session}
    return httpx.post(f"{base}/run/predict", json=body, timeout=600)  # a crowd opens the page at once


def event(page: Any, part: str, kind: str) -> int:
    """The number of the event ``kind`` of the part with that id."""
    wanted = next(number for number, block in page.blocks.items() if getattr(block, "elem_id", None) == part)
    return next(number for number, fn in page.fns.items() if (wanted, kind) in fn.targets)


class Slow:
    """Goes on until it is stopped, and counts who it answers."""

    def __init__(self) -> None:
        self.running = 0

    def stream(self, _: str, *, should_stop: Callable[[], bool], **__: Any) -> Iterator[str]:
        self.running += 1
        try:
            while not should_stop():
                time.sleep(0.01)
                yield "x"
        finally:
            self.running -= 1


class Quick:
    def stream(self, question: str, **_: Any) -> Iterator[str]:
        yield f"answer to {question}"


def clicked(page: Any, session: str, part: str, data: list[Any], enough: Callable[[str], bool]) -> None:
    """A click on that part, its events read until ``enough`` of one; then the connection is cut."""
    import httpx

    base = f"{page.local_url}gradio_api"
    body = {"data": ["en", *data], "session_hash": session, "fn_index": event(page, part, "click")}
    assert httpx.post(f"{base}/queue/join", json=body).status_code == 200
    with httpx.stream("GET", f"{base}/queue/data", params={"session_hash": session}, timeout=30) as events:
        assert any(enough(line) for line in events.iter_lines())


def test_who_leaves_in_the_midst_of_an_answer_frees_the_turn_for_the_next(page: Any, rooms: Workspaces) -> None:
    slow = Slow()
    rooms.enter("gone", None).project.chat.models = {"base": slow}  # type: ignore[dict-item]
    rooms.enter("next", None).project.chat.models = {"base": Quick()}  # type: ignore[dict-item]
    clicked(page, "gone", "ask-button", ["long", [], None], lambda _: bool(slow.running))
    clicked(page, "next", "ask-button", ["short", [], None], lambda line: "answer to short" in line)
    until(lambda: slow.running == 0)
    assert not rooms.of("gone").project.chat.answering


@pytest.fixture
def merging(monkeypatch: pytest.MonkeyPatch) -> list[ExportStep]:
    """The steps that merge: each says so once, and then nothing until it is cancelled."""
    begun: list[ExportStep] = []

    def everything(step: ExportStep, progress: Callable[[str, int, int], None]) -> None:
        begun.append(step)
        progress("merge", 0, 0)
        until(step.cancelled)
        raise Interrupted("steps.cancelled")

    monkeypatch.setattr(ExportStep, "everything", everything)
    return begun


def test_who_leaves_a_merge_stops_it_and_the_workspace_is_free(
    rooms: Workspaces, tmp_path: Path, merging: list[ExportStep]
) -> None:
    ws = rooms.enter("page", None)
    ws.project.train.run = Run.create(tmp_path / "run", "model: {}\n")
    going = _merged(ws, "en", None)
    assert "Merging" in next(going)[1]
    assert next(going) == [gr.skip(), gr.skip()]
    with pytest.raises(BadInput, match="still being done"), ws.alone(patience=0.05):
        pass
    going.close()
    with ws.alone():
        assert merging[0].cancelled()


def test_who_leaves_in_the_midst_of_a_merge_frees_the_turn_for_the_next(
    page: Any, rooms: Workspaces, tmp_path: Path, merging: list[ExportStep]
) -> None:
    rooms.enter("gone", None).project.train.run = Run.create(tmp_path / "run", "model: {}\n")
    rooms.enter("next", None).project.chat.models = {"base": Quick()}  # type: ignore[dict-item]
    clicked(page, "gone", "merge", [None], lambda line: "Merging" in line)
    clicked(page, "next", "ask-button", ["short", [], None], lambda line: "answer to short" in line)
    until(merging[0].cancelled)


def test_a_training_that_starts_meanwhile_does_not_turn_the_merge_to_its_run(
    rooms: Workspaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Run.create(tmp_path / name, "model: {}\n") for name in ("first", "second"))
    project = rooms.enter("page", None).project
    project.train.attach(first)
    merged: list[Path] = []

    def everything(step: ExportStep, progress: Callable[[str, int, int], None]) -> None:
        progress("merge", 0, 0)
        project.train.attach(second)
        step.merged.mkdir()
        merged.append(step.merged)

    monkeypatch.setattr(ExportStep, "everything", everything)
    list(_merged(rooms.of("page"), "en", 7))
    assert merged == [first.path / "merged"]
    assert (project.export.settings.run, project.export.settings.checkpoint) == (str(second.path), None)


def test_a_stranger_is_told_to_reload(page: Any) -> None:
    answer = call(page, event(page, "stop-train", "click"), ["en"], "stranger")
    assert "Reload the page" in answer.text


def test_no_event_takes_a_path(page: Any) -> None:
    """Files come in as bytes; nothing that a browser sends is a file's name to the studio."""
    files = [one for one in page.blocks.values() if isinstance(one, (gr.File, gr.UploadButton))]
    assert files and all(one.type == "binary" for one in files)


def test_a_file_of_the_machine_cannot_be_passed_off_as_an_upload(page: Any, root: Path) -> None:
    sent = {"path": str(root / "pyproject.toml"), "meta": {"_type": "gradio.FileData"}, "orig_name": "x.jsonl"}
    number = event(page, "upload", "upload")
    inputs = len(page.fns[number].inputs)
    answer = call(page, number, ["en", sent, *[None] * (inputs - 2)], "page")
    assert "build-backend" not in answer.text


@pytest.mark.parametrize("path", ["{root}", "/etc/passwd", "{root}/browser.key", "{repo}/pyproject.toml"])
def test_no_file_of_the_machine_is_served(page: Any, rooms: Workspaces, root: Path, path: str) -> None:
    import httpx

    rooms.root.mkdir(exist_ok=True)
    (rooms.root / "browser.key").write_text("x")
    for route in ("gradio_api/file=", "file=", "gradio_api/file/"):
        answer = httpx.get(f"{page.local_url}{route}{path.format(root=rooms.root, repo=root)}")
        assert answer.status_code in (403, 404)


def test_what_a_learner_writes_is_shown_as_text(rooms: Workspaces) -> None:
    from apps.studio.data_pane import _made

    ws = rooms.enter("page", None)
    name = NASTY[:50].replace("\n", " ")
    shown = _made(ws, "en", name, "", "", "plain", ["en"], 0)[1]
    assert "<script>" not in shown and "&lt;script&gt;" in shown


def test_a_default_system_text_of_the_page_stands_in_the_mask_and_in_the_settings(rooms: Workspaces) -> None:
    from apps.studio.template_pane import _looked, _state

    ws = rooms.enter("page", None)
    (shown,) = _looked(ws, "en", "hi", "ho", "qwen_chat", "assistant", "You are a <gardener>.", "mask")
    assert "gardener" in shown and "<gardener>" not in shown
    assert _state(ws, "en")[4] == "You are a <gardener>." and ws.project.template.settings.thinking == "mask"
    (shown,) = _looked(ws, "en", "hi", "ho", "qwen_chat", "assistant", "", "keep")
    assert "gardener" not in shown and _state(ws, "en")[4] == ""
    (shown,) = _looked(ws, "en", "hi", "ho", "", None, None, None)  # clicked before the page was filled
    assert "wb-tok" in shown and ws.project.template.settings.loss_on == "assistant"


def test_the_template_step_shows_a_question_with_the_answer_to_it(rooms: Workspaces) -> None:
    from apps.studio.data_pane import _made
    from apps.studio.template_pane import _last_question, _plainest, _state
    from workbench.data.conversation import Conversation, Message

    ws = rooms.enter("page", None)
    for lang in ("en", "zh"):
        _made(ws, lang, "Sprout", "", "", "plain", [lang], 0)
        asked, answered = _state(ws, lang)[:2]
        spoken = [(row, [message.role for message in row.messages]) for row in ws.project.data.made.own]
        pairs = [(row.question, row.answer) for row, roles in spoken if roles.count("user") == 1]
        assert (asked, answered) in pairs
    texts = ("user", "Hi"), ("assistant", "Hello."), ("user", "Who are you?"), ("assistant", "Sprout.")
    longer = Conversation(tuple(Message(*pair) for pair in texts))
    assert _last_question(_plainest([longer])) == "Who are you?"


def test_the_page_speaks_both_languages_with_the_same_parts(rooms: Workspaces) -> None:
    from workbench.texts import lookup

    for lang in ("en", "zh"):
        made = build(Studio(rooms, Line(), lang, "0" * 16))
        config = str(made.get_config_file())
        for pane in ("data", "template", "train", "export", "chat"):
            assert str(lookup(f"studio.{pane}.head", lang)) in config
