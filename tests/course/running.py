"""A lesson is run from top to bottom on the CPU, without anybody there."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

COURSE = Path(__file__).resolve().parents[2] / "course"


def notebooks(lang: str) -> list[Path]:
    """The lessons of one language, in their order."""
    return sorted(COURSE.glob(f"{lang}/[0-9][0-9]-*.ipynb"))


def run(notebook: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run ``notebook`` in the folder ``place``; an error, a traceback or an error's card fails the test."""
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipywidgets")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(COURSE.parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("WORKBENCH_LANG", raising=False)
    lesson = nbformat.read(notebook, as_version=4)
    began = time.monotonic()
    client.NotebookClient(lesson, timeout=300, kernel_name="python3", resources={"metadata": {"path": place}}).execute()
    print(f"{notebook.parent.name}/{notebook.stem}: {time.monotonic() - began:.0f} s")
    said = [output for cell in lesson.cells for output in cell.get("outputs", [])]
    assert not [output for output in said if output.output_type == "error"]
    assert not [output.text for output in said if output.get("name") == "stderr" and "Traceback" in output.text]
    drawn = lesson.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    assert not [one for one in drawn.values() if 'class="wb-error"' in str(one["state"].get("value", ""))]
