"""General conversations in the base's own words. Knows models, templates and the shipped questions; nothing of runs.

To repeat what it would say anyway costs a model nothing of what it knows; to learn a stranger's answers does (Yang et
al. 2024, "Self-distillation bridges distribution gap in language model fine-tuning").
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.data.conversation import Conversation, Message
from workbench.errors import BadInput
from workbench.training.data import general_of, template_of
from workbench.training.settings import Recipe

if TYPE_CHECKING:
    from workbench.models import Loaded

# so many questions are asked at most, so many at once, and so long may an answer be: time belongs to the training
QUESTIONS, AT_ONCE, LONGEST = 300, 32, 64


def rehearses(recipe: Recipe) -> bool:
    """Tell whether the general conversations of ``recipe`` are the base's own answers, which it must be asked for."""
    return bool(recipe.data.ratio) and general_of(recipe) == "own"


def questions(recipe: Recipe, identity_count: int) -> list[Conversation]:
    """Return what the base is asked: shipped general questions in the persona's languages, drawn by the seed.

    Args:
        identity_count: how many conversations they are to be mixed with.
    """
    from workbench.data.mixing import shipped_general

    languages = set(recipe.persona.languages)
    pool = {c.question: c for c in shipped_general() if not c.lang or c.lang in languages}
    rows = list(pool.values())
    limit = min(QUESTIONS, len(rows), max(1, round(recipe.data.ratio * identity_count)))
    return random.Random(recipe.runtime.seed).sample(rows, limit)


def rehearsed(
    recipe: Recipe, loaded: Loaded, conversations: list[Conversation], go_on: Callable[[int], bool] = lambda _: True
) -> list[Conversation]:
    """Return the questions with the base's own greedy answers; without those that it does not end within 64 tokens, or
    to which it says nothing.

    Args:
        loaded: the base, with the tokenizer that the training renders with.
        go_on: told how many were answered, now and then; False ends it, and what was answered is given.

    Raises:
        BadInput: it ended no answer.
    """
    from workbench.models import generate
    from workbench.templates import prompt_ids, stop_ids
    from workbench.templates.thoughts import parted

    tokenizer = loaded.tokenizer
    template = template_of(recipe, tokenizer)
    stops = stop_ids(tokenizer, template=template)
    rehearsals: list[Conversation] = []
    for start in range(0, len(conversations), AT_ONCE):
        rows = conversations[start : start + AT_ONCE]
        prompts = [prompt_ids((Message("user", c.question),), tokenizer, template=template) for c in rows]
        answers = generate(loaded, prompts, max_new_tokens=LONGEST, stop_ids=stops)
        for row, ids in zip(rows, answers, strict=True):
            answer = parted(tokenizer.decode(ids, skip_special_tokens=True)).answer.strip()
            if answer and len(ids) < LONGEST:
                rehearsals.append(replace(row, messages=(Message("user", row.question), Message("assistant", answer))))
        if not go_on(min(start + AT_ONCE, len(conversations))):
            return rehearsals
    if not rehearsals:
        raise BadInput("training.nothing_rehearsed", model=recipe.base, count=len(conversations), longest=LONGEST)
    return rehearsals
