"""Texts that are nearly the same, among tens of thousands. Knows texts; nothing of conversations.

Two texts are compared by their sets of five-character shingles (Broder, On the resemblance and containment of
documents, 1997). Candidates come from MinHash signatures by one-permutation hashing (Li, Owen, Zhang, NIPS 2012), its empty bins
filled by rotation (Shrivastava and Li, ICML 2014), cut into bands (Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, section 3.4); each candidate is then confirmed by its exact Jaccard resemblance.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

SHINGLE = 5  # characters
BINS = 64
BAND = 4  # bins a band: a pair that resembles by 0.8 shares one of the 16 bands in 9 998 cases of 10 000
THRESHOLD = 0.8
_NOT_A_WORD = re.compile(r"[\W_]+")


def folded(text: str) -> str:
    """``text`` without case, width, spaces and punctuation."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _NOT_A_WORD.sub("", text.casefold())


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


def _shingles(text: str) -> Hashes:
    """The sorted distinct hashes of the text's shingles; of a shorter text, one of the whole."""
    import numpy as np

    characters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    width = min(SHINGLE, len(characters))
    hashed = np.zeros(len(characters) - width + 1, dtype=np.uint64)
    for offset in range(width):
        hashed = hashed * np.uint64(0x100000001B3) + characters[offset : len(characters) - width + 1 + offset]
    # the finish of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): every bit depends on every other
    hashed = (hashed ^ (hashed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashed = (hashed ^ (hashed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.unique(hashed ^ (hashed >> np.uint64(31)))


def _signature(hashes: Hashes, edges: Hashes) -> Hashes:
    """(BINS,) the least hash in each bin; an empty bin takes the next one's, going round."""
    import numpy as np

    first = np.searchsorted(hashes, edges)
    full = np.flatnonzero(np.diff(np.append(first, len(hashes))))
    source = full[np.searchsorted(full, np.arange(BINS)) % len(full)]
    least = hashes[first[source]]
    # how far it was taken from becomes part of it, else all texts of one shingle would agree everywhere
    return least + ((source - np.arange(BINS)) % BINS).astype(np.uint64)


def _candidates(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs that share a band: each text with the first and the one before it in its bucket, so never quadratic."""
    import numpy as np

    if len(texts) < 2:
        return
    edges = np.arange(BINS, dtype=np.uint64) << np.uint64(58)
    signatures = np.stack([_signature(_shingles(text), edges) for text in texts])
    seen: set[tuple[int, int]] = set()
    for start in range(0, BINS, BAND):
        band: NDArray[Any] = np.zeros(len(texts), dtype=np.uint64)
        for column in range(start, start + BAND):
            band = band * np.uint64(0x9E3779B97F4A7C15) + signatures[:, column]
        order = np.argsort(band, kind="stable")
        same = band[order][1:] == band[order][:-1]
        first = 0
        for at in np.flatnonzero(same):
            if at == 0 or not same[at - 1]:
                first = int(order[at])
            for other in {first, int(order[at])}:
                pair = (other, int(order[at + 1]))
                if pair not in seen:
                    seen.add(pair)
                    yield pair


def _resemblance(one: str, other: str) -> float:
    """Jaccard: shared shingles by all shingles."""
    import numpy as np

    a, b = _shingles(one), _shingles(other)
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)
