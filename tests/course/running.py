"""A lesson is run from top to bottom on the CPU, without anybody there, with the claims that its source makes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import ModuleType

import pytest

from workbench.runs import Run, stop

PATIENCE = 1200  # seconds for a cell; a busy machine is slow
COURSE = Path(__file__).resolve().parents[2] / "course"


def lessons(lang: str) -> list[Path]:
    """The sources of one language, in their order."""
    return sorted(COURSE.glob(f"{lang}/[0-9][0-9]-*.md"))


def run(source: Path, build: ModuleType, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the notebook of ``source``, and its claims, in the folder ``place``; an error, a traceback or an error's card
    fails the test, and so does a claim that is not true."""
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipywidgets")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(COURSE.parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("WORKBENCH_LANG", raising=False)
    lesson = nbformat.reads(json.dumps(build.notebook(source, claims=True)), as_version=4)
    # a training that a failed lesson leaves behind would hold the device of the next one's line
    monkeypatch.setenv("WORKBENCH_LINE", str(place / "line"))
    began = time.monotonic()
    try:
        client.NotebookClient(
            lesson, timeout=PATIENCE, kernel_name="python3", resources={"metadata": {"path": place}}
        ).execute()
    finally:
        for events in place.rglob("events.jsonl"):
            stop(Run(events.parent), 60, kill=True)
    print(f"{source.parent.name}/{source.stem}: {time.monotonic() - began:.0f} s")
    said = [output for cell in lesson.cells for output in cell.get("outputs", [])]
    assert not [output for output in said if output.output_type == "error"]
    assert not [output.text for output in said if output.get("name") == "stderr" and "Traceback" in output.text]
    drawn = lesson.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    assert not [one for one in drawn.values() if 'class="wb-error"' in str(one["state"].get("value", ""))]
