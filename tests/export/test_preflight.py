"""The pre-flight of each host, from the bundle alone: a clone, an environment of its own, offline, a question."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from workbench.errors import Failed
from workbench.export.bundle import Order, bundle
from workbench.export.preflight import preflight

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("git-lfs"), reason="a bundle is a git repository with git-lfs"),
    pytest.mark.skipif(
        find_spec("gradio") is None or find_spec("streamlit") is None, reason="needs the apps' libraries"
    ),
]


@pytest.mark.parametrize(
    ("target", "interface"),
    [("openxlab", "gradio"), ("modelscope", "gradio"), ("huggingface", "gradio"), ("docker", "gradio"),
     ("modelscope", "streamlit"), ("docker", "streamlit")],
)  # fmt: skip
def test_the_bundle_alone_answers(target: str, interface: str, tmp_path: Path) -> None:
    folder = bundle(Order(target, "pocket", interface), tmp_path / "b")  # type: ignore[arg-type]
    found = preflight(folder, "What is the capital of France?", reuse=True)
    assert "Paris" in found.answer


def test_what_was_not_committed_is_found_missing(tmp_path: Path) -> None:
    folder = bundle(Order("docker", "pocket"), tmp_path / "b")
    objects = next((folder / ".git" / "lfs" / "objects").glob("*/*/*"))
    objects.unlink()
    with pytest.raises(Failed):
        preflight(folder, "hi", reuse=True)


def test_a_bundle_that_cannot_start_says_why(tmp_path: Path) -> None:
    folder = bundle(Order("docker", "pocket"), tmp_path / "b")
    from workbench.export.bundle_git import git

    config = folder / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "no-such-type"}))
    git(folder, "commit", "--all", "--quiet", "--message", "broken", named=True)
    with pytest.raises(Failed, match="ask"):
        preflight(folder, "hi", reuse=True)
