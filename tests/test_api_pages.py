"""The pages of the public names hold every one of them, and are made without importing the rooms."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from html import escape
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("api", ROOT / "docs/api.py")
assert SPEC is not None and SPEC.loader is not None
api = sys.modules["api"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(api)


class Words(HTMLParser):
    """All that a reader sees of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.mark.parametrize("room", api.ROOMS)
def test_every_public_name_of_a_room_stands_there_with_the_first_line_of_its_docstring(room: str) -> None:
    if room in ("workbench", "workbench.widgets"):
        pytest.importorskip("ipywidgets")  # without it their panels are named, and not made
    module = import_module(room)
    names = [name for name in getattr(module, "__all__", []) if not name.startswith("__")]
    assert sorted(api.public_names(room)) == sorted(names)
    html = api.room_html(room)
    text = Words(html).text
    for name in names:
        assert f'id="{name}"' in html
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            line = re.sub(r":\w+:`|`", "", (inspect.getdoc(value) or "").splitlines()[0])
            assert line and " ".join(line.split()) in text, name


def test_an_object_is_shown_with_how_it_is_made_and_what_it_can_do() -> None:
    html = api.room_html("workbench.data")
    assert escape("class Message(role: ") in html and "Conversation" in html
    assert "<b>Args:</b>" in html and "<b>Raises:</b>" in html


def test_a_docstring_is_shown_as_text() -> None:
    html = api.doc_html("Return ``a<b>``.\n\nArgs:\n    x: a :class:`Run`,\n        long.\n    y: b.")
    assert html == (
        "<p>Return <code>a&lt;b&gt;</code>.</p><p><b>Args:</b></p>"
        "<ul><li>x: a <code>Run</code>, long.</li><li>y: b.</li></ul>"
    )


def test_the_pages_are_made_without_torch_and_lead_to_each_other(tmp_path: Path) -> None:
    code = "import runpy, sys; runpy.run_path('docs/api.py', run_name='__main__'); assert 'torch' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv = ['api', {str(tmp_path)!r}]; {code}"], cwd=ROOT, check=True
    )
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    for page in tmp_path.glob("workbench*.html"):
        assert f'href="{page.name}"' in index
        assert str(ROOT) not in page.read_text(encoding="utf-8")
