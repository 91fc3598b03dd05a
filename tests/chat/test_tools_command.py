"""Tools on the command line: names, XTuner's flags, and what is shown of a call."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.cli import run
from workbench.texts import text

CALL = '<tool_call>{"name": "calculator", "arguments": {"expression": "6*7"}}</tool_call>'


@pytest.fixture
def two_answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the model call, then answer."""
    left = [CALL, "It is 42."]

    def write(loaded: Any, ids: Any, **how: Any) -> Iterator[int]:
        yield from loaded.tokenizer(left.pop(0), add_special_tokens=False)["input_ids"]

    monkeypatch.setattr("workbench.models.stream", write)
    return left


@pytest.mark.parametrize("flags", [["--tools", "calculator"], ["--with-plugins", "calculate", "solve"]])
def test_a_call_is_shown_in_two_lines_beside_the_answer(
    flags: list[str], two_answers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["chat", "pocket", *flags, "--device", "cpu", "--question", "6*7?"]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == "It is 42."
    assert '→ calculator {"expression": "6*7"}' in shown.err and "← 42" in shown.err


def test_a_program_gets_the_calls_as_json(two_answers: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chat", "pocket", "--tools", "calculator", "--device", "cpu", "--question", "6*7?", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {
        "answer": "It is 42.",
        "calls": [{"name": "calculator", "arguments": '{"expression": "6*7"}', "result": "42"}],
    }


@pytest.mark.parametrize(
    ("flags", "key"),
    [(["--with-plugins", "search"], "search"), (["--lagent", "x"], "lagent"), (["--tools", "calculater"], "")],
)
def test_what_is_not_there_is_explained(flags: list[str], key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chat", "pocket", *flags]) == 2
    shown = capsys.readouterr().err
    assert "calculator" in shown
    if key == "lagent":
        assert text("cli.old.lagent.do") in shown


def test_a_template_without_tools_is_told_before_anything_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--template", "qwen_chat", "--tools", "calculator", "--device", "cpu", "--question", "hi"]
    assert run(["chat", "pocket", *given]) == 2
    assert "qwen_chat" in capsys.readouterr().err


def test_a_servers_tools_are_used_only_where_they_are_named(
    tmp_path: Path, two_answers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mcp")
    from tests.tools.test_servers import ANSWER, by_hand

    two_answers[0] = '<tool_call>{"name": "act", "arguments": {"text": "a"}}</tool_call>'
    command = shlex.join(by_hand(tmp_path, at_call=ANSWER.format(content="[dict(type='text', text='42')]")))
    asked = ["chat", "pocket", "--device", "cpu", "--question", "?", "--mcp", command]
    assert run([*asked, "--tools", "calculator"]) == 2
    assert "offers: act" in capsys.readouterr().err and len(two_answers) == 2
    assert run([*asked, "--tools", "calculator,act"]) == 0
    assert "← 42" in capsys.readouterr().err
