"""What a hostile upload costs the studio: a bounded memory, and no click of another visitor."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio")
pytest.importorskip("psutil")

from tests.apps.test_network import free_port

SPEC = spec_from_file_location("uploads", Path(__file__).parents[2] / "benchmarks" / "uploads.py")
assert SPEC is not None and SPEC.loader is not None
uploads: Any = module_from_spec(SPEC)
SPEC.loader.exec_module(uploads)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
HOSTILE = [
    "a list in a list, a million deep",
    "one text of thirty megabytes",
    "a row of a million fields",
    "a quote that never ends",
    "Parquet, a text a hundred thousand times",
    "an archive of a gigabyte",
    "a page that never ends",
]
PICTURES = [
    "a picture of 25 million pixels", "the same picture in ten rows", "a picture whose EXIF stands for gigabytes",
]  # fmt: skip
LOOK = ("hi", "ho", "chat_template", "assistant", "", "keep")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any, Any]]:
    """The studio's process, a guest who uploads, and another visitor."""
    port = free_port()
    with uploads.studio(port, tmp_path_factory.mktemp("studio") / "root") as server:
        visitors = [uploads.Visitor(port, name) for name in ("guest", "other")]
        for visitor in visitors:
            assert "wb-tok" in visitor.fire("look", "click", *LOOK)
        assert "wb-error" not in visitors[0].upload(uploads.FILES["a small good file"]())
        yield server, visitors[0], visitors[1]


@pytest.mark.parametrize(
    ("name", "told"),
    [*((name, ("status 413", "wb-error")) for name in HOSTILE), *((name, ("What is it?",)) for name in PICTURES)],
)
def test_an_upload_takes_a_bounded_memory_and_holds_up_nobody(
    name: str, told: tuple[str, ...], house: tuple[Any, Any, Any]
) -> None:
    """What is hostile is refused, a large picture is read and shown."""
    server, guest, other = house
    content, before = uploads.FILES[name](), uploads.resident(server.pid)
    with uploads.Watch(server.pid, other) as watch:
        answer = guest.upload(content)
    assert watch.memory - before < 300_000_000
    assert any(words in answer for words in told)
    assert "wb-tok" in other.fire("look", "click", *LOOK)  # nobody waits for it, and nothing of it stays
