"""The same questions to several assistants. Knows assistants; nothing of how answers are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.chat.assistant import Assistant
from workbench.chat.history import Asked, as_messages


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold a question and each assistant's answer, by label."""

    question: str
    answers: Mapping[str, str]


def compare(
    assistants: Mapping[str, Assistant],
    questions: Sequence[Asked],
    *,
    system: str | None = None,
    max_new_tokens: int = 64,
) -> list[Comparison]:
    """Ask each assistant each question, by itself and greedily.

    Args:
        assistants: by label, in the order in which they are shown; ``{"base": a.base, "assistant": a}`` compares an
            adapted model with its base in the memory of one.
        questions: what is asked; messages where a question shows pictures.
        system: the system message of each.
        max_new_tokens: of each answer.
    """
    heard = {
        label: assistant.ask_all(questions, system=system, max_new_tokens=max_new_tokens)
        for label, assistant in assistants.items()
    }
    words = [as_messages(question)[-1].content for question in questions]
    return [Comparison(q, {label: answers[i] for label, answers in heard.items()}) for i, q in enumerate(words)]
