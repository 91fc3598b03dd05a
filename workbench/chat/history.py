"""What is sent of a long conversation. Knows messages and token counts; nothing of models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.data.calls import calls as read_calls
from workbench.data.conversation import ROLES, Message
from workbench.data.fields import Location
from workbench.errors import BadInput, nearest
from workbench.templates.values import Prompt
from workbench.texts import text

Asked = str | Sequence[Message | Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Hold messages that fit the model's context.

    Args:
        messages: what is sent.
        ids: the prompt.
        cut: how many of the oldest messages were left out.
    """

    messages: tuple[Message, ...]
    ids: Prompt
    cut: int


def as_messages(question: Asked, system: str | None = None) -> tuple[Message, ...]:
    """Return a question, or messages of any kind, as messages; ``system`` goes before them where they have none.

    Raises:
        BadInput: a message has an unknown role, or no text; there is none; the last one is the assistant's.
    """
    if isinstance(question, str):
        messages = [Message("user", question)]
    else:
        messages = [m if isinstance(m, Message) else _message(m) for m in question]
    if system and not any(m.role == "system" for m in messages):
        messages.insert(0, Message("system", system))
    if not messages or messages[-1].role not in ("user", "tool"):
        raise BadInput("chat.nothing_asked")
    return tuple(messages)


def _message(mapping: Mapping[str, Any]) -> Message:
    role, content = mapping.get("role"), mapping.get("content")
    if role == "assistant" and mapping.get("tool_calls"):
        calls = read_calls(mapping["tool_calls"], Location("messages", 1), "tool_calls")
        return Message(role, content if isinstance(content, str) else "", tool_calls=calls)
    if role not in ROLES:
        raise BadInput("chat.unknown_role", given=role, nearest=nearest(str(role), ROLES))
    if not isinstance(content, str):
        raise BadInput("chat.no_content", role=role, given=content)
    return Message(role, content)


def fit(
    messages: Sequence[Message], encode: Callable[[Sequence[Message]], Prompt], *, context: int, answer: int
) -> Fitted:
    """Return the messages without as many of the oldest turns as leave room for an answer.

    System messages stay, and so does the last question; a turn goes as a whole, so that none begins with an answer.

    Args:
        messages: all of them.
        encode: messages to the ids of their prompt.
        context: tokens that the model can see.
        answer: tokens of the answer; half of the context is kept for it at most.

    Raises:
        BadInput: the last question alone leaves no room.
    """
    room = context - min(answer, context // 2)
    remaining = list(messages)
    ids = encode(remaining)
    while len(ids) > room:
        first, following = _turns(remaining)
        if following is None:
            break
        del remaining[first:following]
        ids = encode(remaining)
    if len(ids) >= context:
        raise BadInput("chat.too_long", tokens=len(ids), context=context)
    return Fitted(tuple(remaining), ids, len(messages) - len(remaining))


def _turns(messages: Sequence[Message]) -> tuple[int, int | None]:
    """Where the oldest turn begins, and where the next one does (None: there is none)."""
    first = next(i for i, m in enumerate(messages) if m.role != "system")
    return first, next((i for i in range(first + 1, len(messages)) if messages[i].role == "user"), None)


def tell_cut(left_out: int, on_cut: Callable[[int], None] | None) -> None:
    """Tell that so many of the oldest messages were left out; where nobody listens, a warning says so."""
    if on_cut:
        on_cut(left_out)
    else:
        warnings.warn(text("chat.cut", n=left_out), stacklevel=3)
