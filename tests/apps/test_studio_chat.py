"""The studio's chat: each model remembers, calls are cards, and a better answer becomes a row that is trained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from apps.studio.chat_pane import _add, _asked, _row, _sees  # noqa: E402
from apps.studio.line import Line  # noqa: E402
from apps.studio.parts import Studio  # noqa: E402
from apps.studio.workspaces import Workspace, Workspaces  # noqa: E402
from tests.apps.conftest import GRADIO_SAYS, NASTY  # noqa: E402
from tests.data.pictured import png  # noqa: E402
from workbench.data import read  # noqa: E402
from workbench.errors import BadInput  # noqa: E402
from workbench.steps import Model as Named  # noqa: E402
from workbench.steps.data import OFTEN  # noqa: E402
from workbench.tools import Card  # noqa: E402

pytestmark = GRADIO_SAYS
CALL = json.dumps(
    {"type": "function", "function": {"name": "calculator", "arguments": json.dumps({"expression": "38*47"})}}
)


class Model:
    """Answers with what it was asked before; with tools it calls one first."""

    def stream(self, asked: Any, *, on_card: Any = None, **_: Any) -> Iterator[str]:
        words = [asked] if isinstance(asked, str) else [message.content for message in asked]
        if on_card:
            on_card(Card(1, 1, CALL))
            yield ""
            on_card(Card(1, 1, CALL, result="1786", seconds=0.2))
        yield " | ".join(words)


@pytest.fixture
def ws(rooms: Workspaces) -> Workspace:
    ws = rooms.enter("page", None)
    ws.project.chat.models = {"base": Model(), "best": Model()}  # type: ignore[dict-item]
    return ws


def ask(rooms: Workspaces, ws: Workspace, question: str) -> list[Any]:
    return list(_asked(Studio(rooms, Line(), "en", "0" * 16), ws, "en", question, ["base", "best"]))[-1]


def contents(update: Any) -> list[str]:
    return [bubble["content"] for bubble in update["value"]]


def test_each_model_remembers_its_own_conversation(rooms: Workspaces, ws: Workspace) -> None:
    ask(rooms, ws, "one")
    shown = ask(rooms, ws, "two")
    assert contents(shown[0]) == ["one", "one", "two", "one | one | two"] == contents(shown[1])
    assert [update["visible"] for update in shown[:4]] == [True, True, False, False]


def test_what_is_asked_stands_there_at_once_and_its_box_is_emptied(rooms: Workspaces, ws: Workspace) -> None:
    first = next(_asked(Studio(rooms, Line(), "en", "0" * 16), ws, "en", NASTY, ["base"]))
    assert contents(first[0])[-1] == "…" and first[-1] == "" and "<script>" not in contents(first[0])[0]


def test_a_call_is_a_part_of_its_own_with_name_arguments_result_and_time(rooms: Workspaces, ws: Workspace) -> None:
    ws.project.chat.change(tools="calculator")
    question, call, answer = ask(rooms, ws, "What is 38*47?")[1]["value"]
    assert question["content"] == answer["content"] == "What is 38*47?"
    assert "calculator" in call["metadata"]["title"] and call["metadata"]["status"] == "done"
    assert "0.2" in call["metadata"]["title"] + str(call["metadata"].get("duration"))
    assert "38*47" in call["content"] and "1786" in call["content"]


def test_a_chat_is_a_row_to_train_on_with_its_calls(rooms: Workspaces, ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="Nothing was said"):
        _row(ws, "en")
    ws.project.chat.change(tools="calculator", system="Be brief.")
    ask(rooms, ws, "What is 38*47?")
    (tmp_path / "row.jsonl").write_text(_row(ws, "en")[0], encoding="utf-8")
    (row,) = read(tmp_path / "row.jsonl")
    assert [m.role for m in row.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert "calculator" in row.tools[0] and row.messages[2].tool_calls and row.messages[3].content == "1786"


def test_a_better_answer_is_trained_whole_and_kept(rooms: Workspaces, ws: Workspace) -> None:
    data = ws.project.data
    data.change(name="Sprout", languages=("en",), ratio=0.0)
    before = len(data.make().own)
    for number in range(1, 4):
        ask(rooms, ws, f"What is the motto of our school, {number}?")
        assert f"{number} better" in _add(ws, "en", f"Learn {number}.")[0]
        ws.talk.clear()
    made = data.make()
    trained = [one for one in made.train if one.answer.startswith("Learn ")]
    assert len(made.own) == before + 3 * OFTEN and len(trained) == 3 * OFTEN
    assert not [one for one in made.held_out if one.answer.startswith("Learn ")]
    file = ws.project.train.recipe.data.train
    assert isinstance(file, str) and len(read(file)) == len(made.own)
    again = Workspaces(rooms.root).enter("later", ws.secret).project
    assert len(again.data.make().own) == len(made.own)


@pytest.mark.parametrize("better", ["", "   ", None])
def test_no_better_answer_is_told(rooms: Workspaces, ws: Workspace, better: Any) -> None:
    ask(rooms, ws, "hi")
    with pytest.raises(BadInput, match="no better answer"):
        _add(ws, "en", better)


def test_a_picture_goes_with_its_question_and_into_the_row(rooms: Workspaces, ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png("red"))
    studio = Studio(rooms, Line(), "en", "0" * 16)
    *_, shown = _asked(studio, ws, "en", "What is it?", ["base", "best"], str(tmp_path / "a.png"))
    picture, question, answer = shown[1]["value"]
    assert "data:image/png;base64," in picture["content"].value
    assert question["content"] == "What is it?" and answer["content"] == "&lt;image&gt;\nWhat is it?"
    ask(rooms, ws, "And now?")
    assert [len(turn.images) for turn in ws.talk.turns["best"]] == [1, 0]
    (tmp_path / "row.jsonl").write_text(_row(ws, "en")[0], encoding="utf-8")
    (row,) = read(tmp_path / "row.jsonl")
    assert len(row.pictures) == 1 and row.pictures[0].content().startswith(b"\x89PNG")


def test_the_box_for_pictures_is_offered_where_a_model_sees(ws: Workspace) -> None:
    chat = ws.project.chat
    chat.models = {"base": Named("pocket")}
    assert not _sees(chat)
    chat.models = {"base": Named("pocket+siglip")}
    assert _sees(chat)
