"""The studio shows all runs of a workspace on one plot, where there are several, and names no folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recordings import record
from workbench.steps import TrainStep


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_several_runs_are_on_one_plot_and_one_is_not(tmp_path: Path, lang: str) -> None:
    pytest.importorskip("gradio")
    from apps.studio.train_pane import _pictures

    record(tmp_path / "runs" / "first")
    step = TrainStep("pocket-qlora", tmp_path / "runs" / "first")
    assert "wb-gallery-table" not in _pictures(step, lang)[0]
    record(tmp_path / "runs" / "second")
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "recipe.yaml").write_text("optimizer: [")
    curves = _pictures(step, lang)[0]
    assert "wb-gallery-table" in curves and "second" in curves
    assert str(tmp_path) not in curves and "<script" not in curves and "<input" not in curves
