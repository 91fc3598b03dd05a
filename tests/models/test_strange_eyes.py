"""What a stranger's folder may say of its pictures: sizes that no memory holds and what is no number are one sentence,
before a library has believed it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import strangers
from tests.seeing import SIDE, make_tower
from tests.strangers import MODELS, broken, edit, put
from workbench.cli import run
from workbench.errors import BadInput
from workbench.models.eyes import Eyes
from workbench.models.seeing import check_tower

IMAGES = "preprocessor_config.json"
GOOD: dict[str, Any] = {
    "do_pad": True, "do_resize": True, "do_center_crop": True, "do_rescale": True, "do_normalize": True,
    "do_convert_rgb": True, "size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE},
    "resample": 3, "rescale_factor": 1 / 255, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.3, 0.3, 0.3],
}  # fmt: skip
ODD: list[dict[str, Any]] = [
    {"size": {"shortest_edge": 100_000}}, {"size": 10**9}, {"size": {"height": 100_000, "width": 100_000}},
    {"crop_size": {"height": 100_000, "width": 1}}, {"size": -1}, {"size": 0}, {"size": {"shortest_edge": 0}},
    {"size": "large"}, {"size": {"shortest_edge": "x"}}, {"size": [24, 24]}, {"size": {}}, {"size": {"depth": 4}},
    {"size": True}, {"size": 24.5}, {"crop_size": {"height": -5, "width": 7}}, {"image_mean": "x"},
    {"image_mean": [0.5]}, {"image_mean": [[1], 2, 3]}, {"image_mean": [True, 1, 1]}, {"image_std": [0.3, 0.3, 0]},
    {"image_std": [float("nan")] * 3}, {"image_mean": [float("inf")] * 3}, {"resample": 99}, {"resample": "x"},
    {"rescale_factor": "x"}, {"rescale_factor": float("inf")}, {"do_resize": "maybe"}, {"do_pad": [1]},
]  # fmt: skip
NUMBERS: list[dict[str, Any]] = [
    {"patch_size": 0}, {"patch_size": -8}, {"patch_size": "x"}, {"patch_size": None}, {"patch_size": True},
    {"image_size": "big"}, {"image_size": [24, 24]}, {"image_size": 0}, {"image_size": 24.0},
]  # fmt: skip
VAST: list[dict[str, Any]] = [
    {"image_size": 100_000}, {"patch_size": 10**9}, {"num_channels": 10**9}, {"hidden_size": 10**12},
    {"num_hidden_layers": 10**7},
]  # fmt: skip


def seeing(folder: Path, images: object = GOOD, vision: object = None, **config: Any) -> Path:
    """A LLaVA folder as far as its eyes are looked at."""
    vision = {"image_size": SIDE, "patch_size": 8} if vision is None else vision
    described = {"model_type": "llava", "vision_config": vision, "image_token_index": 5} | config
    (folder / "config.json").write_text(json.dumps(described), encoding="utf-8")
    (folder / IMAGES).write_text(json.dumps(images), encoding="utf-8")
    return folder


def test_a_good_folder_has_eyes(tmp_path: Path) -> None:
    eyes = Eyes.of(seeing(tmp_path))
    assert eyes and eyes.patches == 9 and eyes._processed(Image.new("RGB", (70, 40))).shape == (3, SIDE, SIDE)


@pytest.mark.parametrize("change", ODD, ids=str)
@pytest.mark.parametrize("nested", [False, True])
def test_a_setting_that_makes_no_picture_is_named(change: dict[str, Any], nested: bool, tmp_path: Path) -> None:
    settings = GOOD | change
    with pytest.raises(BadInput, match=next(iter(change))) as error:
        Eyes.of(seeing(tmp_path, {"image_processor": settings} if nested else settings))
    assert IMAGES in str(error.value) and len(str(error.value)) < 600


@pytest.mark.parametrize("change", NUMBERS, ids=str)
def test_a_number_of_the_tower_that_is_none_is_named(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=next(iter(change))):
        Eyes.of(seeing(tmp_path, vision={"image_size": SIDE, "patch_size": 8} | change))


@pytest.mark.parametrize("token", ["x", None, -1, 1.5, [1], True])
def test_a_placeholder_that_is_no_token_is_named(token: Any, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="image_token_index"):
        Eyes.of(seeing(tmp_path, image_token_index=token))


@pytest.mark.parametrize("given", [-99, 25, "x", None, 1.5, [-2, 99], True])
def test_a_layer_that_the_tower_has_not_is_named(given: Any, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="vision_feature_layer"):
        Eyes.of(seeing(tmp_path, vision_feature_layer=given))


@pytest.mark.parametrize(
    "change",
    [{"size": {"shortest_edge": 48}, "crop_size": 48}, {"do_resize": False, "do_pad": False, "do_center_crop": False}],
    ids=str,
)  # fmt: skip
def test_numbers_of_another_size_than_the_towers_are_told(change: dict[str, Any], tmp_path: Path) -> None:
    eyes = Eyes.of(seeing(tmp_path, GOOD | change))
    with pytest.raises(BadInput, match="the tower takes"):
        eyes._processed(Image.new("RGB", (70, 40)))  # type: ignore[union-attr]


def test_a_placeholder_beyond_the_vocabulary_is_told(tmp_path: Path) -> None:
    from torch import nn

    class Network(nn.Module):
        def get_input_embeddings(self) -> nn.Module:
            return nn.Embedding(10, 2)

    eyes = Eyes.of(seeing(tmp_path, image_token_index=10))
    with pytest.raises(BadInput, match="image_token_index"):
        eyes.fitting(Network())  # type: ignore[union-attr]
    eyes.image_token = 9  # type: ignore[union-attr]
    eyes.fitting(Network())  # type: ignore[union-attr]


def test_code_that_a_processor_names_is_not_looked_for(tmp_path: Path) -> None:
    code = {"auto_map": {"AutoImageProcessor": "evil.py--E"}, "image_processor_type": "Evil"}
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')", encoding="utf-8")
    eyes = Eyes.of(seeing(tmp_path, GOOD | code))
    assert eyes and not set(code) & set(eyes.settings)
    assert eyes._processed(Image.new("RGB", (9, 9))).shape == (3, SIDE, SIDE)


def test_a_picture_that_would_become_endless_is_refused(tmp_path: Path) -> None:
    """The shorter side made 2000 pixels long, the longer one of this picture would have a million."""
    eyes = Eyes.of(seeing(tmp_path, GOOD | {"do_pad": False, "do_center_crop": False, "size": {"shortest_edge": 2000}}))
    with pytest.raises(BadInput, match="5000 x 10"):
        eyes._processed(Image.new("RGB", (5000, 10)))  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tower(tmp_path_factory.mktemp("tower"))


TOWERS = {name: MODELS[name] for name in (
    "cut weights", "empty weights", "zero weights", "header of terabytes", "a git-lfs pointer",
    "pickled weights under the name", "an index to a file elsewhere", "an index to a pickled file",
    "an index without a map", "a broken configuration", "a configuration of brackets", "a list as configuration",
    "a million layers", "a distributed checkpoint", "no configuration",
)}  # fmt: skip
TOWERS |= {str(change): edit("config.json", **change) for change in [*NUMBERS, *VAST]}
TOWERS |= {str(change): edit(IMAGES, **change) for change in ODD[:6]}
TOWERS |= {
    "a vision part of text": edit("config.json", model_type="clip", vision_config="x"),
    "a device": strangers.linked(IMAGES, "/dev/zero"),
    "a pipe": strangers.piped("config.json"),
    "settings of brackets": put(IMAGES, '{"a":' * 200_000),
    "a list as settings": put(IMAGES, "[]"),
    "a link out of the folder": strangers.linked(IMAGES, "/etc/passwd"),
    "weights that are a pipe": strangers.piped(strangers.WEIGHTS),
}


@pytest.mark.parametrize("fault", [*TOWERS])
def test_a_tower_with_a_fault_is_one_sentence(fault: str, tower: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        check_tower(broken(tower, tmp_path / "tower", TOWERS[fault]))


def test_a_whole_tower_passes(tower: Path) -> None:
    assert check_tower(tower) == tower


@pytest.mark.parametrize(
    "change", [{"hidden_act": "evil"}, {"num_attention_heads": 7}, {"layer_norm_eps": "x"}, {"intermediate_size": 99}],
    ids=str,
)  # fmt: skip
def test_what_only_loading_shows_is_one_sentence_too(
    change: dict[str, Any], tower: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    stranger = broken(tower, tmp_path / "tower", edit("config.json", **change))
    assert run(["chat", f"pocket+{stranger}", "--question", "hi", "--max-new-tokens", "2"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said and 1 <= said.count("workbench: ") <= 2, said
