"""Texts that are nearly the same, among tens of thousands. Knows texts; nothing of conversations.

Two texts are compared by their sets of five-character shingles (Broder, On the resemblance and containment of
documents, 1997). Candidates come from MinHash signatures by one-permutation hashing (Li, Owen, Zhang, NIPS 2012), its
empty bins filled by rotation (Shrivastava and Li, ICML 2014), cut into bands (Leskovec, Rajaraman, Ullman, Mining of
Massive Datasets, section 3.4); each candidate is then confirmed by its exact Jaccard resemblance.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

SHINGLE = 5  # characters
BINS = 64
CHUNK = 2000  # texts whose shingles are in memory at a time
BAND = 4  # bins a band: a pair that resembles by 0.8 shares one of the 16 bands in 9 998 cases of 10 000
THRESHOLD = 0.8
LIKELY = 0.6  # estimated resemblance from which a pair is looked at
# not + - * / and the like, which tell one sum from another
_PUNCTUATION = re.compile(r"[\s,.!?;:'\"()，。！？；：、…“”‘’（）「」『』《》]+")


def folded(text: str) -> str:
    """``text`` without case, width, spaces and the marks of sentences."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _PUNCTUATION.sub("", text.casefold())


def near_duplicates(texts: Sequence[str], *, threshold: float = THRESHOLD) -> list[list[int]]:
    """The clusters of texts that are the same or nearly so: indices from 0, each cluster in order, of two or more.

    Args:
        texts: any number; empty ones resemble nothing.
        threshold: Jaccard resemblance of the shingle sets from which two texts count as nearly the same.
    """
    groups: dict[str, list[int]] = {}
    for at, text in enumerate(texts):
        key = folded(text)
        if key:
            groups.setdefault(key, []).append(at)
    distinct = list(groups)
    parent = list(range(len(distinct)))
    for one, other in _candidates(distinct):
        a, b = _root(parent, one), _root(parent, other)
        if a != b and _resemblance(distinct[one], distinct[other]) >= threshold:
            parent[max(a, b)] = min(a, b)
    clusters: dict[int, list[int]] = {}
    for at, key in enumerate(distinct):
        clusters.setdefault(_root(parent, at), []).extend(groups[key])
    return sorted(sorted(cluster) for cluster in clusters.values() if len(cluster) > 1)


def _root(parent: list[int], at: int) -> int:
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = parent[at]
    return at


def _hashes(texts: Sequence[str]) -> tuple[Hashes, Hashes]:
    """The hash of every shingle of every text, and the index of its text; a text shorter than a shingle has one."""
    import numpy as np

    padded = [text.ljust(SHINGLE, "\0") for text in texts]
    characters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.array([len(text) for text in padded], dtype=np.int64)
    hashed = np.zeros(len(characters) - SHINGLE + 1, dtype=np.uint64)
    for offset in range(SHINGLE):
        hashed = hashed * np.uint64(0x100000001B3) + characters[offset : len(hashed) + offset]
    # the finish of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): every bit depends on every other
    hashed = (hashed ^ (hashed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashed = (hashed ^ (hashed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    hashed ^= hashed >> np.uint64(31)
    starts = np.cumsum(lengths) - lengths
    owner = np.repeat(np.arange(len(texts)), lengths)[: len(hashed)]
    inside = np.arange(len(hashed)) - starts[owner] <= lengths[owner] - SHINGLE
    return hashed[inside], owner[inside].astype(np.uint64)


def _signatures(texts: Sequence[str]) -> Hashes:
    """(len(texts), BINS): the least hash in each bin; an empty bin takes the next full one's, going round."""
    import numpy as np

    hashed, owner = _hashes(texts)
    empty = np.uint64(2**64 - 1)
    flat = np.full(len(texts) * BINS, empty, dtype=np.uint64)
    np.minimum.at(flat, (owner * np.uint64(BINS) + (hashed >> np.uint64(58))).astype(np.int64), hashed)
    least = flat.reshape(len(texts), BINS)
    was_empty = least == empty
    taken = least[:, 0].copy()
    for column in range(2 * BINS - 1, -1, -1):
        # one more at every step, else all texts of few shingles would agree in most bins
        taken = np.where(was_empty[:, column % BINS], taken + np.uint64(1), least[:, column % BINS])
        if column < BINS:
            least[:, column] = taken
    return least


def _candidates(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs that share a band: each text with the first and the one before it in its bucket, so never quadratic."""
    import numpy as np

    if len(texts) < 2:
        return
    signatures = np.concatenate([_signatures(texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)])
    seen: set[tuple[int, int]] = set()
    for start in range(0, BINS, BAND):
        band = np.zeros(len(texts), dtype=np.uint64)
        for column in range(start, start + BAND):
            band = band * np.uint64(0x9E3779B97F4A7C15) + signatures[:, column]
        order = np.argsort(band, kind="stable")
        fresh = np.append(True, band[order][1:] != band[order][:-1])
        first = order[np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))]
        inside = np.flatnonzero(~fresh)
        pairs = np.concatenate(
            [np.stack([earlier, order[inside]], 1) for earlier in (first[inside], order[inside - 1])]
        )
        # the share of equal bins estimates the resemblance; far from the threshold there is nothing to confirm
        for at in range(0, len(pairs), CHUNK):
            part = pairs[at : at + CHUNK]
            agreed = (signatures[part[:, 0]] == signatures[part[:, 1]]).mean(axis=1)
            for one, other in part[agreed >= LIKELY].tolist():
                if (one, other) not in seen:
                    seen.add((one, other))
                    yield one, other


def _resemblance(one: str, other: str) -> float:
    """Jaccard: shared shingles by all shingles."""
    import numpy as np

    a, b = (np.unique(_hashes([text])[0]) for text in (one, other))
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)
