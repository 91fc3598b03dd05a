"""What a merge leaves as the base has it though the adapter names it, and tokens that the two do not share, are
said."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench.errors import BadInput
from workbench.export import merge, read_note
from workbench.export.lora import WEIGHTS

from .test_merging import SETTINGS


def merged(base: Path, adapter: Path, out: Path) -> list[str]:
    """What is said of the merge."""
    said: list[str] = []
    merge(str(base), adapter, out, notice=said.append)
    return said


def without(adapter: Path, gone: str) -> Path:
    """The adapter without the weights whose names hold ``gone``."""
    from safetensors.torch import load_file, save_file

    kept = {name: tensor for name, tensor in load_file(adapter / WEIGHTS).items() if gone not in name}
    save_file(kept, adapter / WEIGHTS)
    return adapter


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_whole_adapter_leaves_nothing_to_say(
    settings: dict[str, Any], tiny: ModuleType, base: Path, tmp_path: Path
) -> None:
    assert merged(base, tiny.save_adapter(base, tmp_path / "adapter", **settings), tmp_path / "out") == []
    assert "notices" not in read_note(tmp_path / "out")["merge"]


@pytest.mark.parametrize(
    ("settings", "gone", "counts"),
    [
        ({"target_modules": ["q_proj", "v_proj"]}, "layers.1.", "2 of 4"),
        ({"target_modules": ["q_proj", "v_proj"]}, "v_proj", "2 of 4"),
        ({"target_modules": r".*\.(q|k)_proj"}, "layers.0.self_attn.k_proj", "1 of 4"),
    ],
)
def test_layers_without_weights_are_counted(
    settings: dict[str, Any], gone: str, counts: str, tiny: ModuleType, base: Path, tmp_path: Path
) -> None:
    adapter = without(tiny.save_adapter(base, tmp_path / "adapter", **settings), gone)
    (said,) = merged(base, adapter, tmp_path / "out")
    assert counts in said
    assert read_note(tmp_path / "out")["merge"]["notices"] == ["export.notice.missing_layers"]


def tokenizer(folder: Path, tokens: dict[str, int]) -> None:
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": tokens, "merges": []}}))


def test_other_tokens_are_said_and_tokens_without_rows_are_refused(
    tiny: ModuleType, base: Path, tmp_path: Path
) -> None:
    import shutil

    own = shutil.copytree(base, tmp_path / "base")
    adapter = tiny.save_adapter(base, tmp_path / "adapter")
    tokenizer(own, {"a": 0, "b": 1})
    tokenizer(adapter, {"a": 0, "b": 1})
    assert merged(own, adapter, tmp_path / "same") == []
    tokenizer(adapter, {"a": 1, "b": 0, "c": 2})
    (said,) = merged(own, adapter, tmp_path / "other")
    assert "3 tokens" in said
    tokenizer(adapter, {"a": 0, "b": 10**6})
    with pytest.raises(BadInput, match="embeddings for"):
        merged(own, adapter, tmp_path / "none")
