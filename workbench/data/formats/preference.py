"""A better and a worse answer to one question: the better one is read. Knows the usual names of both; no file.

The worse one stays in the row's meta, where the check counts it: to learn from the comparison is another method than
this (Rafailov et al., Direct Preference Optimization, 2023).
"""

from __future__ import annotations

import re
from typing import Any

from workbench.data.columns import CHOSEN, REJECTED, present
from workbench.data.conversation import Message
from workbench.data.fields import BadRow, Location, optional_text, printable, shorten
from workbench.data.flags import plain_name
from workbench.data.formats.alpaca import asked
from workbench.data.formats.base import ANSWER, Format
from workbench.data.formats.pairs import spoken
from workbench.data.formats.sharegpt import turns_key
from workbench.data.formats.transcript import transcribed
from workbench.data.turns import history, system_beside

# one of several answers that stand in columns of their own, and how long what tells one of them may be
_RIVAL = re.compile(r"(?:answer|response|output|completion|conversation|reply|model)s?_?(?:model_?)?[abcd0-3]")
_LETTER = 20  # characters
_QUESTIONS = ("prompt", "question", "query", "instruction", "input")


def _chosen(row: dict[str, Any]) -> str:
    """The row's name for the better answer; ``''`` where it has none."""
    return next((key for key in row if plain_name(key) in CHOSEN and present(row[key])), "")


def _turns(row: dict[str, Any]) -> str:
    """The row's name for a list of turns; ``''`` where it has none."""
    return "messages" if isinstance(row.get("messages"), list) else turns_key(row)


def _answered(row: dict[str, Any]) -> bool:
    """Whether the row's own turns end with an answer, so that nothing is to be put behind them."""
    turns = row.get(_turns(row))
    last = turns[-1] if isinstance(turns, list) and turns and isinstance(turns[-1], dict) else {}
    return last.get("role", last.get("from")) in ("assistant", "gpt", "model", "bot")


def _marks(row: dict[str, Any]) -> int:
    chosen = _chosen(row)
    if not chosen or isinstance(row[chosen], (bool, int, float)) or _answered(row):
        return 0
    has_question = bool(_turns(row)) or any(present(row.get(key)) for key in _QUESTIONS)
    return ANSWER if has_question or any(plain_name(key) in REJECTED for key in row) else 0


def _refuse_letter(row: dict[str, Any], key: str, location: Location) -> None:
    """
    Raises:
        BadRow: what stands under ``key`` is no answer, but says which of several columns is the better one.
    """
    rivals = [name for name in row if _RIVAL.fullmatch(plain_name(name))]
    value = row.get(key)
    if len(rivals) > 1 and isinstance(value, str) and len(value.strip()) <= _LETTER:
        names = printable(", ".join(rivals[:6]))
        raise BadRow("data.which_answer", location, field=key, names=names, given=shorten(value))


def _parse(remaining: dict[str, Any], location: Location, _: dict[str, Any]) -> list[Message]:
    key = _chosen(remaining) or "chosen"
    _refuse_letter(remaining, key, location)
    chosen = remaining.pop(key, None)
    transcript = transcribed(chosen) if isinstance(chosen, str) else None
    answer = transcript or spoken(chosen, "assistant", location, key)
    question = _question(remaining, location)
    if answer[0].role != "assistant":  # the whole conversation, which begins with what the question says
        question = [] if [m.role for m in answer].count("user") else question
    before = history(remaining, location)
    return [*system_beside(remaining, [*question, *answer], location), *before, *question, *answer]


def _question(remaining: dict[str, Any], location: Location) -> list[Message]:
    """What was asked, in whatever layout, taken out of the row."""
    turns = _turns(remaining)
    if turns:
        return spoken(remaining.pop(turns), "user", location, turns)
    key = next((key for key in _QUESTIONS if present(remaining.get(key))), "")
    if not key:
        return []
    value = remaining.pop(key)
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        remaining["tools"] = value.get("tools") or remaining.get("tools")
        return spoken(value["messages"], "user", location, f"{key}.messages")
    if isinstance(value, str):
        context = optional_text(remaining, "input", location)
        remaining.pop("input", None)
        return asked(value, context)
    return spoken(value, "user", location, key)


FORMAT = Format("preference", "prompt, chosen, rejected", _marks, _parse, ("chosen",))
