"""``workbench lab``: what is copied, what is never overwritten, what JupyterLab is told, what is said without it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import shipped
from workbench.cli import lab as module
from workbench.cli import run
from workbench.cli.lab import command, copy_course, environment


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with two lessons."""
    folder = tmp_path / "package" / "_course" / "zh"
    folder.mkdir(parents=True)
    for name in ("00-set-up.ipynb", "01-what.ipynb", "instructor.md"):
        (folder / name).write_text("{}", encoding="utf-8")
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "package")
    return folder


def test_the_lessons_are_copied_once_and_never_overwritten(course: Path, tmp_path: Path) -> None:
    place = tmp_path / "mine"
    assert [file.name for file in copy_course("zh", place)] == ["00-set-up.ipynb", "01-what.ipynb"]
    (place / "00-set-up.ipynb").write_text("my notes", encoding="utf-8")
    assert copy_course("zh", place) == []
    assert (place / "00-set-up.ipynb").read_text(encoding="utf-8") == "my notes"


def test_lessons_of_the_other_language_stay_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    monkeypatch.setattr(module, "_serve", lambda *_: 0)
    monkeypatch.setattr(module, "arrange", lambda _: None)
    for lang, said in (("en", False), ("en", False), ("zh", True)):
        assert run(["lab", "--lang", lang, "--folder", str(tmp_path)]) == 0
        assert ("--folder" in capsys.readouterr().err) is said
    assert module.language_of(tmp_path) == "en"


def test_jupyterlab_is_told_to_stay_on_this_machine_and_off_the_network(course: Path, tmp_path: Path) -> None:
    copy_course("zh", tmp_path / "mine")
    argv = command(tmp_path / "mine", 8888, browser=False)
    assert "--ServerApp.ip=127.0.0.1" in argv
    assert "--LabApp.default_url=/lab/tree/00-set-up.ipynb" in argv
    assert "--LabApp.news_url=None" in argv
    assert not [word for word in argv if re.search(r"token|password|allow_origin|allow_remote", word)]


def test_jupyterlab_asks_nothing_of_news_and_the_kernels_speak_the_language(tmp_path: Path) -> None:
    told = environment(tmp_path, "zh")
    assert told["WORKBENCH_LANG"] == "zh"
    assert told["JUPYTER_CONFIG_PATH"].startswith(str(tmp_path))
    laid = json.loads((tmp_path / "labconfig" / "default_setting_overrides.json").read_text(encoding="utf-8"))
    assert laid["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


def test_without_jupyterlab_one_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "jupyterlab" else found(name))
    assert run(["lab", "--folder", str(tmp_path / "mine")]) == 2
    said = capsys.readouterr().err
    assert "assistant-workbench[notebook]" in said
    assert "Traceback" not in said
    assert not (tmp_path / "mine").exists()


def test_an_installation_without_the_course_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "nothing" / "package")
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    assert run(["lab", "--folder", str(tmp_path / "mine")]) == 1
    assert "no course" in capsys.readouterr().err


@pytest.mark.parametrize("root", [True, False])
def test_root_may_open_it_and_keeps_the_token(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: bool
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000, raising=False)
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    monkeypatch.setattr(module, "arrange", lambda _: None)
    monkeypatch.setattr(module, "_serve", lambda argv, _: commands.append(argv) or 0)
    assert run(["lab", "--lang", "zh", "--folder", str(tmp_path / "mine")]) == 0
    assert f"--ServerApp.allow_root={root}" in commands[0]
    assert ("root 用户" in capsys.readouterr().err) is root
    assert not [word for word in commands[0] if re.search(r"token|password", word)]


def test_a_course_opens_with_files_lesson_and_contents_and_keeps_what_one_has_moved(tmp_path: Path) -> None:
    pytest.importorskip("jupyterlab_server")
    file = module.arrange(tmp_path)
    assert file is not None
    layout = json.loads(file.read_text(encoding="utf-8"))["data"]["layout-restorer:data"]
    assert layout["right"]["current"] == "@jupyterlab/toc:plugin" and not layout["left"]["collapsed"]
    assert f"--LabApp.workspaces_dir={file.parent}" in command(tmp_path, 8888, browser=False)
    file.write_text(file.read_text(encoding="utf-8").replace("0.25", "0.5"), encoding="utf-8")
    assert module.arrange(tmp_path) is None and "0.5" in file.read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal")
def test_the_server_ends_with_the_command_that_started_it() -> None:
    server = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    code = (
        f"import os, sys; from workbench.cli.lab import _serve; _serve([sys.executable, '-c', {server!r}], os.environ)"
    )
    command_ = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert command_.stdout is not None
    pid = int(command_.stdout.readline())
    command_.terminate()
    command_.wait(60)
    command_.stdout.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
