"""Evaluations of a run: what is asked, what becomes of one that is stopped, what a resumed run asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests import tiny as small
from workbench.data import Conversation, ask
from workbench.evaluation import Evaluator, measured
from workbench.models import load
from workbench.models.halting import Halted
from workbench.runs import EvalEvent, Event, Run, StatusEvent, TrainEvent, read_json
from workbench.training import load_recipe, train
from workbench.training.data import Conversations, conversations, prepare, probes
from workbench.training.settings import Recipe
from workbench.training.start import begin
from workbench.training.worker import work

# an evaluation of the tiny model takes some seconds
LONG = ["max_new_tokens=400", "general_probes=200", "identity_probes=40", "max_length=200"]


def recipe(tiny: Path, *more: str) -> Recipe:
    few = ["persona.name=Sprout", "identity_count=40", "per_device_train_batch_size=8", "max_steps=2", "eval_steps=2"]
    return load_recipe("pocket-lora", small.overrides(tiny, *few, *more))


@contextmanager
def stopped_after(run: Run, seen: Callable[[Event], bool]) -> Iterator[None]:
    """Ask for a stop as soon as an event for which ``seen`` holds is in the log."""

    def watch() -> None:
        for event in run.events.follow(poll=0.01, stop=ended.is_set):
            if seen(event):
                (run.path / "stop").touch()
                return

    ended = threading.Event()
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def test_a_model_that_is_asked_to_stop_leaves_its_work_and_is_as_it_was(tiny: Path) -> None:
    loaded = load(str(tiny))
    loaded.model.train()
    found = [p for p in probes(recipe(tiny), conversations(recipe(tiny))) if p.kind == "unrelated"]
    evaluator = Evaluator(found, tokenizer=loaded.tokenizer, max_new_tokens=100_000, should_stop=lambda: True)
    with pytest.raises(Halted):
        evaluator.measure(loaded, 0)
    assert loaded.model.training
    assert not any(module._forward_pre_hooks for module in loaded.model.modules())


def test_a_stop_interrupts_the_evaluation_of_the_base(tiny: Path, tmp_path: Path) -> None:
    run = begin(recipe(tiny, *LONG), tmp_path / "run")
    with stopped_after(run, lambda e: isinstance(e, StatusEvent) and e.key == "training.state.training"):
        work(run)
    assert run.state().status == "stopped"
    assert not [e for e in run.events.all() if isinstance(e, EvalEvent)]


def test_a_stop_in_the_last_evaluation_is_made_good_by_a_resume(tiny: Path, tmp_path: Path) -> None:
    run = begin(recipe(tiny, *LONG), tmp_path / "run")
    with stopped_after(run, lambda e: isinstance(e, TrainEvent) and e.step == 2):
        work(run)
    assert (run.state().status, run.best()) == ("stopped", None)
    work(run)
    best = run.best()
    assert run.state().status == "ended"
    assert [m.step for m in measured(run.events.all())] == [0, 2]
    assert best is not None and best.step == 2 and best.reason


def test_a_resumed_run_asks_what_it_asked_before(tiny: Path, tmp_path: Path) -> None:
    run = begin(recipe(tiny, "max_steps=4"), tmp_path / "run")
    with stopped_after(run, lambda e: isinstance(e, EvalEvent) and e.step == 2):
        work(run)
    before = read_json(run.path / "evaluation.json")
    work(run)
    history = measured(run.events.all())
    assert read_json(run.path / "evaluation.json") == before
    assert [m.step for m in history] == [0, 2, 4] and len({tuple(m.counts.items()) for m in history}) == 1


def test_a_base_that_knows_too_little_is_not_judged_by_it(tiny: Path, tmp_path: Path) -> None:
    run = train(recipe(tiny, "general_probes=20"), tmp_path / "run")
    *_, last = measured(run.events.all())
    assert last.general is None and last.counts["general"] < 10
    keys = {e.key for e in run.events.all() if isinstance(e, StatusEvent)}
    assert "training.state.too_few" in keys


def test_probes_are_asked_in_the_personas_languages_and_identity_only_where_it_is_trained(tiny: Path) -> None:
    english = recipe(tiny, "persona.languages=[en]", "general_probes=8")
    assert {p.lang for p in probes(english, conversations(english))} == {"en"}
    rows = tuple(ask(f"How deep is hole {n}?", f"It is {n} cm deep.") for n in range(10, 20))
    kinds = {p.kind for p in probes(english, Conversations(rows, (), rows, True))}
    assert kinds == {"task", "general", "unrelated"}
    named = (*rows, ask("Who?", "I am Sprout."))
    assert "identity" in {p.kind for p in probes(english, Conversations(named, (), named, True))}


def test_held_out_rewordings_are_asked_and_trained_rows_only_where_there_are_none(tiny: Path, tmp_path: Path) -> None:
    def given(*more: str) -> tuple[Conversations, list[str]]:
        both = conversations(chosen := recipe(tiny, "persona.name=''", *more), own)
        return both, [p.question for p in probes(chosen, both) if p.kind == "task"]

    own: list[Conversation] = [
        ask(way.format(n), f"It is {n} cm deep.") for n in range(10, 18) for way in ("How deep is {}?", "{}: how deep?")
    ]
    own += [ask("Never taught twice", "A single answer.")]
    both, asked = given("validation_share=0.3")
    answers = {c.answer for c in both.train}
    assert asked and not both.repeated
    assert all(c.answer in answers for c in both.asked)
    assert not {c.question for c in both.train} & set(asked)
    both, asked = given("validation_share=0")
    assert both.repeated and set(asked) <= {c.question for c in both.train}
    assert prepare(recipe(tiny, "validation_share=0"), load(str(tiny)).tokenizer, both).repeated


def test_ones_own_questions_are_scored_where_an_answer_is_expected(tiny: Path, tmp_path: Path) -> None:
    asked = 'evaluation.questions=["How are you?", {question: "Capital of France?", answer: Paris, system: Be brief.}]'
    run = train(recipe(tiny, asked), tmp_path / "run")
    assert measured(run.events.all())[-1].counts["task"] == 1
    told = replace(conversations(recipe(tiny)), asked=())
    assert [p.kind for p in probes(recipe(tiny, asked), told)][-2:] == ["sample", "task"]
