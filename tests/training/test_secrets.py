"""What a person keeps secret stands in nothing that a training writes, and in no process's arguments."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests import tiny as small
from workbench.export import convert, merge
from workbench.runs import Run
from workbench.training import load_recipe, train

SECRETS = {
    "WORKBENCH_PASSWORD": "pass-1f0e9d8c7b6a",
    "HF_TOKEN": "hf_ABCdefGHIjklMNO",
    "OPENAI_API_KEY": "sk-0123456789abcdef",
}


def places_of_secrets(folder: Path) -> list[str]:
    """The files of ``folder`` that hold one of them."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [str(file) for file in files if any(word.encode() in file.read_bytes() for word in SECRETS.values())]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_training_writes_no_secret_and_hands_none_to_a_program(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, word in SECRETS.items():
        monkeypatch.setenv(name, word)
    arguments: list[bytes] = []

    def look(_: object) -> None:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                arguments.append(file.read_bytes())

    more = ["persona.name=Sprout", "identity_count=20", "max_steps=2", "per_device_train_batch_size=4"]
    recipe = load_recipe("pocket-lora", small.overrides(tiny, *more, "identity_probes=2", "learning_rate=1e-2"))
    run = train(recipe, tmp_path / "run", on_event=look)
    assert isinstance(run, Run) and arguments
    convert(run.path, tmp_path / "adapter")
    merge(str(tiny), tmp_path / "adapter", tmp_path / "merged")
    assert places_of_secrets(tmp_path) == []
    assert not any(word.encode() in line for line in arguments for word in SECRETS.values())
    cards = [tmp_path / "adapter" / "README.md", tmp_path / "merged" / "README.md", run.path / "manifest.json"]
    assert not any(str(Path.home()) + "/" in card.read_text(encoding="utf-8") for card in cards)
