"""Segments to the pieces that are encoded in one go, and which turns of a conversation are rendered at all.

Knows values and codecs; nothing of where a template's strings come from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from workbench.data.conversation import Conversation, Message, ask
from workbench.errors import BadInput
from workbench.templates.codec import Chunk, Codec, codec
from workbench.templates.seeing import check_sight
from workbench.templates.values import IGNORE_INDEX, Segment, Template, Unfit


def chunks(segments: Sequence[Segment]) -> list[tuple[int, int]]:
    """Tell which segments are encoded in one piece: (first, one past the last) of each run.

    A piece ends where an answer begins or ends, before and after a separator, and at ids that are known already: so an
    answer's tokens never depend on the question's, and what serving sends ends exactly where a piece ends.
    """
    runs: list[tuple[int, int]] = []
    start, previous = 0, ("", False)
    for index, segment in enumerate(segments):
        kind = (_kind(segment), segment.trained)
        if index and (kind != previous or kind[0] == "ids"):
            runs.append((start, index))
            start = index
        previous = kind
    return [*runs, (start, len(segments))] if segments else runs


def _kind(segment: Segment) -> str:
    if segment.ids:
        return "ids"
    if segment.field == "sep":
        return "sep"
    if segment.role == "assistant" and segment.field in ("content", "end"):
        return "answer"
    return "prompt"


def chunk_of(segments: Iterable[Segment]) -> Chunk:
    """Return the pieces of one run, neighbours of one kind joined."""
    pieces: list[tuple[str, bool]] = []
    for segment in segments:
        if pieces and pieces[-1][1] == segment.control:
            pieces[-1] = (pieces[-1][0] + segment.text, segment.control)
        else:
            pieces.append((segment.text, segment.control))
    return tuple(pieces)


def trains(labels: Sequence[int]) -> bool:
    """Tell whether any label counts; the first token's never does, since nothing stands before it that could predict
    it."""
    return labels[1:].count(IGNORE_INDEX) < len(labels) - 1


def answered(conversation: Conversation) -> Conversation:
    """Return the conversation up to its last answer.

    Raises:
        Unfit: there is none.
    """
    if conversation.kind == "text":
        if not any(m.content for m in conversation.messages):
            raise Unfit("empty")
        return conversation
    messages = conversation.messages
    last = max((i for i, m in enumerate(messages) if m.role == "assistant"), default=-1)
    if last < 0:
        raise Unfit("no_answer")
    return conversation if last == len(messages) - 1 else conversation.with_messages(*messages[: last + 1])


def without_oldest(conversation: Conversation) -> Conversation | None:
    """Return the conversation without its oldest turn; with one turn left, without its system text; then None."""
    messages = answered(conversation).messages
    head = system_head(messages)
    starts = [i for i in range(len(head), len(messages)) if messages[i].role == "user" and _opens(messages, i)]
    if len(starts) > 1:
        return conversation.with_messages(*head, *messages[starts[1] :])
    return conversation.with_messages(*messages[len(head) :]) if head else None


def system_head(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the system messages with which a conversation begins."""
    count = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
    return tuple(messages[:count])


def _opens(messages: Sequence[Message], index: int) -> bool:
    """Whether a turn begins at this user's message (and not in the middle of several in a row)."""
    return index == 0 or messages[index - 1].role != "user"


def prompt_segments(messages: Conversation | Sequence[Message], template: Template) -> list[Segment]:
    """Return the segments of what serving sends.

    Raises:
        BadInput: the messages do not end with a user's or a tool's, or the template refuses them.
    """
    conversation = messages if isinstance(messages, Conversation) else Conversation(tuple(messages))
    if not conversation.messages or conversation.messages[-1].role not in ("user", "tool"):
        raise BadInput("templates.prompt_needs_user")
    try:
        check_sight(conversation, template)
        return template.segments(conversation, generation_prompt=True)
    except Unfit as unfit:
        details = {"template": template.name, "note": unfit.note or "-", "mend": unfit.mend or "-"}
        raise BadInput(f"templates.prompt_{unfit.reason}", **details) from None


def ids_of(segments: Sequence[Segment], coder: Codec) -> list[int]:
    """Return the ids of rendered segments."""
    runs = [segments[start:end] for start, end in chunks(segments)]
    encoded = coder.encode(chunk_of(run) for run in runs if not run[0].ids)
    return [id_ for run in runs for id_ in (run[0].ids or encoded[chunk_of(run)])]


_PROBE = (
    Message("user", "What is 2 + 2?\n你好，{name}！"),
    Message("assistant", " Four. 四。\n"),
    Message("user", "再见 👋"),
    Message("assistant", "Bye!"),
)


def fingerprint(template: Template, tokenizer: Any) -> str:
    """Return sha256 over the texts, labels and ids of fixed probe conversations, with and without a system text."""
    digest = hashlib.sha256()
    system = Message("system", "Be brief. 请简短。")
    probes = [Conversation(_PROBE), Conversation((system, *_PROBE)), ask("Hi", "Hello.")]
    for probe in probes:
        try:
            segments = template.segments(probe)
            shown: Any = [[s.text, s.trained, list(s.ids)] for s in segments]
            shown = [shown, ids_of(segments, codec(tokenizer))]
        except (Unfit, BadInput) as refusal:
            shown = type(refusal).__name__
        digest.update(json.dumps(shown, ensure_ascii=False).encode())
    return digest.hexdigest()
