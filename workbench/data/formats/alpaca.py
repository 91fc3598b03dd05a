"""Alpaca's ``instruction``, ``input`` and ``output``. Knows these fields; nothing of files."""

from __future__ import annotations

from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import BadRow, Location, clean, optional_text, required, shorten
from workbench.data.formats.base import MARK, PART, Format
from workbench.data.formats.transcript import prompted
from workbench.data.turns import history, row_thinking, system_beside


def _marks(row: dict[str, Any]) -> int:
    if "instruction" not in row:
        return 0
    return MARK if "output" in row else PART


def joined(question: str, context: str) -> str:
    """Return the question with what it is asked about under it."""
    return f"{question}\n{context}" if question and context else question or context


def asked(question: str, context: str) -> list[Message]:
    """Return what is asked as a user's message; the turns that it writes out, where it is a dialogue so far."""
    return (prompted(question) if not context else []) or [Message("user", joined(question, context))]


def _parse(remaining: dict[str, Any], location: Location, _: dict[str, Any]) -> list[Message]:
    instruction, context, answer = _fields(remaining, location)
    before = history(remaining, location)
    thinking = row_thinking(remaining, location, answer)
    question = asked(instruction, context)
    system = system_beside(remaining, question, location)
    return [*system, *before, *question, Message("assistant", answer, thinking=thinking)]


def _as_xtuner(remaining: dict[str, Any], location: Location, _: dict[str, Any]) -> list[Message]:
    """XTuner joins with a line break even where the input is empty, and knows neither system nor history."""
    instruction, context, answer = _fields(remaining, location)
    history(remaining, location)
    optional_text(remaining, "system", location)
    remaining.pop("system", None)
    return [Message("user", f"{instruction}\n{context}"), Message("assistant", answer)]


def _fields(remaining: dict[str, Any], location: Location) -> tuple[str, str, str]:
    """Instruction, input and output, taken out of the row."""
    instruction = clean(required(remaining, "instruction", location), location, "instruction")
    answers = required(remaining, "output", location)
    if isinstance(answers, (list, tuple)) and len(answers) > 1 and all(isinstance(item, str) for item in answers):
        raise BadRow("data.several_answers", location, field="output", found=len(answers), given=shorten(answers))
    fields = instruction, optional_text(remaining, "input", location), clean(answers, location, "output")
    for key in ("instruction", "input", "output"):
        remaining.pop(key, None)
    return fields


FORMAT = Format("alpaca", "instruction, input, output", _marks, _parse, ("instruction",), _as_xtuner)
