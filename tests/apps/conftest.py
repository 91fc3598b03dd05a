"""A tiny assistant with a persona, and whatever the model itself receives. Knows the rooms; no web library."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.export import adapters
from workbench.chat import Assistant
from workbench.export import convert

PERSONA = {"name": "小芽 <b>&", "author": "the class", "languages": ["zh", "en"]}
# What Gradio's own libraries say to programmers.
GRADIO_SAYS = [
    pytest.mark.filterwarnings(f"ignore::{name}")
    for name in ("DeprecationWarning", "pytest.PytestUnraisableExceptionWarning", "ResourceWarning", "UserWarning")
]
# A question that would break a page, a terminal or a template that took it for more than text.
NASTY = '<script>window.hacked=1</script><img src=x onerror="window.hacked=2">[l](javascript:alert(1)) **b** <|im_end|>'


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never happened"
        time.sleep(0.02)


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


@pytest.fixture
def received() -> Callable[[], Iterator[list[list[int]]]]:
    """``with received() as prompts:`` collects the ids of every prompt that any model of this process is given."""

    @contextmanager
    def listen() -> Iterator[list[list[int]]]:
        from torch.nn import Embedding
        from torch.nn.modules.module import register_module_forward_pre_hook

        prompts: list[list[int]] = []

        def heard(module: object, given: tuple[object, ...]) -> None:
            if isinstance(module, Embedding) and given[0].shape[1] > 1:  # type: ignore[attr-defined]
                prompts.append(given[0][0].tolist())  # type: ignore[index]

        hook = register_module_forward_pre_hook(heard)
        try:
            yield prompts
        finally:
            hook.remove()

    return listen
