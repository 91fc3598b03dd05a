"""The documents for those who carry on name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(path.parent.name for path in (ROOT / "workbench").glob("*/__init__.py"))


def paths(text: str) -> list[str]:
    """Return what stands in backticks and looks like a place in the repository."""
    return [word for word in re.findall(r"`([^` *]+)`", text) if "/" in word or word.endswith(".py")]


@pytest.mark.parametrize("path", sorted(set(paths(ARCHITECTURE))))
def test_every_place_that_the_architecture_names_is_there(path: str) -> None:
    assert (ROOT / path).exists() or (ROOT / "workbench" / path).exists()


@pytest.mark.parametrize("room", ROOMS)
def test_the_architecture_names_every_room(room: str) -> None:
    assert re.search(rf"\b{room}/", ARCHITECTURE)


def test_every_target_of_make_that_contributing_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = {word for line in re.findall(r"^make ([a-z -]+)", contributing, re.M) for word in line.split()}
    assert {"test", "lint", "types"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets)


def test_links_between_the_documents_lead_somewhere() -> None:
    for file in (ROOT / "CONTRIBUTING.md", ROOT / "docs/architecture.md", ROOT / "docs/glossary.md"):
        for target in re.findall(r"\]\((?!http|#)([^)#]+)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), (file.name, target)
