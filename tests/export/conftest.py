"""Tiny models for the export tests, made once a session."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    file = Path(__file__).with_name("adapters.py")
    spec = importlib.util.spec_from_file_location("tiny", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def base(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def adapter(tiny: ModuleType, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_adapter(base, tmp_path_factory.mktemp("adapter"))
