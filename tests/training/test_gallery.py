"""Runs become a gallery: what differs, what is left out and why, and a shared file read again within bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.recordings import record
from workbench.errors import BadData, BadInput, UnknownName
from workbench.render.gallery import gallery_page
from workbench.runs.gallery import Gallery
from workbench.runs.remarks import remark
from workbench.training.gallery import gallery


@pytest.fixture(autouse=True)
def stands_beside_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    record(tmp_path / "runs" / "first")
    second = record(tmp_path / "runs" / "second")
    recipe = "persona: {name: 小芽}\noptimizer: {learning_rate: 0.005}\ndata: {train: /srv/li/secret/rows.jsonl}\n"
    (second.path / "recipe.yaml").write_text(recipe, encoding="utf-8")
    remark(second.path, "too high", star=True)
    return tmp_path


def test_without_names_all_runs_are_there_with_what_differs(two: Path) -> None:
    differing = gallery().differing()
    assert differing["optimizer.learning_rate"] == ("0.001", "0.005")
    assert set(differing) == {"optimizer.learning_rate", "persona.name", "data.train"}


def test_of_a_path_only_its_last_part_is_told(two: Path) -> None:
    assert gallery(["second"]).exhibits[0].settings["data.train"] == "rows.jsonl"


def test_a_run_is_judged_at_its_best_step_else_at_its_last_look(two: Path) -> None:
    exhibit = gallery(["first"]).exhibits[0]
    assert (exhibit.step, exhibit.verdict, exhibit.scores()["held_out"]) == (8, "overfitting", 2.4)


def test_a_run_named_twice_is_there_once_and_two_of_a_name_get_a_number(two: Path) -> None:
    record(two / "elsewhere" / "first")
    shown = gallery(["first", "runs/first", "runs", "elsewhere/first"]).exhibits
    assert [exhibit.name for exhibit in shown] == ["first", "second", "first (2)"]


def test_what_cannot_be_shown_is_named(two: Path) -> None:
    (two / "runs" / "empty").mkdir()
    (two / "runs" / "empty" / "recipe.yaml").write_text("persona: {name: A}\n")
    broken = record(two / "runs" / "broken")
    (broken.path / "recipe.yaml").write_text("optimizer: [")
    seen = gallery()
    assert len(seen.exhibits) == 2 and len(seen.unread) == 2
    assert any("empty" in sentence for sentence in seen.unread)
    assert any("broken" in sentence for sentence in seen.unread)


def test_nothing_to_show_and_unknown_names_are_refused(two: Path, tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(UnknownName, match="first"):
        gallery(["frist"])
    (tmp_path / "nothing").mkdir()
    monkeypatch.chdir(tmp_path / "nothing")
    with pytest.raises(BadInput):
        gallery()


def test_a_shared_page_and_its_json_are_read_again_as_they_were(two: Path) -> None:
    seen = gallery()
    (two / "a.html").write_text(gallery_page(seen, lang="zh"), encoding="utf-8")
    (two / "b.json").write_text(json.dumps(seen.as_json()), encoding="utf-8")
    for name in ("a.html", "b.json"):
        exhibits = gallery([name]).exhibits
        assert [(e.recording.series, e.settings, e.remarks) for e in exhibits] == [
            (e.recording.series, e.settings, e.remarks) for e in seen.exhibits
        ]


def test_what_is_given_away_has_neither_notes_nor_stars(two: Path) -> None:
    page = gallery_page(gallery().without_remarks(), lang="en")
    assert "too high" not in page and '"star": true' not in page and "secret" not in page


SHARED: dict[str, Any] = {
    "format": "workbench gallery",
    "version": 1,
    "runs": [{"recording": {"name": "x", "series": {"train": [[1, 2.0]]}, "answered": [], "verdicts": {}}}],
}


def test_the_least_that_a_shared_file_may_say(two: Path) -> None:
    (two / "least.json").write_text(json.dumps(SHARED))
    assert gallery(["least.json"]).exhibits[0].recording.series["train"] == ((1, 2.0),)


@pytest.mark.parametrize(
    "recording",
    [
        {},
        {"name": "x", "series": {"train": [[1]]}},
        {"name": "x", "series": {"train": [[1, None]]}},
        {"name": "x", "series": {"train": [[-1, 1.0]]}},
        {"name": "x", "series": {"train": [[2, 1.0], [1, 1.0]]}},
        {"name": "x", "series": {"train": [[1, 1e999]]}},
        {"name": "x", "series": {"train": [[10**12, 1.0]]}},
        {"name": "x" * 5_000, "series": {}},
        {"name": "x", "series": {}, "verdicts": {"a": "good"}},
        {"name": "x", "series": {}, "answered": [{"question": 3}]},
        {"name": "x", "series": {}, "best": True},
    ],
)
def test_a_strangers_file_that_says_more_or_other_is_refused_by_name(two: Path, recording: dict[str, Any]) -> None:
    (two / "odd.json").write_text(json.dumps({**SHARED, "runs": [{"recording": recording}]}))
    with pytest.raises(BadData, match=r"odd\.json"):
        gallery(["odd.json"])


NEWER = b'{"format": "workbench gallery", "version": 9}'


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, NEWER])
def test_a_file_of_another_kind_is_refused_by_name(two: Path, content: bytes) -> None:
    for name in ("odd.json", "odd.html"):
        (two / name).write_bytes(content)
        with pytest.raises(BadData, match=name):
            gallery([name])


def test_a_hundred_runs_and_one_are_too_many(two: Path) -> None:
    (two / "many.json").write_text(json.dumps({**SHARED, "runs": SHARED["runs"] * 100}))
    assert isinstance(gallery(["many.json"]), Gallery)
    with pytest.raises(BadInput, match="101"):
        gallery(["many.json", "first"])
