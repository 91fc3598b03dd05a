"""A tiny assistant with a persona, and whatever the model itself receives. Knows the rooms; no web library."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.export import adapters
from tests.listening import Prompts, listening
from workbench.chat import Assistant
from workbench.data import limits
from workbench.export import convert

PERSONA = {"name": "小芽 <b>&", "author": "the class", "languages": ["zh", "en"]}
# What Gradio's own libraries say to programmers.
GRADIO_SAYS = [
    pytest.mark.filterwarnings(f"ignore::{name}")
    for name in ("DeprecationWarning", "pytest.PytestUnraisableExceptionWarning", "ResourceWarning", "UserWarning")
]
# A question that would break a page, a terminal or a template that took it for more than text.
NASTY = '<script>window.hacked=1</script><img src=x onerror="window.hacked=2">[l](javascript:alert(1)) **b** <|im_end|>'


@pytest.fixture(scope="module", autouse=True)
def swept() -> Iterator[None]:
    """Event loops that Gradio leaves open are thrown away with the tests that made them. Found in the midst of a later
    test's ``ast.parse``, the warning of them breaks that: CPython before 3.12 counts its depth wrongly then."""
    yield
    gc.collect()
    limits._in_force.clear()  # a page that was started reads within a server's bounds from then on


@pytest.fixture
def rooms(tmp_path: Path) -> Any:
    """The studio's workspaces, with small limits."""
    from apps.studio.workspaces import Limits, Workspaces

    return Workspaces(tmp_path / "root", Limits(upload=10_000, rows=20), "en")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapters.save_base(tmp_path_factory.mktemp("base"), dtype="float32")


@pytest.fixture(scope="session")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = adapters.save_adapter(base, tmp_path_factory.mktemp("raw"), strength=0.3)
    made = convert(raw, tmp_path_factory.mktemp("made") / "adapter")
    note = json.loads((made / "workbench.json").read_text(encoding="utf-8"))
    (made / "workbench.json").write_text(json.dumps(note | {"persona": PERSONA}), encoding="utf-8")
    return made


@pytest.fixture(scope="session")
def assistant(adapter: Path) -> Assistant:
    """The same assistant without any page, for what is expected."""
    return Assistant.load(str(adapter), device="cpu")


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prompts]:
    """``received()`` gives the ids of every prompt that a model beside a page has been given since it was last asked;
    of pages that are started after this fixture."""
    with listening(tmp_path_factory.mktemp("received")) as prompts:
        yield prompts
