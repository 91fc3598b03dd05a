"""What a page is started with: one reading of the command line, for every front end and for the bundles."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from workbench.chat.loading import Serving
from workbench.chat.serving import command_line, serving
from workbench.cli import run
from workbench.texts import text

EVERYTHING = Serving("m", "a", "nf4", "qwen", "cpu", "b", "http://x/v1", "calculator", "0.0.0.0", 80, "zh")


@pytest.mark.parametrize("settings", [Serving("pocket"), Serving("-odd", port=0), Serving(endpoint="u"), EVERYTHING])
def test_what_is_served_survives_its_command_line(settings: Serving) -> None:
    assert serving(command_line(settings), "page") == settings


def test_options_are_read_in_any_order() -> None:
    assert serving(["--tools", "calculator", "pocket", "--lang=en"], "x") == Serving(
        "pocket", tools="calculator", lang="en"
    )


def test_without_words_it_is_the_command_line_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["page.py", "pocket", "--device", "cpu"])
    assert serving(None, "x") == Serving("pocket", device="cpu")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], text("web.options.needed")),
        (["pocket", "--lang", "fr"], "'fr'"),
        (["pocket", "--adap", "x"], "--adapter"),
        (["pocket", "other"], "other"),
        (["pocket", "--port", "high"], "'high'"),
    ],
)
def test_what_is_wrong_is_said_with_status_2(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        serving(words, "assistant_gradio")
    assert end.value.code == 2 and sentence in capsys.readouterr().err


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        serving(["--help"], "assistant_gradio")
    shown = capsys.readouterr().out
    assert end.value.code == 0 and shown.startswith("Usage: assistant_gradio")
    assert all(f"--{name}" in shown for name in Serving.__dataclass_fields__ if name != "model")


@pytest.mark.parametrize("web", ["gradio", "streamlit"])
def test_the_chat_command_serves_what_it_was_told(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[object] = []
    page = SimpleNamespace(main=served.append)
    monkeypatch.setattr(
        "workbench.cli.studio.app", lambda name, library: {f"assistant_{web}/{web}": page}[f"{name}/{library}"]
    )
    assert (
        run(["chat", "pocket", "--web", web, "--adapter", "a", "--bits", "4", "--tools", "calculator", "--port", "80"])
        == 0
    )
    assert served == [Serving("pocket", "a", "nf4", tools="calculator", port=80)]


def test_before_a_pages_libraries_load_something_is_said() -> None:
    """They take seconds, on a busy machine a minute, in which a person would see nothing."""
    code = """
import sys

class Watched:
    def find_spec(self, name, path=None, target=None):
        if name in ("gradio", "apps.studio.app"):
            print("loads", name, file=sys.stderr)

from workbench.cli.studio import app
sys.meta_path.insert(0, Watched())
app("studio", "json").__name__
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[:2] == [text("web.page.coming"), "loads apps.studio.app"]
