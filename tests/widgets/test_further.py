"""One more step of the way gets its panel: the file of its name, and the way's own title for it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ipywidgets")

from workbench.steps import ChatStep
from workbench.steps.step import Further
from workbench.widgets.chat import ChatPanel
from workbench.widgets.whole import Workbench


def test_one_more_step_is_opened_like_the_five(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Further("again", "train", lambda project: ChatStep(project.train.run, lang=project.lang))
    monkeypatch.setattr("workbench.steps.project._further", lambda: (step,))
    monkeypatch.setitem(sys.modules, "workbench.widgets.again", SimpleNamespace(PANEL=ChatPanel))  # type: ignore[arg-type]
    say: Any = lambda key, lang: f"{key} {lang}"  # noqa: E731
    monkeypatch.setattr("workbench.widgets.whole.text", say)
    whole = Workbench(tmp_path / "mine", lang="en")
    assert whole._choice.options[3] == ("4 widgets.way.again en", "again")
    panel = whole.open("again")
    assert panel.step is whole.project.steps["again"] is not whole.project.chat
    whole.speak("zh")
    assert panel.lang == "zh" and whole._choice.value == "again"
