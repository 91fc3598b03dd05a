"""A tiny model and an adapter that changes its answers, for the chat tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from workbench.chat import Assistant
from workbench.export import convert


@pytest.fixture(scope="session")
def making() -> ModuleType:
    file = Path(__file__).parents[1] / "export" / "adapters.py"
    spec = importlib.util.spec_from_file_location("adapters", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
