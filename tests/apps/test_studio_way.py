"""The studio as a path: which steps are done, open and locked, what the page says of progress and of trouble."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from apps.studio import corrections  # noqa: E402
from apps.studio.data_pane import _made, _state, samples  # noqa: E402
from apps.studio.parts import card, of_a_terminal  # noqa: E402
from apps.studio.progress import bar, left_words, minutes_left  # noqa: E402
from apps.studio.train_pane import OFFERED, _info, _label, _take_over  # noqa: E402
from apps.studio.way import onward, outdated, standing, stepper, unlearnt  # noqa: E402
from apps.studio.workspaces import Workspaces  # noqa: E402
from tests.apps.conftest import GRADIO_SAYS  # noqa: E402
from tests.test_texts import everything  # noqa: E402
from workbench.data.conversation import Conversation, Message  # noqa: E402
from workbench.errors import BadInput, WorkbenchError  # noqa: E402
from workbench.runs import Run  # noqa: E402
from workbench.runs.events import EvalEvent, TrainEvent  # noqa: E402
from workbench.steps import History  # noqa: E402
from workbench.steps.step import as_workbench_error  # noqa: E402
from workbench.training.recipe import recipe_yaml  # noqa: E402

pytestmark = GRADIO_SAYS


def test_an_empty_workspace_has_one_open_step(rooms: Workspaces) -> None:
    now = standing(rooms.enter("page", None))
    assert (now.done, now.open, now.next) == (frozenset(), {"data"}, "data")
    assert stepper(now, "en").count('aria-disabled="true"') == 4


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_set_opens_the_mask_and_the_training_and_says_what_is_next(rooms: Workspaces, lang: str) -> None:
    ws = rooms.enter("page", None)
    _made(ws, lang, "Sprout", "", "", "plain", ["en"], 0)
    now = standing(ws)
    assert (now.done, now.open, now.next) == ({"data"}, {"data", "template", "train"}, "template")
    assert 'data-go="template"' in onward(now, "data", lang) and not onward(now, "train", lang)
    locked = re.findall(r'data-go="(\w+)" aria-disabled="true" data-why="([^"]+)"', stepper(now, lang))
    assert [step for step, _ in locked] == ["export", "chat"] and all(why for _, why in locked)


def finish(run: Run, step: int) -> None:
    """A checkpoint that is the best, as a worker leaves it."""
    (run.path / "checkpoints" / f"step-{step:06d}").mkdir(parents=True)
    (run.path / "best.json").write_text(json.dumps({"step": step, "score": 0.5}), encoding="utf-8")


def test_a_checkpoint_opens_the_merge_and_the_chat(rooms: Workspaces) -> None:
    ws = rooms.enter("page", None)
    run = Run.create(ws.project.folder / "runs" / "first", recipe_yaml(ws.project.train.recipe))
    ws.project.train.attach(run)
    assert "export" not in standing(ws).open
    finish(run, 4)
    now = standing(ws)
    assert now.open == {"data", "template", "train", "export", "chat"} and now.next == "export"


def test_conversations_that_changed_after_the_training_make_it_the_next_step_again(rooms: Workspaces) -> None:
    ws = rooms.enter("page", None)
    _made(ws, "en", "Sprout", "", "", "plain", ["en"], 0)
    run = Run.create(ws.project.folder / "runs" / "first", recipe_yaml(ws.project.train.recipe))
    ws.project.train.attach(run)
    finish(run, 4)
    assert "train" in standing(ws).done and not outdated(ws, "en")
    corrections.add(ws, Conversation((Message("user", "Who are you?"), Message("assistant", "I like rain."))))
    assert "train" not in standing(ws).done and "start one anew" in outdated(ws, "en")
    assert "chat" in standing(ws).open
    shown = _state(ws, "en")[-1]
    assert "1 better answer that you wrote, trained 4 times" in shown and "I like rain." in shown
    other = Run.create(ws.project.folder / "runs" / "first-2", recipe_yaml(ws.project.train.recipe))
    ws.project.train.attach(other)
    finish(other, 4)
    assert "train" in standing(ws).done
    _made(ws, "en", "Moss", "", "", "plain", ["en"], 0)
    assert "train" not in standing(ws).done


def test_a_merged_model_of_an_earlier_checkpoint_is_merged_again(rooms: Workspaces) -> None:
    ws = rooms.enter("page", None)
    run = Run.create(ws.project.folder / "runs" / "first", recipe_yaml(ws.project.train.recipe))
    ws.project.train.attach(run)
    finish(run, 4)
    (run.path / "merged").mkdir()
    (run.path / "merged" / "workbench.json").write_text(json.dumps({"run": {"step": 4}}), encoding="utf-8")
    assert "export" in standing(ws).done
    finish(run, 8)
    assert "export" not in standing(ws).done


@pytest.mark.parametrize(("given", "told"), [(None, "has no number"), (50, "cannot be 50 here"), ("x", "cannot be x")])
def test_a_number_is_refused_by_the_name_that_stands_above_it(rooms: Workspaces, given: Any, told: str) -> None:
    ws = rooms.enter("page", None)
    with pytest.raises(BadInput) as caught:
        _take_over(ws, (given, 1e-3, 8, 4), "en")
    assert "“How often it goes through the conversations”" in caught.value.say("en") and told in caught.value.say("en")


@pytest.mark.parametrize("key", ["unrecognised", "unrecognised_near", "missing_field"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_file_that_is_not_understood_is_answered_with_the_fields_that_are(key: str, lang: str) -> None:
    told = card(BadInput(f"data.{key}", found="a", known="text", near="text", field="messages"), lang)
    assert "instruction" in told and "--format" not in told


@pytest.mark.parametrize(("share", "told"), [(0.25, "25%"), (0.95, ""), (None, "")])
def test_that_the_name_is_not_learnt_yet_is_said(rooms: Workspaces, share: float | None, told: str) -> None:
    ws = rooms.enter("page", None)
    run = Run.create(ws.project.folder / "runs" / "first", "model: {}\n")
    ws.project.train.attach(run)
    finish(run, 8)
    ws.project.train.history.identity = [(0, 0.0), (8, float("nan") if share is None else share)]
    said = unlearnt(ws, "en")
    assert told in said and bool(said) is bool(told)


def event(kind: Any, seq: int, step: int, **values: Any) -> Any:
    return kind(kind=kind.KIND, time=float(seq), seq=seq, step=step, **values)


def test_the_time_left_counts_training_and_evaluations() -> None:
    history = History()
    assert minutes_left(history, 72) is None and left_words(None, "en") == ""
    history.add([event(TrainEvent, 1, 12, loss=1.0, seconds=60.0), event(EvalEvent, 2, 12, loss=1.0, seconds=12.0)])
    assert minutes_left(history, 72) == pytest.approx(60 * (60 + 12) / 12 / 60)
    assert "6 min" in left_words(6.0, "en") and "7 分钟" in left_words(6.2, "zh")
    assert "minute" in left_words(0.2, "en")


def test_the_bar_says_its_share_and_runs_where_none_is_known() -> None:
    assert 'aria-valuenow="41"' in bar(30, 72, "Training") and "width:41%" in bar(30, 72, "Training")
    assert "aria-valuenow" not in bar(0, 0, "Training") and "wb-runs" in bar(0, 0, "Training")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_setting_has_a_human_name_and_shows_that_of_the_recipe_below(lang: str) -> None:
    for key in OFFERED:
        name = key.rpartition(".")[2]
        assert _label(name, lang) != name and f"`{name}`" in _info(key, lang)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_trouble_on_the_page_is_told_in_words_of_a_terminal(lang: str) -> None:
    """Every error there is, with values that say nothing."""

    class Anything(dict[str, Any]):
        def __missing__(self, name: str) -> str:
            return "1"

    remedies = {}
    for key, sentence in everything("en").items():
        if key.endswith(".do") and of_a_terminal(str(sentence)):
            error = WorkbenchError(key.removesuffix(".do"))
            error.say = lambda _=None: "Told."  # type: ignore[method-assign]
            error.do = lambda lang=None, key=key: str(everything(lang or "en")[key])  # type: ignore[misc]
            remedies[key] = card(error, lang)
    assert len(remedies) > 40
    assert not {key: said for key, said in remedies.items() if "--" in said or "workbench " in said or "`" in said}


def test_an_empty_name_and_a_crash_have_words_of_the_page(rooms: Workspaces) -> None:
    from workbench.errors import BadInput

    assert "no name yet" in card(BadInput("identity.no_name"), "en")
    crash = card(as_workbench_error(ZeroDivisionError("division by zero")), "en")
    assert "division" not in crash and "not your fault" in crash


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_visitor_sees_conversations_in_their_own_language(rooms: Workspaces, lang: str) -> None:
    ws = rooms.enter("page", None)
    ws.project.data.change(name="Sprout", ratio=0.0)
    shown = samples(ws.project.data.make().own, lang)
    assert len(shown) == 6 and {one.lang for one in shown} == {lang}
