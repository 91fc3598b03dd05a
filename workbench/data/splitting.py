"""Train and validation: which conversation goes to which side.

Knows groups and questions; nothing of personas, files or training.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Sequence

from workbench.data.conversation import Conversation
from workbench.data.ordering import spread, trained_questions
from workbench.errors import BadSetting


def split(
    conversations: Sequence[Conversation], *, validation: float = 0.1, seed: int = 0
) -> tuple[list[Conversation], list[Conversation]]:
    """Return ``(train, validation)``: never a group, a question, nor a picture, on both sides; each in the order of
    ``conversations``.

    Conversations stay together that share their ``group``, or whose trained answers reply to the same question (case,
    width, spaces and punctuation do not count; in a dialogue, the questions before count too), or that show the same
    picture, directly or through others. So repeated rows stay together, before oversampling and after it.

    Each kind and language gives its own share, counted in conversations and as near as whole groups allow, its intents
    in turn; validation is never empty where that can be helped. Train keeps a group of every kind, language and intent:
    what has only one group is trained whole. So of one repeated pair the validation list is empty, since nothing could
    be held out honestly.

    Args:
        conversations: what to split.
        validation: the share held out, from 0 (none) to below 1.
        seed: which groups.

    Raises:
        BadSetting: ``validation`` is not in that range.
    """
    if not 0 <= validation < 1:
        raise BadSetting("identity.validation_range", given=validation)
    held_out: set[int] = set()
    if validation:
        strata: dict[Hashable, list[list[int]]] = defaultdict(list)
        for cluster in clusters(conversations):
            first = conversations[cluster[0]]
            strata[first.kind, first.lang].append(cluster)
        owed = (
            0.0  # what rounding to whole groups left out, at most one conversation; so many small kinds add up rightly
        )
        for stratum, groups in strata.items():
            rng = random.Random(f"{seed}/{stratum}")
            target = validation * sum(map(len, groups)) + owed
            chosen = _held_out(conversations, groups, target, rng, at_least_one=target >= 0.5)
            owed = max(-1.0, min(1.0, target - len(chosen)))
            held_out.update(chosen)
        # of a very small set, one group all the same
        for groups in sorted(strata.values(), key=len, reverse=True):
            if not held_out:
                held_out.update(_held_out(conversations, groups, 0, random.Random(str(seed)), at_least_one=True))
    return (
        [conversation for row, conversation in enumerate(conversations) if row not in held_out],
        [conversations[row] for row in sorted(held_out)],
    )


def clusters(conversations: Sequence[Conversation]) -> list[list[int]]:
    """Return the rows that must stay together, each cluster in order, the clusters by their first row."""
    parent = list(range(len(conversations)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first_with: dict[tuple[str, str], int] = {}
    for row, conversation in enumerate(conversations):
        keys = [("question", key) for key in trained_questions(conversation)]
        keys += [("group", conversation.group)] if conversation.group else []
        keys += [("picture", picture.key) for picture in conversation.pictures]
        for key in keys:
            low, high = sorted((root(row), root(first_with.setdefault(key, row))))
            parent[high] = low
    groups: dict[int, list[int]] = defaultdict(list)
    for row in range(len(conversations)):
        groups[root(row)].append(row)
    return list(groups.values())


def _held_out(
    conversations: Sequence[Conversation],
    groups: list[list[int]],
    target: float,
    rng: random.Random,
    *,
    at_least_one: bool,
) -> list[int]:
    """The rows that one kind and language gives to validation, ``target`` as near as whole clusters allow."""

    def intent(cluster: list[int]) -> str:
        return str(conversations[cluster[0]].meta.get("intent", ""))

    remaining: dict[str, int] = defaultdict(int)
    for cluster in groups:
        remaining[intent(cluster)] += 1
    chosen: list[int] = []
    for cluster in spread(groups, intent, rng):
        if remaining[intent(cluster)] == 1:
            continue
        nearer = abs(len(chosen) + len(cluster) - target) < abs(len(chosen) - target)
        first = at_least_one and not chosen and len(cluster) * 2 <= sum(map(len, groups))
        if nearer or first:
            chosen += cluster
            remaining[intent(cluster)] -= 1
        if chosen and len(chosen) >= target:
            break
    return chosen
