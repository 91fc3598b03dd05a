"""Texts that are nearly the same, among tens of thousands. Knows texts; nothing of conversations.

Two texts are compared by their sets of five-character shingles (Broder, On the resemblance and containment of
documents, 1997). Candidates come from MinHash signatures by one-permutation hashing (Li, Owen, Zhang, NIPS 2012), its
empty bins filled by rotation (Shrivastava and Li, ICML 2014), cut into bands (Leskovec, Rajaraman, Ullman, Mining of
Massive Datasets, section 3.4); each candidate is then confirmed by its exact Jaccard resemblance. What many texts
share, such as an instruction before every question, tells none from another and is left out of the comparison.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterator, Sequence
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
LIKE = 0.5  # resemblance from which a part is taken for its counterpart
LIKELY = 0.6  # estimated resemblance from which a pair is looked at
SAMPLE = 1000  # texts by which it is judged what many share
SHARED, SHARERS = 0.2, 5  # the share of texts, and their least number, that make a shingle one that many share
# not + - * / and the like, which tell one sum from another
_PUNCTUATION = re.compile(r"[\s,.!?;:'\"()，。！？；：、…“”‘’（）「」『』《》]+")


def folded(text: str) -> str:
    """Return ``text`` without case, width, spaces and the marks of sentences."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _PUNCTUATION.sub("", text.casefold())


def near_duplicates(
    texts: Sequence[str],
    *,
    threshold: float = THRESHOLD,
    apart: Sequence[Hashable] | None = None,
    parts: Sequence[Sequence[str]] | None = None,
) -> list[list[int]]:
    """Return the clusters of texts that are the same or nearly so: indices from 0, each cluster in order, of two or
    more.

    Args:
        texts: any number; empty ones resemble nothing.
        threshold: Jaccard resemblance of the shingle sets from which two texts count as nearly the same.
        apart: of each text a mark; texts of different marks are never one.
        parts: of each text its parts; in two texts that are nearly the same, each part resembles its counterpart by
            ``LIKE`` at least.
    """
    groups: dict[tuple[Hashable, str], list[int]] = {}
    for index, text in enumerate(texts):
        key = folded(text)
        if key:
            groups.setdefault((apart[index] if apart else None, key), []).append(index)
    distinct = list(groups)
    marks, keys = [mark for mark, _ in distinct], [key for _, key in distinct]
    shared = _shared(keys)
    first = [members[0] for members in groups.values()]
    parent = list(range(len(distinct)))
    for earlier, later in _candidates(keys, marks, shared):
        a, b = _root(parent, earlier), _root(parent, later)
        if (
            a != b
            and marks[earlier] == marks[later]
            and _resemblance(keys[earlier], keys[later], shared) >= threshold
            and (parts is None or _alike(parts[first[earlier]], parts[first[later]], shared))
        ):
            parent[max(a, b)] = min(a, b)
    clusters: dict[int, list[int]] = {}
    for index, group in enumerate(distinct):
        clusters.setdefault(_root(parent, index), []).extend(groups[group])
    return sorted(sorted(cluster) for cluster in clusters.values() if len(cluster) > 1)


def _alike(parts: Sequence[str], peers: Sequence[str], shared: Hashes) -> bool:
    """Whether each part resembles its counterpart."""
    pairs = ((folded(part), folded(peer)) for part, peer in zip(parts, peers, strict=True))
    return all(part == peer or _resemblance(part, peer, shared) >= LIKE for part, peer in pairs)


def _shared(texts: Sequence[str]) -> Hashes:
    """The shingles that many of the texts share, in order; judged by a sample."""
    import numpy as np

    sample = [texts[index * len(texts) // SAMPLE] for index in range(SAMPLE)] if len(texts) > SAMPLE else texts
    least = max(SHARERS, SHARED * len(sample))
    if len(sample) < least:
        return np.zeros(0, dtype=np.uint64)
    hashed, owner = _hashes(sample)
    _, once = np.unique(hashed ^ (owner * np.uint64(0x9E3779B97F4A7C15)), return_index=True)  # once a text
    shingles, counts = np.unique(hashed[once], return_counts=True)
    return shingles[counts >= least]


def _root(parent: list[int], node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


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


def _signatures(texts: Sequence[str], shared: Hashes) -> Hashes:
    """(len(texts), BINS): the least hash in each bin; an empty bin takes the next full one's, going round."""
    import numpy as np

    hashed, owner = _hashes(texts)
    if len(shared):
        distinctive = ~np.isin(hashed, shared)
        hashed, owner = hashed[distinctive], owner[distinctive]
    empty = np.uint64(2**64 - 1)
    flat = np.full(len(texts) * BINS, empty, dtype=np.uint64)
    np.minimum.at(flat, (owner * np.uint64(BINS) + (hashed >> np.uint64(58))).astype(np.int64), hashed)
    least = flat.reshape(len(texts), BINS)
    was_empty = least == empty
    current = least[:, 0].copy()
    for column in range(2 * BINS - 1, -1, -1):
        # one more at every step, else all texts of few shingles would agree in most bins
        current = np.where(was_empty[:, column % BINS], current + np.uint64(1), least[:, column % BINS])
        if column < BINS:
            least[:, column] = current
    return least


def _candidates(texts: Sequence[str], marks: Sequence[Hashable], shared: Hashes) -> Iterator[tuple[int, int]]:
    """Pairs that share a band: each text with the first and the one before it in its bucket, so never quadratic."""
    import numpy as np

    if len(texts) < 2:
        return
    signatures = np.concatenate(
        [_signatures(texts[start : start + CHUNK], shared) for start in range(0, len(texts), CHUNK)]
    )
    numbers: dict[Hashable, int] = {}
    kinds = np.array([numbers.setdefault(mark, len(numbers)) for mark in marks], dtype=np.uint64)
    seen: set[tuple[int, int]] = set()
    for start in range(0, BINS, BAND):
        band = kinds.copy()
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
        for begin in range(0, len(pairs), CHUNK):
            part = pairs[begin : begin + CHUNK]
            agreed = (signatures[part[:, 0]] == signatures[part[:, 1]]).mean(axis=1)
            for earlier, later in part[agreed >= LIKELY].tolist():
                if (earlier, later) not in seen:
                    seen.add((earlier, later))
                    yield earlier, later


def _resemblance(first: str, second: str, shared: Hashes) -> float:
    """Jaccard: common shingles by all shingles, those apart that many texts share; 0 where nothing else is left."""
    import numpy as np

    a, b = (np.setdiff1d(_hashes([text])[0], shared) for text in (first, second))
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common) if len(a) + len(b) else 0.0
