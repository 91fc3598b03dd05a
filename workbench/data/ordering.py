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
    """Return ``text`` without case, width, spaces and punctuation; a text of nothing else stays as it is."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(character for character in folded if unicodedata.category(character)[0] not in "PZC")
    return letters or text.strip()


def question_key(messages: tuple[Message, ...]) -> str:
    """Return what has been asked up to the last of ``messages``: the user's turns, normalised, with their pictures.
    System prompts do not count."""
    asked = (message for message in messages if message.role == "user")
    return "\n".join("\n".join((normalised(m.content), *(image.key for image in m.images))) for m in asked)


def trained_questions(conversation: Conversation) -> list[str]:
    """Return the key of every question in it whose answer is trained; of the last one where none is."""
    questions = []
    for position, message in enumerate(conversation.messages):
        if message.role == "assistant" and message.train is not False:
            key = question_key(conversation.messages[:position])
            questions += [key] if key else []
    last = question_key(conversation.messages)
    return questions or ([last] if last else [])


def evenly(items: Sequence[T], count: int) -> list[T]:
    """Return at most ``count`` of ``items``, at equal distances, in their order."""
    size = min(count, len(items))
    return [items[index * len(items) // size] for index in range(size)]


def spread(items: Sequence[T], kind: Callable[[T], Hashable], rng: random.Random) -> list[T]:
    """Return ``items`` in a random order in which every beginning holds the kinds in nearly the same shares as the
    whole.

    Source: systematic sampling with a random start in each stratum (Cochran, Sampling Techniques, chapter 8).
    """
    by_kind: dict[Hashable, list[T]] = {}
    for item in items:
        by_kind.setdefault(kind(item), []).append(item)
    placed: list[tuple[float, int, T]] = []
    for group in by_kind.values():
        rng.shuffle(group)
        start = rng.random()
        placed += [((index + start) / len(group), len(placed) + index, item) for index, item in enumerate(group)]
    return [item for _, _, item in sorted(placed, key=lambda entry: entry[:2])]
