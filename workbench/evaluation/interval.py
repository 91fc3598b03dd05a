"""How sure a share of a few answers is. Knows counts only."""

from __future__ import annotations

import math

# Two standard errors: in 19 of 20 cases the true share lies within.
Z = 1.96
# Below so many answers a share tells nothing.
FEW = 10


def interval(share: float, count: int | None) -> tuple[float, float]:
    """Return the binomial interval of a share of ``count`` answers, 95 %; the share itself where the count is not
    known.

    Source: Wilson 1927; unlike the plain one it holds for few answers, and at 0 and 1.
    """
    if not count:
        return share, share
    middle = share + Z * Z / (2 * count)
    reach = Z * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def tied(first: float, second: float, count: int | None) -> bool:
    """Tell whether two shares of the same ``count`` questions differ by no more than chance: each lies within the
    other's interval."""
    low, high = interval(first, count)
    low_other, high_other = interval(second, count)
    return low <= second <= high and low_other <= first <= high_other


def beyond_chance(share: float, count: int | None, aim: float) -> bool:
    """Tell whether ``share`` of ``count`` answers is so far below ``aim`` that chance alone would rarely make it so;
    where the count is not known, whether it is below at all.

    Source: the exact binomial test, one-sided, at the level 0.05.
    """
    if not count:
        return share < aim
    wrong, chance = round((1 - share) * count), 1 - aim
    fewer = sum(math.comb(count, n) * chance**n * aim ** (count - n) for n in range(wrong))
    return 1 - fewer < 0.05
