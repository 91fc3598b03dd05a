"""The studio: everybody's own folder, one line for the device, and nothing that a client sends leads out of either."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
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
from apps.studio.train_pane import OFFERED, _status, _take_over  # noqa: E402
from apps.studio.workspaces import Limits, Workspaces  # noqa: E402
from tests.apps.conftest import GRADIO_SAYS, NASTY  # noqa: E402
from workbench.chat.door import Door  # noqa: E402
from workbench.errors import BadInput, Failed, Interrupted  # noqa: E402
from workbench.runs import Run  # noqa: E402
from workbench.runs.process import Process  # noqa: E402
from workbench.steps import ExportStep  # noqa: E402

pytestmark = GRADIO_SAYS
ROW = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n'


@pytest.fixture
def rooms(tmp_path: Path) -> Workspaces:
    return Workspaces(tmp_path / "root", Limits(upload=10_000, rows=20), "en")


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never happened"
        time.sleep(0.02)


def test_everybody_gets_a_workspace_and_finds_it_again(rooms: Workspaces) -> None:
    one, two = rooms.enter("page1", None), rooms.enter("page2", "")
    assert one.secret != two.secret
    rooms.leave("page1")
    assert rooms.enter("page3", one.secret).project.folder == one.project.folder
    assert Workspaces(rooms.root).enter("page", one.secret).project.folder == one.project.folder


@pytest.mark.parametrize(
    "secret",
    [
        "..",
        "../..",
        "/etc",
        "a" * 32,
        "A" * 32,
        "0" * 31,
        "0" * 33,
        "0" * 32 + "\n",
        "0" * 16 + "/../" + "0" * 12,
        7,
        [],
        {},
    ],
)
def test_nothing_that_a_client_calls_its_workspace_leads_elsewhere(rooms: Workspaces, secret: Any) -> None:
    (rooms.root.parent / "mine").mkdir()
    folder = rooms.enter("page", secret).project.folder
    assert folder.parent == rooms.root and folder.name != secret


def test_a_page_that_never_entered_has_no_workspace(rooms: Workspaces) -> None:
    with pytest.raises(BadInput, match="started anew"):
        rooms.of("somebody")


def test_a_page_that_was_away_goes_on_and_an_empty_workspace_goes_with_its_last_page(tmp_path: Path) -> None:
    rooms = Workspaces(tmp_path / "root", Limits(absent=60))
    empty = rooms.enter("page", None).project.folder
    rooms.leave("page")
    assert rooms.of("page").project.folder == empty
    short = Workspaces(tmp_path / "root", Limits(absent=-1))
    used = short.enter("a", None)
    used.project.save()
    empty = short.enter("b", None).project.folder
    short.leave("a"), short.leave("b")
    assert used.project.folder.is_dir() and not empty.exists()
    with pytest.raises(BadInput, match="started anew"):
        short.of("a")


def test_what_must_not_happen_twice_at_once_waits_and_then_says_so(rooms: Workspaces) -> None:
    ws = rooms.enter("page", None)
    with ws.alone(), pytest.raises(BadInput, match="still being done"), ws.alone(patience=0.05):
        pass
    with ws.alone(patience=0.05):
        pass


def test_there_is_an_end_of_workspaces(tmp_path: Path) -> None:
    rooms = Workspaces(tmp_path / "root", Limits(workspaces=2))
    rooms.enter("a", None), rooms.enter("b", None)
    with pytest.raises(Failed, match="Too many"):
        rooms.enter("c", None)


@pytest.mark.parametrize("name", ["../../evil.jsonl", "/etc/cron.d/evil.jsonl", "a\x00.jsonl", "x" * 500 + ".jsonl"])
def test_an_uploaded_file_gets_a_name_of_ours_in_the_workspace(rooms: Workspaces, name: str) -> None:
    ws = rooms.enter("page", None)
    file = rooms.take(ws, ROW.encode(), name)
    assert file.parent == ws.project.folder / "uploads" and "evil" not in file.name


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (b"x" * 10_001, "a.jsonl", "the most"),
        (ROW.encode() * 21, "a.jsonl", "more than 20"),
        (ROW.encode(), "a.py", "cannot be read"),
        (ROW.encode(), "a", "cannot be read"),
        (b"\x80\x02}q\x00.", "a.jsonl", ""),
        (b"not json", "a.jsonl", ""),
    ],
)
def test_what_is_too_large_or_no_conversations_is_refused_and_not_kept(
    rooms: Workspaces, content: bytes, name: str, told: str
) -> None:
    ws = rooms.enter("page", None)
    with pytest.raises(BadInput, match=told):
        rooms.take(ws, content, name)
    assert not list(ws.project.folder.glob("uploads/*"))


def test_only_the_last_upload_is_kept(rooms: Workspaces) -> None:
    ws = rooms.enter("page", None)
    rooms.take(ws, ROW.encode(), "a.jsonl")
    last = rooms.take(ws, ROW.encode() * 2, "b.jsonl")
    assert list(ws.project.folder.glob("uploads/*")) == [last]


def test_an_upload_that_is_needed_is_kept(rooms: Workspaces) -> None:
    """Of a run that may go on, and of a training that may be reading it just now."""
    from workbench.training.recipe import recipe_yaml

    ws = rooms.enter("page", None)
    taken = []
    for number in range(4):
        taken.append(rooms.take(ws, ROW.encode(), "a.jsonl"))
        ws.project.data.change(file=str(taken[-1]))
        if number == 0:
            Run.create(ws.project.folder / "runs" / "first", recipe_yaml(ws.project.train.recipe))
    assert set(ws.project.folder.glob("uploads/*")) == {taken[0], taken[2], taken[3]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_an_upload_is_known_by_its_content_in_every_encoding_that_is_read(rooms: Workspaces, encoding: str) -> None:
    from apps.studio.data_pane import _name
    from workbench.data import read

    ws = rooms.enter("page", None)
    for content, suffix in ((ROW, "jsonl"), (f"[{ROW}]", "json"), ("instruction,input,output\nhi,,ho\n", "csv")):
        encoded = content.encode(encoding)
        assert _name(encoded) == f"data.{suffix}"
        assert [one.answer for one in read(rooms.take(ws, encoded, _name(encoded)))] == ["ho"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1, "x", None, True, 10**9, "__import__('os')"])
def test_a_setting_out_of_range_is_refused_whole(rooms: Workspaces, bad: Any) -> None:
    ws = rooms.enter("page", None)
    before = [ws.project.train.value(key) for key in OFFERED]
    with pytest.raises(BadInput, match="Take something from"):
        _take_over(ws, (bad, *before[1:]))
    assert [ws.project.train.value(key) for key in OFFERED] == before


def test_a_name_that_only_a_program_can_send_is_refused(rooms: Workspaces) -> None:
    from apps.studio.data_pane import _made

    ws = rooms.enter("page", None)
    with pytest.raises(BadInput, match="at most 60"):
        _made(ws, "en", "n" * 10**6, "", "", "plain", ["en"], 0)


class Job:
    """A run that lives until it is told to end."""

    def __init__(self, folder: Path) -> None:
        self.begun, self.over, self.folder = threading.Event(), threading.Event(), folder

    def __call__(self) -> Any:
        self.begun.set()
        job = self

        class Alive:
            @property
            def alive(self) -> bool:
                return not job.over.is_set()

        class Running:
            def state(self) -> Alive:
                return Alive()

        return Running()


def test_trainings_take_turns_in_the_order_of_arrival(tmp_path: Path) -> None:
    line, jobs = Line(at_once=1), [Job(tmp_path) for _ in range(3)]
    for number, job in enumerate(jobs):
        line.join(f"ws{number}", job)
        if number == 0:
            until(job.begun.is_set)
    assert [line.place(f"ws{n}") for n in range(3)] == [0, 1, 2]
    assert not jobs[1].begun.is_set()
    jobs[0].over.set()
    until(jobs[1].begun.is_set)
    until(lambda: line.place("ws2") == 1)
    assert line.leave("ws2")
    jobs[1].over.set()
    assert line.settled() and not jobs[2].begun.is_set()


def test_one_training_a_workspace_and_busy_when_the_line_is_full(tmp_path: Path) -> None:
    line, job = Line(at_once=1, waiting=1), Job(tmp_path)
    line.join("a", job)
    until(job.begun.is_set)
    with pytest.raises(BadInput, match="already"):
        line.join("a", Job(tmp_path))
    line.join("b", Job(tmp_path))
    with pytest.raises(BadInput, match="already"):
        line.join("b", Job(tmp_path))
    with pytest.raises(Failed, match="Too many"):
        line.join("c", Job(tmp_path))
    job.over.set()


def running(run: Run, process: Process) -> None:
    """The state that a worker writes which is that process."""
    record = {**process.record(), "status": "running", "step": 7, "total_steps": 40}
    (run.path / "state.json").write_text(json.dumps(record | {"updated": time.time(), "since": time.time()}))


def test_what_is_stopped_while_it_starts_is_stopped_when_it_has_started(tmp_path: Path) -> None:
    line, go = Line(at_once=1), threading.Event()

    def slowly() -> Run:
        go.wait(10)
        run = Run.create(tmp_path / "run", "model: {}\n")
        running(run, Process.here())
        return run

    line.join("a", slowly)
    until(lambda: "a" in line._starting)
    assert line.leave("a")
    go.set()
    assert line.settled()
    until((tmp_path / "run" / "stop").exists)


def test_a_training_that_cannot_start_is_told_and_the_next_one_starts(tmp_path: Path) -> None:
    line, good = Line(at_once=1), Job(tmp_path)

    def bad() -> Any:
        raise RuntimeError("no device")

    line.join("a", bad)
    line.join("b", good)
    until(good.begun.is_set)
    assert "no device" in str(line.trouble("a"))
    good.over.set()


def test_a_worker_that_died_is_told_with_the_way_on(rooms: Workspaces) -> None:
    ws = rooms.enter("page", None)
    run = Run.create(ws.project.folder / "runs" / "first", "model: {}\n")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    running(run, Process.of(gone.pid))
    ws.project.train.attach(run)
    told = _status(Studio(rooms, Line(), "en", "0" * 16), ws, "en")
    assert ws.project.train.state().status == "died" and 'role="alert"' in told and "resume" in told.lower()


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
    return httpx.post(f"{base}/run/predict", json=body, timeout=60)


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
    clicked(page, "gone", "ask-button", ["long", []], lambda _: bool(slow.running))
    clicked(page, "next", "ask-button", ["short", []], lambda line: "answer to short" in line)
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
    clicked(page, "next", "ask-button", ["short", []], lambda line: "answer to short" in line)
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


def test_the_page_speaks_both_languages_with_the_same_parts(rooms: Workspaces) -> None:
    from workbench.texts import lookup

    for lang in ("en", "zh"):
        made = build(Studio(rooms, Line(), lang, "0" * 16))
        config = str(made.get_config_file())
        for pane in ("data", "template", "train", "export", "chat"):
            assert str(lookup(f"studio.{pane}.head", lang)) in config
