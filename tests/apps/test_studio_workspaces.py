"""The studio: everybody's own folder, and what may be put into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from apps.studio.train_pane import OFFERED, _take_over  # noqa: E402
from apps.studio.workspaces import Limits, Workspaces  # noqa: E402
from tests.apps.conftest import GRADIO_SAYS  # noqa: E402
from workbench.errors import BadInput, Failed  # noqa: E402
from workbench.runs import Run  # noqa: E402

pytestmark = GRADIO_SAYS
ROW = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n'


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


def test_only_the_last_uploads_are_kept(rooms: Workspaces) -> None:
    """A training that is just being started may be reading one that no recipe names yet."""
    ws = rooms.enter("page", None)
    taken = [rooms.take(ws, ROW.encode(), "a.jsonl") for _ in range(5)]
    assert set(ws.project.folder.glob("uploads/*")) == set(taken[-3:])


def test_an_upload_that_is_needed_is_kept(rooms: Workspaces) -> None:
    """Of a run that may go on."""
    from workbench.training.recipe import recipe_yaml

    ws = rooms.enter("page", None)
    taken = []
    for number in range(6):
        taken.append(rooms.take(ws, ROW.encode(), "a.jsonl"))
        ws.project.data.change(file=str(taken[-1]))
        if number == 0:
            Run.create(ws.project.folder / "runs" / "first", recipe_yaml(ws.project.train.recipe))
    assert set(ws.project.folder.glob("uploads/*")) == {taken[0], *taken[3:]}


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
    with pytest.raises(BadInput, match=r"Take something from|Write one from"):
        _take_over(ws, (bad, *before[1:]), "en")
    assert [ws.project.train.value(key) for key in OFFERED] == before


def test_a_name_that_only_a_program_can_send_is_refused(rooms: Workspaces) -> None:
    from apps.studio.data_pane import _made

    ws = rooms.enter("page", None)
    with pytest.raises(BadInput, match=r"persona\.name cannot be") as refused:
        _made(ws, "en", "n" * 10**6, "", "", "plain", ["en"], 0)
    assert len(str(refused.value)) < 1000
