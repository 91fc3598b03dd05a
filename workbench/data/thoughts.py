"""What an assistant thought before its answer, under the names that sets give it. Knows one message at a time."""

from __future__ import annotations

from typing import Any

from workbench.data.conversation import Role
from workbench.data.fields import BadRow, Place, clean
from workbench.data.flags import plain_name

NAMES = (
    "thinking", "reasoning_content", "reasoning", "thought", "thoughts", "cot", "chain_of_thought", "complex_cot",
)  # fmt: skip
_OPENS, _CLOSES = "<think>", "</think>"


def thought(turn: dict[str, Any], role: Role, answer: str, place: Place, within: str) -> str:
    """What an assistant thought before ``answer``, under any of ``NAMES``, taken out of ``turn``; tables give every
    message the fields, empty.

    Raises:
        BadRow: not text; another's message; or several names, or a name and the answer itself, with different words.
    """
    spoken: dict[str, str] = {}
    for key in [key for key in turn if plain_name(key) in NAMES]:
        value = turn.pop(key)
        words = "" if value is None else clean(value, place, f"{within}{key}")
        if words and role != "assistant":
            raise BadRow("data.thinking_role", place, field=f"{within}{key}", given=role)
        if words:
            spoken[key] = words
    if not spoken:
        return ""
    own = _in_answer(answer)
    texts = {name: words.strip() for name, words in spoken.items()} | ({_OPENS: own.strip()} if own else {})
    if len(set(texts.values())) > 1:
        first, second = list(texts)[:2]
        raise BadRow("data.two_thoughts", place, field=within.rstrip(".") or first, first=first, second=second)
    return "" if own else next(iter(spoken.values()))


def _in_answer(answer: str) -> str:
    """What the answer itself thinks aloud between its marks."""
    opened, mark, rest = answer.lstrip().partition(_OPENS)
    inside, closed, _ = rest.partition(_CLOSES)
    return inside if mark and closed and not opened else ""
