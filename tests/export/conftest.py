"""Tiny models for the export tests, made once a session."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    from tests.export import adapters

    return adapters


@pytest.fixture(scope="session")
def base(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def adapter(tiny: ModuleType, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_adapter(base, tmp_path_factory.mktemp("adapter"))
