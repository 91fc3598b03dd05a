"""The studio keeps everybody's folder to its owner: no name of it lets in, no message tells of it, no other account
looks into it, and nobody fills the house with empty ones."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from apps.assistant_gradio.app import launch  # noqa: E402
from apps.assistant_gradio.cache import VARIABLE, use_cache  # noqa: E402
from apps.studio import workspaces  # noqa: E402
from apps.studio.app import secret_of  # noqa: E402
from apps.studio.folders import private  # noqa: E402
from apps.studio.line import Line  # noqa: E402
from apps.studio.page import Studio, build  # noqa: E402
from apps.studio.parts import card  # noqa: E402
from apps.studio.workspaces import Limits, Workspaces  # noqa: E402
from tests.apps.conftest import GRADIO_SAYS  # noqa: E402
from tests.apps.test_studio_page import call, event  # noqa: E402
from workbench.chat.door import Door  # noqa: E402
from workbench.errors import BadInput, Failed, WorkbenchError  # noqa: E402
from workbench.runs import Run  # noqa: E402

pytestmark = GRADIO_SAYS
ROW = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n'
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_folders_name_lets_nobody_in(rooms: Workspaces) -> None:
    owned = rooms.enter("owner", None)
    for name in [folder.name for folder in rooms.root.iterdir()]:
        for given in (name, name[:32], name[-32:], name + "0" * 32):
            assert rooms.enter("thief", given).project.folder != owned.project.folder
    assert rooms.enter("owner again", owned.secret).project.folder == owned.project.folder


def test_the_secret_is_written_nowhere(rooms: Workspaces) -> None:
    ws = rooms.enter("page", None)
    rooms.take(ws, ROW.encode(), "a.jsonl")
    ws.project.save()
    secret = ws.secret
    for file in rooms.root.rglob("*"):
        assert secret not in str(file)
        assert file.is_dir() or secret.encode() not in file.read_bytes()


@POSIX
def test_folders_are_closed_to_others_also_where_they_were_open(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir(mode=0o755)
    rooms = Workspaces(root)
    ws = rooms.enter("page", None)
    secret_of(root)
    build(Studio(rooms, Line(), "en", "0" * 16))
    folders = [root, ws.project.folder, Path(os.environ[VARIABLE])]
    assert [mode(folder) for folder in folders] == [0o700] * 3
    assert folders[2].parent == root and mode(root / "browser.key") == 0o600


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give a folder away")
def test_a_folder_of_another_account_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir(mode=0o777)
    os.chown(root, 65534, 65534)
    with pytest.raises(BadInput, match="another account"):
        private(root)
    with pytest.raises(BadInput, match="another account"):
        Workspaces(root).enter("page", None)


@POSIX
def test_the_assistants_page_has_a_cache_of_its_own() -> None:
    place = use_cache()
    assert os.environ[VARIABLE] == str(place) and mode(place) == 0o700 and use_cache() == place
    assert place.name != "gradio" and str(place) == gr.Textbox().GRADIO_CACHE


def test_a_workspace_of_an_earlier_version_is_found_under_a_new_name(rooms: Workspaces) -> None:
    old = rooms.root / ("a" * 32)
    (old / "uploads").mkdir(parents=True)
    (old / "uploads" / "x.jsonl").write_text(ROW, encoding="utf-8")
    ws = Workspaces(rooms.root).enter("before", None)
    ws.project.data.change(file=str(old / "uploads" / "x.jsonl"))
    ws.project.save()
    (ws.project.folder / "project.json").rename(old / "project.json")
    found = rooms.enter("page", "a" * 32)
    assert not old.exists() and "a" * 32 not in found.project.folder.name
    assert Path(str(found.project.data.settings.file)).read_text(encoding="utf-8") == ROW


@pytest.fixture
def few(tmp_path: Path) -> Workspaces:
    return Workspaces(tmp_path / "root", Limits(workspaces=3), "en")


def folders(rooms: Workspaces) -> int:
    return len([one for one in rooms.root.iterdir() if len(one.name) == 40])


def test_callers_that_never_come_back_keep_nobody_out(few: Workspaces, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens pages only to fill the house is counted for seconds, and leaves no more than twice the limit."""
    for n in range(3):
        few.enter(f"there{n}", None)
    with pytest.raises(Failed, match="Too many"):
        few.enter("new", None)
    monkeypatch.setattr(workspaces, "_FRESH", -1.0)
    for n in range(50):
        few.enter(f"flood{n}", None)
    assert few.enter("new", None)
    assert folders(few) <= 2 * 3 + 1


def test_who_left_an_empty_workspace_keeps_nobody_out_and_finds_it_again(few: Workspaces) -> None:
    secrets = [few.enter(f"page{n}", None).secret for n in range(3)]
    for n in range(3):
        few.of(f"page{n}")
        few.leave(f"page{n}")
    assert few.enter("new", None)
    assert few.of("page0").secret == secrets[0]


