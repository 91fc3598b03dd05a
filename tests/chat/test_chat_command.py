"""``workbench chat`` and ``compare``: once, through a pipe, side by side. What a terminal would obey is not shown."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.data.pictured import png
from workbench.chat import Assistant
from workbench.cli import run
from workbench.cli.terminal import printable

Q = "Who are you?"
SHORT = ["--max-new-tokens", "8"]


@pytest.fixture(scope="module")
def expected(base: Path, adapter: Path) -> dict[str, str]:
    made = Assistant.load(str(base), adapter, device="cpu")
    return {"base": made.base.ask(Q, max_new_tokens=8), "assistant": made.ask(Q, max_new_tokens=8)}


def test_one_question_as_json(base: Path, adapter: Path, expected: dict[str, str], capsys: Any) -> None:
    assert run(["chat", str(base), "--adapter", str(adapter), "--question", Q, "--json", *SHORT]) == 0
    assert json.loads(capsys.readouterr().out) == {"answer": expected["assistant"]}


def test_one_question_as_text(adapter: Path, expected: dict[str, str], capsys: Any) -> None:
    assert run(["chat", str(adapter), "--question", Q, *SHORT]) == 0
    assert capsys.readouterr().out == printable(expected["assistant"]) + "\n"


def test_questions_through_a_pipe_are_one_conversation(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    kept = tmp_path / "talk.jsonl"
    lines = f"{Q}\r\n\n/system brief\n你是谁？\n/quit\nnever asked\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode()), encoding="utf-8"))
    assert run(["chat", str(base), "--json", "--history", str(kept), *SHORT]) == 0
    answers = [json.loads(line)["answer"] for line in capsys.readouterr().out.splitlines()]
    messages = json.loads(kept.read_text(encoding="utf-8"))["messages"]
    assert [m["content"] for m in messages] == ["brief", Q, answers[0], "你是谁？", answers[1]]


def test_a_history_goes_on(base: Path, tmp_path: Path, capsys: Any) -> None:
    kept = tmp_path / "talk.jsonl"
    for _ in range(2):
        assert run(["chat", str(base), "--question", Q, "--history", str(kept), *SHORT]) == 0
    assert len(json.loads(kept.read_text(encoding="utf-8"))["messages"]) == 4


def test_an_adapter_in_4_bit_draws_by_its_seed(base: Path, adapter: Path, capsys: Any) -> None:
    how = f"--adapter {adapter} --quantization nf4 --temperature 1.5 --top-k 50 --top-p 0.95 --repetition-penalty 1.1"
    drawn = []
    for seed in ("1", "1", "2"):
        command = ["chat", str(base), *how.split(), "--seed", seed, "--question", Q, "--json"]
        assert run([*command, *SHORT]) == 0
        drawn.append(json.loads(capsys.readouterr().out)["answer"])
    assert drawn[0] == drawn[1] != drawn[2]


def test_base_and_assistant_side_by_side(
    base: Path, adapter: Path, expected: dict[str, str], capsys: Any, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text(f"{Q}\n\n你是谁？\n", encoding="utf-8")
    command = ["compare", str(base), "--adapter", str(adapter), "--questions", str(questions), *SHORT]
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["question"] for row in told] == [Q, "你是谁？"]
    assert told[0]["answers"] == expected
    assert run(command) == 0
    assert "你是谁？" in capsys.readouterr().out


def test_two_models_side_by_side(base: Path, capsys: Any) -> None:
    assert run(["compare", str(base), str(base), "--question", Q, "--json", *SHORT]) == 0
    answers = json.loads(capsys.readouterr().out)[0]["answers"]
    assert len(answers) == 2 and len(set(answers.values())) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chat", "pokcet", "--question", "x"], "pocket"),
        (["chat", "{base}", "--adapter", "{base}", "--question", "x"], "workbench convert"),
        (["chat", "{base}", "--template", "qwen_chta", "--question", "x"], "qwen_chat"),
        (["compare", "{base}"], "--adapter"),
        (["chat", "{base}", "--web", "gradio", "--temperature", "0.7"], "--temperature has no effect together with"),
        (["chat", "{base}", "--web", "gradio", "--json"], "--json has no effect together with --web"),
        (["chat", "m", "--endpoint", "http://127.0.0.1:9/v1", "--quantization", "nf4"], "together with --endpoint"),
        (["chat", "m", "--endpoint", "127.0.0.1:9", "--question", "x"], "not an address"),
        (["chat", "{base}", "--port", "1"], "--port has no effect without --web"),
        (["compare", "{base}", "{base}", "--adapter", "{base}"], "one of them"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(base: Path, arguments: list[str], told: str, capsys: Any) -> None:
    assert run([a.replace("{base}", str(base)) for a in arguments]) == 2
    caught = capsys.readouterr()
    assert told in caught.err and "Traceback" not in caught.err and not caught.out


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    assert printable("a\x1b[2J\x1b]0;title\x07b\r\u202ec\x9b1m\n\td\x00é你🌱") == "a[2J]0;titlebc1m\n\tdé你🌱"


def test_a_text_model_refuses_a_picture_in_one_sentence(base: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.png").write_bytes(png())
    assert run(["chat", str(base), "--image", str(tmp_path / "a.png"), "--question", Q, *SHORT]) == 2
    told = capsys.readouterr().err
    assert "picture" in told and "Traceback" not in told


@pytest.mark.parametrize("name", ["no.png", "a.svg"])
def test_what_is_no_picture_is_refused_before_it_is_asked_about(
    name: str, base: Path, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "a.svg").write_text("<svg/>")
    assert run(["chat", str(base), "--image", str(tmp_path / name), "--question", Q, *SHORT]) == 2
    assert name in capsys.readouterr().err
