"""Whether a model takes pictures is told by its name and its folder alone: nothing is loaded or fetched for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.chat.loading import Serving
from workbench.chat.serving import may_see, takes_pictures
from workbench.chat.shown import SIDE, side_for
from workbench.models.architectures import ARCHITECTURES
from workbench.models.glance import place_of, sees


def folder_of(kind: str, folder: Path, **more: object) -> Path:
    """A folder that says what it is, and holds no weights."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind, **more}), encoding="utf-8")
    return folder


def adapter_on(base: str, folder: Path) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}), encoding="utf-8")
    return folder


def cached(name: str, kind: str, home: Path) -> None:
    """The files of a hub id, as the hub's own library keeps them."""
    repository = home / f"models--{name.replace('/', '--')}"
    folder_of(kind, repository / "snapshots" / "0123")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123", encoding="utf-8")


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_folder_of_each_kind_that_sees(kind: str, tmp_path: Path) -> None:
    model = folder_of(kind, tmp_path / "m")
    assert sees(str(model)) and takes_pictures(str(model)) and place_of(str(model)) == model


def test_an_adapter_sees_as_its_base_does(tmp_path: Path) -> None:
    base, text = folder_of("smolvlm", tmp_path / "base"), folder_of("llama", tmp_path / "text")
    adapter = adapter_on(str(base), tmp_path / "a")
    assert sees(str(adapter)) and may_see(Serving(str(adapter))) and place_of(str(adapter)) == base
    assert may_see(Serving(str(base), adapter=str(adapter)))
    assert not may_see(Serving(str(adapter_on(str(text), tmp_path / "b"))))
    assert sees(str(adapter_on("pocket+sight", tmp_path / "c")))
    for number, nothing in enumerate(("", str(adapter), "no such", "pocket")):  # an adapter on an adapter is none
        assert sees(str(adapter_on(nothing, tmp_path / f"d{number}"))) is False


def test_a_kind_that_is_not_seen_with_here_is_offered_no_box(tmp_path: Path) -> None:
    """Its language model answers; a picture would be refused."""
    assert not takes_pictures(str(folder_of("gemma3", tmp_path / "m", vision_config={"hidden_size": 8})))


def test_a_hub_id_is_told_by_the_files_that_are_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cached("owner/eyes", "smolvlm", tmp_path)
    cached("owner/text", "llama", tmp_path)
    assert [sees(name) for name in ("owner/eyes", "owner/text", "owner/elsewhere")] == [True, False, None]
    # one that is not here yet may see: its page takes the box away once it is loaded and does not
    assert [takes_pictures(name) for name in ("owner/eyes", "owner/text", "owner/elsewhere")] == [True, False, True]


def test_names_of_ours_are_those_of_language_models() -> None:
    assert [sees(name) for name in ("pocket", "smollm2", "no such name", "pocket+sight")] == [False, False, False, True]


def test_a_broken_folder_sees_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "adapter_config.json").write_text("{", encoding="utf-8")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("[[", encoding="utf-8")
    assert sees(str(tmp_path / "a")) is False and sees(str(tmp_path / "m")) is False
    assert side_for([str(tmp_path / "a"), str(tmp_path / "m"), "owner/elsewhere", "no such"]) == SIDE
