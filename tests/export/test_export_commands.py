"""``workbench convert`` and ``merge``, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.cli import run


def test_convert_then_merge_then_check(base: Path, adapter: Path, tmp_path: Path, capsys: Any) -> None:
    made, merged = tmp_path / "adapter", tmp_path / "merged"
    assert run(["convert", str(adapter), str(made)]) == 0
    assert str(made) in capsys.readouterr().out
    assert run(["merge", str(base), str(made), str(merged), "--dtype", "float32", "--question", "hi", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["merged_matches_adapter"] is True
    assert told["questions"] == ["hi"] and set(told["compared"]) == {"adapter_nf4", "merged", "merged_nf4"}
    assert (merged / "model.safetensors").exists()


def test_the_check_is_shown_as_a_table(base: Path, adapter: Path, tmp_path: Path, capsys: Any) -> None:
    assert run(["merge", str(base), str(adapter), str(tmp_path / "out"), "--dtype", "float32", "--check"]) == 0
    out = capsys.readouterr().out
    assert "largest logit difference" in out and "merged, 16 bit" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["convert", "{tmp}/nowhere", "{tmp}/out"], "nowhere"),
        (["convert", "{base}", "{tmp}/out"], "neither a run folder nor a checkpoint"),
        (["merge", "{base}", "{base}", "{tmp}/out"], "holds no adapter"),
        (["merge", "{base}", "{adapter}", "{base}"], "which is read"),
        (["merge", "{base}", "{adapter}", "{tmp}/out", "--max-shard-size", "big"], "2GB"),
        (["merge", "pokcet", "{adapter}", "{tmp}/out"], "pocket"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(
    base: Path, adapter: Path, tmp_path: Path, arguments: list[str], told: str, capsys: Any
) -> None:
    places = {"{base}": base, "{adapter}": adapter, "{tmp}": tmp_path}
    for mark, place in places.items():
        arguments = [a.replace(mark, str(place)) for a in arguments]
    assert run(arguments) == 2
    caught = capsys.readouterr()
    assert told in caught.err and "Traceback" not in caught.err
    assert not any(tmp_path.iterdir())
