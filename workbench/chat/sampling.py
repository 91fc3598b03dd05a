"""How an answer is drawn, and which tools it may call. Knows settings; nothing of models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from workbench.tools import Box, Tool

Tools = Union["str", "Sequence[str | Tool | Callable[..., Any]]", "Box"]
"""Names, functions, or a box of tools with limits of its own."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Hold how an answer is drawn.

    Args:
        max_new_tokens: at most so many.
        temperature: 0 takes the likeliest token each time.
        top_p: draw among the likeliest tokens that together have this share.
        top_k: draw among so many of the likeliest; 0 for all.
        seed: of the draw.
        repetition_penalty: above 1, what was said already becomes less likely.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    repetition_penalty: float = 1.0


def box_of(tools: Tools) -> Box | None:
    """Return the tools with the limits under which they run; None where there are none.

    Raises:
        UnknownName: no such tool. BadInput: a function that can be none.
    """
    if not tools:
        return None
    from workbench.tools import Box, chosen

    return tools if isinstance(tools, Box) else Box(chosen(tools))
