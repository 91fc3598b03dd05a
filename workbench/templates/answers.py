"""Which answers are not trained as the data have them. Knows messages and segments; nothing of ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workbench.data.conversation import Conversation, Message
from workbench.templates.thoughts import Thinking, spoken
from workbench.templates.values import LossOn, Segment


def apart(
    conversation: Conversation, segments: Sequence[Segment], *, loss_on: LossOn, thinking: Thinking
) -> list[tuple[str, int]]:
    """Return the answers that are not trained, or not as they stand: (reason, index of the message).

    Those that the data or ``loss_on`` switch off are not among them. The reasons are keys of the texts,
    ``templates.apart.…``.

    Args:
        conversation: as it was given, up to its last answer.
        segments: what became of it, its thoughts told apart.
        loss_on, thinking: as in :func:`workbench.templates.encode`.
    """
    if conversation.kind == "text":
        return []
    return list(_apart(conversation, segments, loss_on, thinking))


def _apart(
    conversation: Conversation, segments: Sequence[Segment], loss_on: LossOn, thinking: Thinking
) -> Iterator[tuple[str, int]]:
    last = max((index for index, m in enumerate(conversation.messages) if m.role == "assistant"), default=-1)
    for index, message in enumerate(conversation.messages):
        off = message.train is False or (message.train is None and loss_on == "last" and index != last)
        if message.role != "assistant" or off:
            continue
        its = [s for s in segments if s.turn == index and s.role == "assistant" and s.field in ("content", "end")]
        reason = _reason(message, its, thinking)
        if reason:
            yield reason, index


def _reason(message: Message, its: Sequence[Segment], thinking: Thinking) -> str:
    if not its:
        return "no_question"
    if not any(segment.trained for segment in its):
        return "rewritten"
    thought = spoken(message)
    if not thought:
        return "empty_thought" if any(segment.rule == "thought" for segment in its) else ""
    if thinking == "empty":
        return "thought_emptied"
    if thought not in "".join(segment.text for segment in its):
        return "thought_left_out"
    return "thought_masked" if thinking == "mask" else ""