def test_workspaces_with_something_in_them_are_no_limit_and_stay(few: Workspaces) -> None:
    for n in range(9):
        few.enter(f"page{n}", None).project.save()
        few.leave(f"page{n}")
    assert few.enter("new", None) and folders(few) == 10
    assert Workspaces(few.root, few.limits).enter("new", None)


def test_empty_folders_that_another_process_left_are_removed(few: Workspaces) -> None:
    old, young, full = (few.root / (letter * 40) for letter in "abc")
    for folder in (old, young, full):
        folder.mkdir(parents=True)
    (full / "project.json").write_text("{}", encoding="utf-8")
    os.utime(old, (1, 1))
    os.utime(full, (1, 1))
    few.enter("page", None)
    assert not old.exists() and young.is_dir() and full.is_dir()


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    rooms = Workspaces(tmp_path / "root", Limits(spare=1 << 62))
    with pytest.raises(Failed, match="space"):
        rooms.enter("page", None)


@pytest.fixture
def page(rooms: Workspaces) -> Iterator[Any]:
    made = build(Studio(rooms, Line(), "en", "0" * 16))
    launch(made, Door("127.0.0.1", 0), max_file_size=10_000)
    yield made
    made.close(verbose=False)


BAD = [
    b'{"messages": []}\n{"messages": 7}\n', b"not json", b"[1, 2", b"PAR1 and no more", b"a,b\n1,2\n", b"\xff\xfe\x00",
]  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_bad_upload_is_told_without_a_path_or_a_secret(page: Any, rooms: Workspaces, lang: str) -> None:
    import httpx

    ws = rooms.enter("page", None)
    for content in BAD:
        sent = httpx.post(f"{page.local_url}gradio_api/upload", files={"files": ("mine.jsonl", content)}, timeout=60)
        data = {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}, "orig_name": "mine.jsonl"}
        values = [lang, data, "Ada", "", "", "plain", ["en"], 0]
        note = call(page, event(page, "upload", "upload"), values, "page").json()["data"][-1]
        assert 'role="alert"' in note, content
        for place in (ws.secret, ws.name, str(rooms.root), rooms.root.name, "uploads"):
            assert place not in note
        assert not re.search(r"[0-9a-f]{16}", note) and not re.search(r"/\w+/\w", re.sub(r"</?\w+>", "", note))


@pytest.mark.parametrize("name", ["a.png", "../../b.png", "/etc/passwd"])
def test_a_picture_that_an_upload_names_is_told_without_a_path(page: Any, rooms: Workspaces, name: str) -> None:
    import httpx

    ws = rooms.enter("page", None)
    row = json.dumps({"instruction": "<image>What is it?", "output": "A field.", "image": name}).encode()
    sent = httpx.post(f"{page.local_url}gradio_api/upload", files={"files": ("mine.jsonl", row)}, timeout=60)
    data = {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}, "orig_name": "mine.jsonl"}
    values = ["en", data, "", "", "", "plain", ["en"], 0]
    shown = json.dumps(call(page, event(page, "upload", "upload"), values, "page").json()["data"])
    assert "wb-unseen" in shown
    assert not any(place in shown for place in (ws.secret, ws.name, str(rooms.root), rooms.root.name))


@pytest.mark.parametrize(
    "path",
    ["{ws}/uploads/0123456789abcdef.jsonl", "{ws}/runs/first/recipe.yaml", "/srv/a name/models/x",
     "D:\\People\\a\\models\\x", "/usr/lib/python3/site.py", "~/models/x"],
)  # fmt: skip
def test_no_error_tells_where_things_lie(rooms: Workspaces, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = rooms.enter("page", None)
    monkeypatch.setenv("HOME", "/srv/a name")
    full = path.format(ws=ws.project.folder)
    errors: list[BaseException] = [
        WorkbenchError("steps.unexpected", kind="E", reason=f"cannot read {full!r}: no"),
        OSError(13, "Permission denied", full),
        FileNotFoundError(2, f"No such file: {full}"),
        ValueError(f"{full}: row 2"),
    ]
    for error in errors:
        shown = card(error, "en")
        for part in (str(rooms.root), ws.name, ws.secret, "/home", "a name", "Users", "/usr", "~/", "site-packages"):
            assert part not in shown, shown


@pytest.mark.parametrize("status", ["failed", "running"])
def test_a_training_that_ended_badly_is_told_without_a_path(rooms: Workspaces, status: str) -> None:
    from apps.studio.train_pane import _status

    ws = rooms.enter("page", None)
    run = Run.create(ws.project.folder / "runs" / "first", "model: {}\n")
    state = {
        "status": status,
        "pid": 2**22 + 1,
        "process_start": "1",
        "message": f"no {run.path}/data.jsonl",
        "remedy": "",
    }
    (run.path / "state.json").write_text(json.dumps(state), encoding="utf-8")  # as a worker leaves it
    ws.project.train.attach(run)
    shown = _status(Studio(rooms, Line(), "en", "0" * 16), ws, "en")
    assert 'role="alert"' in shown and str(rooms.root) not in shown and ws.name not in shown
