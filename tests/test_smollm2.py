"""The real model of the slow tests is found where it is named, whatever lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.gguf_files import write
from tests.smollm2 import find

pytest.importorskip("gguf")


def test_a_gguf_file_or_its_folder_becomes_a_model_and_a_model_is_taken_as_it_is(
    tiny: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.models import load

    file = write(tiny, tmp_path / "model.Q8_0.gguf", kind="Q8_0")
    for named in (file, tmp_path):
        monkeypatch.setenv("WORKBENCH_SMOLLM2", str(named))
        folder = find(tmp_path_factory)
        assert folder and load(str(folder), device="cpu").tokenizer.eos_token
    monkeypatch.setenv("WORKBENCH_SMOLLM2", str(tiny))
    assert find(tmp_path_factory) == tiny


def test_where_nothing_lies_nothing_is_found(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for named in (tmp_path, tmp_path / "none.gguf", tmp_path / "none"):
        monkeypatch.setenv("WORKBENCH_SMOLLM2", str(named))
        assert find(tmp_path_factory) is None
