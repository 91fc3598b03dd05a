"""Every lesson runs from top to bottom, in both languages, on the CPU, without anybody there.

The English lessons run each in a folder of its own, as for somebody who opens only that one; the Chinese ones in one
folder, one after the other, as for somebody who goes through all of them and takes the runs of earlier ones along.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

COURSE = Path(__file__).resolve().parents[2] / "course"
NOTEBOOKS = sorted(COURSE.glob("*/[0-9][0-9]-*.ipynb"))


@pytest.fixture(scope="module")
def one_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who goes through the whole course."""
    return tmp_path_factory.mktemp("course")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_lesson_runs_from_top_to_bottom(
    notebook: Path, one_desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipywidgets")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(COURSE.parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("WORKBENCH_LANG", raising=False)
    lesson = nbformat.read(notebook, as_version=4)
    place = one_desk if notebook.parent.name == "zh" else tmp_path
    began = time.monotonic()
    client.NotebookClient(lesson, timeout=300, kernel_name="python3", resources={"metadata": {"path": place}}).execute()
    print(f"{notebook.parent.name}/{notebook.stem}: {time.monotonic() - began:.0f} s")
    said = [output for cell in lesson.cells for output in cell.get("outputs", [])]
    assert not [output for output in said if output.output_type == "error"]
    assert not [output.text for output in said if output.get("name") == "stderr" and "Traceback" in output.text]
    drawn = lesson.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    assert not [one for one in drawn.values() if 'class="wb-error"' in str(one["state"].get("value", ""))]
