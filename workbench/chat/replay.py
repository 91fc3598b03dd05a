"""General conversations in a model's own words. Knows assistants; nothing of training.

To repeat what it would say anyway costs a model nothing of what it knows; to learn a stranger's answers does (Yang et
al. 2024, "Self-distillation bridges distribution gap in language model fine-tuning").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from workbench.chat.assistant import Assistant
from workbench.data.conversation import Conversation, Message
from workbench.errors import BadInput


def in_own_words(
    assistant: Assistant, conversations: Sequence[Conversation], *, max_new_tokens: int = 64
) -> list[Conversation]:
    """Return the first question of each conversation, with what ``assistant`` answers to it, greedily.

    Left out are conversations without a question, questions too long for the model, and answers that are empty or not
    ended after ``max_new_tokens``; the others keep their order, group, kind and language.
    """
    prompts = []
    for conversation in conversations:
        prompt = _first_question(conversation)
        if prompt and _fits(assistant, prompt, max_new_tokens):
            prompts.append((conversation, prompt))
    from workbench.templates.thoughts import parted

    written = assistant.ask_all([prompt for _, prompt in prompts], max_new_tokens=max_new_tokens)
    lengths = map(len, assistant.loaded.tokenizer(written, add_special_tokens=False)["input_ids"]) if written else ()
    answers = [parted(text).answer for text in written]
    return [
        replace(conversation, messages=(*prompt, Message("assistant", answer)))
        for (conversation, prompt), answer, length in zip(prompts, answers, lengths, strict=True)
        if length < max_new_tokens and answer.strip()
    ]


def _first_question(conversation: Conversation) -> tuple[Message, ...]:
    """The messages up to the first question; none where an answer comes before it."""
    for index, message in enumerate(conversation.messages):
        if message.role == "user":
            return conversation.messages[: index + 1]
        if message.role != "system":
            return ()
    return ()


def _fits(assistant: Assistant, prompt: tuple[Message, ...], max_new_tokens: int) -> bool:
    try:
        return assistant.fit(prompt, max_new_tokens=max_new_tokens).cut == 0
    except BadInput:
        return False
