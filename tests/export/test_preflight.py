"""The pre-flight of each host, from the bundle alone: a clone, an environment of its own, offline, a question.

Every day one of the two pages for each host; with ALL=1 both for each.
"""

from __future__ import annotations

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from workbench.cli import run
from workbench.errors import Failed
from workbench.export.bundle import Order, bundle
from workbench.export.bundle_files import TARGETS
from workbench.export.bundle_git import git
from workbench.export.preflight import preflight

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("git-lfs"), reason="a bundle is a git repository with git-lfs"),
    pytest.mark.skipif(
        find_spec("gradio") is None or find_spec("streamlit") is None, reason="needs the apps' libraries"
    ),
]
DAILY = {("openxlab", "streamlit"), ("modelscope", "gradio"), ("huggingface", "gradio"), ("docker", "streamlit")}
PAIRS = [
    pair
    for target in TARGETS
    for pair in ((target, "gradio"), (target, "streamlit"))
    if os.environ.get("ALL") or pair in DAILY
]


@pytest.mark.parametrize(("target", "interface"), PAIRS)
def test_the_bundle_alone_answers(target: str, interface: str, tmp_path: Path) -> None:
    folder = bundle(Order(target, "pocket", interface), tmp_path / "b")  # type: ignore[arg-type]
    stages: list[str] = []
    found = preflight(folder, "What is the capital of France?", reuse=True, tell=stages.append)
    assert "Paris" in found.answer
    assert stages == ["clone", "install", "start", "ask"]


def broken(folder: Path) -> Path:
    """The bundle with its last change committed."""
    git(folder, "commit", "--all", "--quiet", "--message", "broken", named=True)
    return folder


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return bundle(Order("docker", "pocket"), tmp_path / "b")


def test_what_was_not_committed_is_found_missing(made: Path) -> None:
    next((made / ".git" / "lfs" / "objects").glob("*/*/*")).unlink()
    with pytest.raises(Failed, match="git clone"):
        preflight(made, "hi", reuse=True)


def test_a_page_that_does_not_start_is_told_with_its_last_words(made: Path) -> None:
    (made / "assistant" / "page.py").unlink()
    with pytest.raises(Failed, match=r"at start: (.|\n)*assistant\.page"):
        preflight(broken(made), "hi", reuse=True)


def test_a_model_that_does_not_load_is_told(made: Path) -> None:
    config = made / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "no-such-type"}))
    with pytest.raises(Failed, match=r"at ask: (.|\n)*no-such-type"):
        preflight(broken(made), "hi", reuse=True)


def test_libraries_that_cannot_be_installed_are_told_and_nothing_is_pushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """pip itself, in a fresh environment, with no place to take anything from."""
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_CONFIG_FILE", os.devnull), ("PIP_FIND_LINKS", str(tmp_path))):
        monkeypatch.setenv(name, value)
    assert run(["deploy", "docker", "pocket", str(tmp_path / "b"), "--check", "--push", str(remote)]) == 1
    told = capsys.readouterr()
    assert "at install" in told.err and "No matching distribution" in told.err and not told.out
    assert git(remote, "for-each-ref") == ""
