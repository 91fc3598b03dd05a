"""What an assistant thought before its answer, under the names that sets give it. Knows one message at a time."""

from __future__ import annotations

from typing import Any

from workbench.data.conversation import Role
from workbench.data.fields import BadRow, Location, clean
from workbench.data.flags import plain_name

NAMES = (
    "thinking", "reasoning_content", "reasoning", "thought", "thoughts", "cot", "chain_of_thought", "complex_cot",
    "think", "think_content", "thinking_content", "thinking_text", "thinking_process", "thought_process",
    "thought_content", "reasoning_text", "reasoning_process", "reasoning_chain", "reasoning_trace", "reasoning_steps",
    "cot_content", "long_cot", "inner_thought", "inner_thoughts", "deepseek_reasoning", "r1_reasoning",
    "思考", "思考过程", "思考内容", "推理", "推理过程", "思维链", "思维过程",
)  # fmt: skip
_OPENS, _CLOSES = "<think>", "</think>"


def thought(turn: dict[str, Any], role: Role, answer: str, location: Location, within: str) -> str:
    """Return what an assistant thought before ``answer``, under any of ``NAMES``, taken out of ``turn``; tables give
    every message the fields, empty.

    Raises:
        BadRow: not text; another's message; or several names, or a name and the answer itself, with different words.
    """
    spoken: dict[str, str] = {}
    for key in [key for key in turn if plain_name(key) in NAMES]:
        value = turn.pop(key)
        content = "" if value is None else clean(value, location, f"{within}{key}")
        if content and role != "assistant":
            raise BadRow("data.thinking_role", location, field=f"{within}{key}", given=role)
        if content:
            spoken[key] = content
    if not spoken:
        return ""
    inline = _in_answer(answer)
    texts = {name: content.strip() for name, content in spoken.items()} | ({_OPENS: inline.strip()} if inline else {})
    if len(set(texts.values())) > 1:
        first, second = list(texts)[:2]
        raise BadRow("data.two_thoughts", location, field=within.rstrip(".") or first, first=first, second=second)
    return "" if inline else next(iter(spoken.values()))


def _in_answer(answer: str) -> str:
    """What the answer itself thinks aloud between its marks."""
    opened, mark, rest = answer.lstrip().partition(_OPENS)
    inside, closed, _ = rest.partition(_CLOSES)
    return inside if mark and closed and not opened else ""
