"""When two questions are one, and how to take a part that is like the whole.

Knows conversations as values; nothing of files or personas.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from workbench.data.conversation import Conversation, Message

T = TypeVar("T")


def normalised(text: str) -> str:
    """``text`` without case, width, spaces and punctuation; a text of nothing else stays as it is."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(character for character in folded if unicodedata.category(character)[0] not in "PZC")
    return kept or text.strip()


def question_key(messages: tuple[Message, ...]) -> str:
    """What has been asked up to the last of ``messages``: the user's turns, normalised. System prompts do not count."""
    return "\n".join(normalised(message.content) for message in messages if message.role == "user")


def trained_questions(conversation: Conversation) -> list[str]:
    """The key of every question in it whose answer is trained; of the last one where none is."""
    found = []
    for position, message in enumerate(conversation.messages):
        if message.role == "assistant" and message.train is not False:
            key = question_key(conversation.messages[:position])
            found += [key] if key else []
    last = question_key(conversation.messages)
    return found or ([last] if last else [])


def evenly(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` of ``items``, at equal distances, in their order."""
    taken = min(count, len(items))
    return [items[at * len(items) // taken] for at in range(taken)]


def spread(items: Sequence[T], kind: Callable[[T], Hashable], rng: random.Random) -> list[T]:
    """``items`` in a random order in which every beginning holds the kinds in nearly the same shares as the whole.

    Source: systematic sampling with a random start in each stratum (Cochran, Sampling Techniques, chapter 8).
    """
    by_kind: dict[Hashable, list[T]] = {}
    for item in items:
        by_kind.setdefault(kind(item), []).append(item)
    placed: list[tuple[float, int, T]] = []
    for held in by_kind.values():
        rng.shuffle(held)
        start = rng.random()
        placed += [((at + start) / len(held), len(placed) + at, item) for at, item in enumerate(held)]
    return [item for _, _, item in sorted(placed, key=lambda entry: entry[:2])]
