"""Facts about the data of a training, and how a front end hands them to its worker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import overrides
from workbench.data import Conversation, Message, Picture
from workbench.errors import BadInput
from workbench.training import data, load_recipe
from workbench.training.assemble import material
from workbench.training.data import Conversations, conversations
from workbench.training.start import begin
from workbench.training.worker import work

WAITS = "from workbench.training import warm; warm.load_libraries = lambda: None; print(warm.await_run())"
CALL = '{"name": "sum", "arguments": {"a": "1", "b": 2}}'


def test_what_is_handed_over_is_what_was_read(tiny: Path) -> None:
    recipe = load_recipe("pocket-qlora", overrides(tiny, "persona.name=Zoë 🦊 «O'Brien»", "identity_count=40"))
    both = conversations(recipe)
    line = both.handed()
    assert "\n" not in line
    taken = Conversations.taken(line)
    assert taken == both
    assert taken.fingerprint() == both.fingerprint()
    assert material(recipe, split=taken).prepared == material(recipe).prepared


def test_columns_that_are_not_trained_are_known_before_the_training(tiny: Path, tmp_path: Path) -> None:
    rows = [
        {
            "messages": [{"role": "user", "content": f"Q {n}"}, {"role": "assistant", "content": f"A {n}"}],
            "rejected": "x",
        }
        for n in range(4)
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    how = overrides(tiny, "persona.name=Bo", "identity_count=40")
    assert not material(load_recipe("pocket-qlora", how)).doubts
    (doubt,) = material(load_recipe("pocket-qlora", [*how, f"data.train={file}"])).doubts
    assert doubt.code == "preference_rows" and doubt.rows == (1, 2, 3, 4)


def test_calls_pictures_and_tools_are_handed_over_too() -> None:
    messages = (
        Message("system", "a\x00b\ud800"),
        Message("user", "<image>\n1 + 2?", images=(Picture("a.png", data=b"1"),)),
        Message("assistant", "", train=False, tool_calls=(CALL,)),
    )
    row = Conversation(messages, group="g", kind="general", lang="en", source="f:1", tools=("{}",), meta={"told": True})
    both = Conversations((row,), ())
    assert Conversations.taken(both.handed()) == both


def test_too_much_and_what_json_does_not_hold_is_left_to_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Conversation((Message("user", "a"), Message("assistant", "b")))
    odd = Conversation(row.messages, meta={"when": object()})
    assert Conversations((odd,), ()).handed() == ""
    monkeypatch.setattr(data, "MOST_HANDED", 1)
    assert Conversations((row, row), ()).handed() == ""


@pytest.mark.filterwarnings("ignore::FutureWarning")  # the library's own, in this very process
def test_the_worker_trains_what_it_was_handed(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("pocket-qlora", overrides(tiny, "persona.name=Bo", "identity_count=40", "max_steps=1"))
    run = begin(recipe, tmp_path / "run")

    def read_again(*_: object) -> Conversations:
        raise AssertionError("read again")

    both = conversations(recipe)
    monkeypatch.setattr("workbench.training.assemble.conversations", read_again)
    work(run, data=both.handed())
    assert run.state().status == "ended"


def test_of_other_data_than_the_runs_nothing_is_trained(tiny: Path, tmp_path: Path) -> None:
    recipe = load_recipe("pocket-qlora", overrides(tiny, "persona.name=Bo", "identity_count=40", "max_steps=1"))
    run = begin(recipe, tmp_path / "run")
    both = conversations(recipe)
    with pytest.raises(BadInput, match="data"):
        work(run, data=Conversations(both.train[1:], both.held_out).handed())
    assert not run.checkpoints()


@pytest.mark.parametrize(
    ("heard", "given"), [("{path}\n\n", ""), ("{path}\n[[],[]]\n", "[[],[]]"), ("{path}\n[[],", ""), ("{path}\n", "")]
)
def test_a_worker_that_waited_takes_only_what_was_handed_over_whole(heard: str, given: str, tmp_path: Path) -> None:
    told = heard.format(path=json.dumps(str(tmp_path)))
    subprocess.run([sys.executable, "-c", WAITS], input=told, text=True, timeout=60, check=True)
    assert (tmp_path / "worker.log").read_text(encoding="utf-8").strip() == str((tmp_path, given))


def test_a_worker_whose_front_end_died_first_has_no_run(tmp_path: Path) -> None:
    half = json.dumps(str(tmp_path))[:5]
    ended = subprocess.run(
        [sys.executable, "-c", WAITS], input=half, text=True, timeout=60, capture_output=True, check=True
    )
    assert ended.stdout.strip() == "(None, '')"
