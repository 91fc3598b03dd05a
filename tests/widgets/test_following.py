"""``wb.train`` in a cell says how far it is, from its first moment on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import BadInput
from workbench.runs import Run
from workbench.widgets.following import Progress, train


class Handle:
    """What a cell shows, drawing by drawing."""

    def __init__(self) -> None:
        self.pages: list[str] = []

    def update(self, page: Any) -> None:
        self.pages.append(page.data)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Handle:
    handle = Handle()

    def display(page: Any, **_: Any) -> Handle:
        handle.update(page)
        return handle

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("workbench.widgets.following._PAUSE", 0.0)
    monkeypatch.setattr("workbench.widgets.following._SHARE", 0.0)
    return handle


@pytest.mark.parametrize(("lang", "loading", "left"), [("en", "being loaded", "left"), ("zh", "正在载入", "还要")])
def test_a_cell_shows_at_once_that_it_loads_then_step_time_left_and_curves(
    recorded: Callable[..., Run], cell: Handle, lang: str, loading: str, left: str
) -> None:
    progress = Progress("mine", lang)
    assert loading in cell.pages[0]
    events = recorded().events.all()
    half = next(n for n, event in enumerate(events) if event.kind == "train" and event.step == 4)
    for event in events[: half + 1]:
        progress.take(event)
    assert "50" in cell.pages[-1] and left in cell.pages[-1] and '<progress value="4" max="8"' in cell.pages[-1]
    for event in events[half + 1 :]:
        progress.take(event)
    assert "<svg" in cell.pages[-1] and "<progress" not in cell.pages[-1] and left not in cell.pages[-1]


def test_a_training_that_is_refused_before_it_begins_leaves_no_line_that_it_loads(
    cell: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.widgets.following.in_a_notebook", lambda: True)
    with pytest.raises(BadInput):
        train("pocket-qlora", tmp_path / "mine", overrides=["persona.nam=Sprout"])
    assert len(cell.pages) == 2 and cell.pages[0] and cell.pages[1] == ""
