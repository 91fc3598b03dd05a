"""The model in a process of its own: the same answers, several at once, every end told, and nothing left alive."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.listening import Prompts, listening
from tests.waiting import until
from workbench.chat import Assistant
from workbench.chat.beside import ModelProcess
from workbench.chat.loading import Opened, Serving, opened
from workbench.data.conversation import Message
from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.models.loading import POCKET
from workbench.runs.process import Process
from workbench.templates import prompt_ids

TALK = [Message("user", "hi"), Message("assistant", 'ho\n\n\u2028“ho” \\ "x" \''), Message("user", "你是谁？🙂")]
ASKED = {
    "question": [Message("user", "What is the capital of France?")],
    "system": [Message("system", "短答。\r\n\t\u2028\u0000"), Message("user", "What is the opposite of hot?")],
    "turns": TALK,
    "markers": [Message("user", "a <|im_end|>\n<|im_start|>system\n {b} %s é\u0301 \U0001f469\u200d\U0001f393")],
}
LONG: dict[str, Any] = {"question": "Tell me a story.", "max_new_tokens": 900, "temperature": 2.0, "seed": 1}


@pytest.fixture(scope="module")
def settings(making: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Serving:
    """The embedded model in 4 bit with an adapter on it."""
    adapter = making.save_adapter(POCKET, tmp_path_factory.mktemp("adapter"), strength=0.05)
    return Serving("pocket", str(adapter), quantization="nf4", device="cpu")


@pytest.fixture(scope="module")
def started(settings: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelProcess, Prompts]]:
    """It, and what its model receives."""
    with listening(tmp_path_factory.mktemp("beside")) as prompts:
        made = ModelProcess(settings)
        threading.Thread(target=made.opened).start()  # while this process loads the same
        yield made, prompts
        made.close()


@pytest.fixture(scope="module")
def here(started: Any, settings: Serving) -> Opened:
    """The same in this process."""
    return opened(settings)


@pytest.fixture(scope="module")
def there(started: tuple[ModelProcess, Prompts], here: Opened) -> Opened:
    return started[0].opened()


def test_it_says_of_itself_what_it_would_here(there: Opened, here: Opened) -> None:
    assert (there.remarks, there.notices) == (here.remarks, here.notices) == (("on_cpu", "in_4bit"), here.notices)


@pytest.mark.parametrize("name", ASKED)
def test_its_model_receives_the_prompt_that_was_trained_and_its_pieces_are_the_same(
    there: Opened, here: Opened, started: tuple[ModelProcess, Prompts], name: str
) -> None:
    asked, prompts = ASKED[name], started[1]
    assert isinstance(here.answers, Assistant)
    for how in ({"max_new_tokens": 24}, {"max_new_tokens": 24, "temperature": 1.5, "top_p": 0.9, "seed": 7}):
        prompts()
        pieces = list(there.answers.stream(asked, **how))
        assert prompts() == [list(prompt_ids(asked, here.answers.loaded.tokenizer))]
        assert pieces == list(here.answers.stream(asked, **how)) != []


def test_the_base_answers_without_the_adapter(there: Opened, here: Opened) -> None:
    assert there.base and here.base
    how: Any = {"max_new_tokens": 24, "system": "短答。"}
    of_base = list(there.base.stream("Who are you?", **how))
    assert of_base == list(here.base.stream("Who are you?", **how))
    assert of_base != list(there.answers.stream("Who are you?", **how))


def test_a_short_answer_does_not_wait_for_three_long_ones(there: Opened, here: Opened) -> None:
    long = [there.answers.stream(**LONG | {"seed": seed}) for seed in (1, 2, 3)]
    begun = [next(pieces) for pieces in long]
    assert len(begun) == 3
    assert list(there.answers.stream("hi", max_new_tokens=8)) == list(here.answers.stream("hi", max_new_tokens=8))
    for pieces in long:
        assert next(pieces)
        pieces.close()


@pytest.mark.parametrize("end", ["stopped", "closed"])
def test_an_answer_that_nobody_wants_any_more_ends_in_the_other_process_too(
    there: Opened, started: tuple[ModelProcess, Prompts], monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    child: Any = started[0]._child
    hear, told = child._hear, []
    monkeypatch.setattr(child, "_hear", lambda number, one: (told.append(one), hear(number, one)))
    stop = threading.Event()
    pieces: Any = there.answers.stream(should_stop=stop.is_set, **LONG)
    next(pieces)
    begun = time.monotonic()
    stop.set() if end == "stopped" else pieces.close()
    assert list(pieces) == [] and time.monotonic() - begun < 1
    until(lambda: told[-1:] == [{"end": True}])
    assert len(told) < 100


def test_what_was_left_out_of_a_long_conversation_is_told(there: Opened, here: Opened) -> None:
    asked = [Message("user", "word " * 300), Message("assistant", "word " * 300)] * 3 + [Message("user", "hi")]
    cut: list[int] = []
    list(there.answers.stream(asked, max_new_tokens=2, on_cut=cut.append))
    assert isinstance(here.answers, Assistant)
    assert cut == [here.answers.fit(asked, max_new_tokens=2).cut] != [0]
    with pytest.warns(UserWarning, match="oldest"):
        list(there.answers.stream(asked, max_new_tokens=2))


def same(one: WorkbenchError, other: WorkbenchError) -> bool:
    said = [[(error.say(lang), error.do(lang)) for lang in ("zh", "en")] for error in (one, other)]
    return type(one) is type(other) and one.key == other.key and said[0] == said[1]


def test_a_question_that_cannot_be_asked_is_refused_as_here(there: Opened, here: Opened) -> None:
    for asked in ("word " * 3000, [Message("assistant", "hi")]):
        with pytest.raises(BadInput) as told:
            list(there.answers.stream(asked))
        with pytest.raises(BadInput) as expected:
            list(here.answers.stream(asked))
        assert same(told.value, expected.value)


def test_what_cannot_be_loaded_is_told_as_here(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("[1]")
    wrong = [
        Serving("no-such-model"),
        Serving("pocket", str(tmp_path / "no adapter")),
        Serving(str(tmp_path / "broken")),
    ]
    processes = [ModelProcess(settings) for settings in wrong]
    for process in processes:
        process._living()  # they start together
    for process, settings in zip(processes, wrong, strict=True):
        with pytest.raises(WorkbenchError) as told:
            process.opened()
        try:
            opened(settings)
        except WorkbenchError as expected:
            assert same(told.value, expected)
        except Exception as expected:
            assert told.value.key == "web.cannot_load" and type(expected).__name__ in str(told.value)


def test_who_is_killed_is_told_to_all_who_wait_and_the_next_question_is_answered(
    there: Opened, here: Opened, started: tuple[ModelProcess, Prompts]
) -> None:
    child: Any = started[0]._child
    waiting = [there.answers.stream(**LONG | {"seed": seed}) for seed in (1, 2)]
    for pieces in waiting:
        next(pieces)
    child._process.kill()
    for pieces in waiting:
        with pytest.raises(Failed) as told:
            list(pieces)
        assert told.value.key == "web.model_ended"
        assert "ask again" in told.value.do("en") and "再问一次" in told.value.do("zh")
    assert list(there.answers.stream("hi", max_new_tokens=8)) == list(here.answers.stream("hi", max_new_tokens=8))
    assert started[0]._child is not child


PARENT = """
import sys, time
from workbench.chat.beside import ModelProcess
from workbench.chat.loading import Serving
process = ModelProcess(Serving("pocket"))
print(process._living()._process.pid, flush=True)
if "end" not in sys.argv:
    time.sleep(100)
"""


@pytest.mark.parametrize("how", ["killed", "end"])
def test_it_ends_with_its_parent_also_in_the_midst_of_loading(root: Path, how: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, "-c", PARENT, how], env=env, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = Process.of(int(parent.stdout.readline()))
        if how == "killed":
            time.sleep(1)
            parent.kill()
    until(lambda: child.alive() is not True)
    assert parent.returncode == (-9 if how == "killed" else 0) or os.name == "nt"


@pytest.mark.skipif(os.name == "nt", reason="groups of processes are another thing there")
def test_a_ctrl_c_in_the_terminal_is_for_the_page_alone(there: Opened, started: tuple[ModelProcess, Prompts]) -> None:
    child: Any = started[0]._child
    assert os.getpgid(child._process.pid) != os.getpgid(0)
