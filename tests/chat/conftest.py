"""A tiny model and an adapter that changes its answers, for the chat tests."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from workbench.chat import Assistant
from workbench.export import convert


@pytest.fixture(scope="session")
def making() -> ModuleType:
    from tests.export import adapters

    return adapters


@pytest.fixture(scope="session")
def base(making: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return making.save_base(tmp_path_factory.mktemp("base"), dtype="float32")


@pytest.fixture(scope="session")
def adapter(making: ModuleType, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = making.save_adapter(base, tmp_path_factory.mktemp("raw"), strength=0.3)
    return convert(raw, tmp_path_factory.mktemp("made") / "adapter")


@pytest.fixture(scope="session")
def assistant(base: Path, adapter: Path) -> Assistant:
    return Assistant.load(str(base), adapter, device="cpu")
