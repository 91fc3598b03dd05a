"""The table of what loads is true, and names every base that a recipe names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workbench.models.architectures import ARCHITECTURES, LLAVA
from workbench.models.internlm import FAMILY
from workbench.models.loading import KNOWN
from workbench.training import load_recipe
from workbench.training.recipe import shipped

Row = tuple[tuple[str, ...], str, bool]


def rows(file: Path) -> list[Row]:
    """(names, architecture, whether it loads) of each line."""
    found: list[Row] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[0].startswith("`"):
            names = tuple(re.findall(r"`([^`]+)`", cells[0]))
            found.append((names, cells[1].strip("`"), cells[2] in ("yes", "是")))
    return found


@pytest.fixture(scope="module")
def table(root: Path) -> list[Row]:
    return rows(root / "docs" / "models.md")


def test_both_languages_say_the_same(root: Path, table: list[Row]) -> None:
    assert len(table) > 15 and rows(root / "docs" / "models.zh-CN.md") == table


def test_every_base_of_a_recipe_loads_by_the_table(table: list[Row]) -> None:
    loads = {name for names, _, ok in table if ok for name in names}
    assert {load_recipe(name).model.name for name in shipped()} <= loads
    assert set(KNOWN) <= loads


# Architectures that younger versions of the library alone know; an older one's user is told so when loading.
YOUNGER = {"internlm3": (5, 23)}


def too_old(architecture: str) -> bool:
    """Whether the installed library does not know an architecture yet."""
    import transformers

    installed = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    return installed < YOUNGER.get(architecture, (0, 0))


def test_what_loads_is_known_without_code_of_the_models_own(table: list[Row]) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as KNOWN_TO_THE_LIBRARY

    for names, architecture, ok in table:
        known = architecture in FAMILY or architecture in ARCHITECTURES or architecture in KNOWN_TO_THE_LIBRARY
        assert ok == known or (ok and too_old(architecture)), names


def test_every_architecture_that_sees_by_itself_is_in_the_table(table: list[Row]) -> None:
    assert set(ARCHITECTURES) - {LLAVA} <= {architecture for _, architecture, ok in table if ok}


def test_one_of_each_architecture_makes_a_model(table: list[Row]) -> None:
    from transformers import AutoConfig

    for _, architecture, ok in table:
        if ok and architecture not in FAMILY and not too_old(architecture):
            assert AutoConfig.for_model(architecture).model_type == architecture


@pytest.mark.parametrize("name", ["models.md", "models.zh-CN.md"])
def test_the_numbers_of_pictures_are_those_in_force(root: Path, name: str) -> None:
    from workbench.chat.shown import SIDE
    from workbench.models.eyes_grid import VISITORS, GridEyes
    from workbench.models.eyes_tiled import TiledEyes
    from workbench.serve.protocol import LARGEST, MOST_PICTURES

    words = (root / "docs" / name).read_text(encoding="utf-8")
    for number, unit in ((LARGEST >> 20, "MB"), (MOST_PICTURES, ""), (SIDE, ""), (VISITORS, "")):
        assert re.search(rf"(?<!\d){number} ?{unit}", words), (number, unit)
    whole = {"shortest_edge": 56 * 56, "longest_edge": 12_845_056}
    grid = GridEyes({"patch_size": 14, "merge_size": 2, "size": whole}, image_token=0, frame=(0, 0))
    rows, columns = grid.grid(1000, 1000)
    assert round(rows * columns / 4, -2) == 1300 and re.search(r"1 ?300", words)
    split = {"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}, "do_image_splitting": True}
    tiled = TiledEyes({**split, "do_resize": True}, image_token=0, patches=64, side=512)
    rows, columns = tiled.tiles(1000, 1000)
    assert rows * columns + 1 == 17 and "17" in words
