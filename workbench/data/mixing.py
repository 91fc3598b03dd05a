"""Identity and general conversations in one set. Knows counts and order; nothing of how either was made."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from workbench import shipped
from workbench.data.conversation import Conversation
from workbench.data.ordering import spread
from workbench.errors import BadInput, BadSetting
from workbench.texts import text

LARGEST_RATIO = 100.0


@dataclass(frozen=True, slots=True)
class MixtureCounts:
    """Hold what a ratio does to the counts.

    Args:
        identity: identity conversations, each used once.
        general: general conversations in the mixture.
        available: different general conversations there are.
        most: how often the most used general conversation occurs.
    """

    identity: int
    general: int
    available: int
    most: int

    @property
    def total(self) -> int:
        """Return conversations in the mixture."""
        return self.identity + self.general

    @property
    def share(self) -> float:
        """Return the share of identity conversations, from 0 to 1."""
        return self.identity / self.total if self.total else 0.0

    def sentence(self, lang: str | None = None) -> str:
        """Return the counts, for people."""
        share = "none" if not self.general else "part" if self.general < self.available else "all"
        share = "repeated" if self.most > 1 else share
        return text(
            f"identity.mixture.{share}",
            lang,
            identity=self.identity,
            general=self.general,
            available=self.available,
            most=self.most,
            total=self.total,
            percent=round(100 * self.share),
        )


def mixture_counts(identity: int, general: int, *, ratio: float = 1.0) -> MixtureCounts:
    """Return what :func:`mix` would make of ``identity`` and ``general`` conversations, without making it.

    Raises:
        BadSetting: ``ratio`` is below 0, above 100 or no number.
        BadInput: there is nothing to take from.
    """
    if not 0 <= ratio <= LARGEST_RATIO:
        raise BadSetting("identity.ratio_range", given=ratio, largest=LARGEST_RATIO)
    if not identity:
        raise BadInput("identity.no_identity")
    target = math.floor(ratio * identity + 0.5)
    if target and not general:
        raise BadInput("identity.no_general", ratio=ratio)
    return MixtureCounts(identity, target, general, math.ceil(target / general) if target else 0)


def mix(
    identity: Sequence[Conversation],
    general: Sequence[Conversation] | None = None,
    *,
    ratio: float = 1.0,
    seed: int = 0,
) -> list[Conversation]:
    """Return every identity conversation once, and ``ratio`` times as many general ones, shuffled together.

    Fewer general ones than there are: a part in which kinds and languages keep their shares. More: all of them, again
    and again, so that none occurs more than once oftener than another. Identity conversations are never repeated or
    left out; a ratio of 0 leaves them alone. Split first, then mix the train side, so that the ratio holds there
    (:func:`workbench.data.splitting.split` keeps repeated rows together in any case).

    Args:
        identity: conversations of a persona.
        general: conversations that keep what the base knows; the ones that ship with the project if not given.
        ratio: general conversations for each identity conversation, from 0 to 100.
        seed: which part, and which order.

    Raises:
        BadSetting: ``ratio`` is out of range.
        BadInput: there is nothing to take from.
    """
    pool = shipped_general() if general is None else list(general)
    counts = mixture_counts(len(identity), len(pool), ratio=ratio)
    mixture = list(identity)
    for turn in range(counts.most):
        rng = random.Random(f"{seed}/{turn}")
        order = spread(pool, lambda conversation: (conversation.lang, conversation.kind), rng)
        mixture += order[: counts.total - len(mixture)]
    random.Random(f"{seed}/order").shuffle(mixture)
    return mixture


def shipped_general() -> list[Conversation]:
    """Return the general conversations that ship with the project."""
    from workbench.data.reading import read

    return read(shipped.path("general/general.jsonl"))
