"""Where two renderings of one conversation differ. Knows texts and the segments they are made of; nothing of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from workbench.templates.values import Difference, Segment

MOST = 1_000_000  # pairs of graphemes that are compared one by one; what is larger and differs is different as a whole
_KINDS = {"equal": "same", "replace": "changed", "delete": "only_a", "insert": "only_b"}


def grapheme_edges(text: str) -> set[int]:
    """Return the places at which a grapheme begins or ends. Source: Unicode Standard Annex 29, by the ``regex``
    package."""
    import regex

    return {0, len(text)} | {match.start() for match in regex.finditer(r"\X", text)}


def parts(text: str, segments: Sequence[Segment]) -> list[str]:
    """Return ``text`` cut where its segments end, as far as it is made of them; no grapheme is torn."""
    edges, cuts, offset = grapheme_edges(text), [0], 0
    for segment in segments:
        if not text.startswith(segment.text, offset):
            break
        offset += len(segment.text)
        cuts += [offset] if offset in edges and offset > cuts[-1] else []
    cuts += [len(text)] if len(text) > cuts[-1] else []
    return [text[start:end] for start, end in pairwise(cuts)]


def differences(a: Sequence[str], b: Sequence[str]) -> tuple[Difference, ...]:
    """Return two texts, each in its parts, cut into stretches that are the same and that are not; no grapheme is torn.

    Equal parts are found first, so that long words which both texts hold are never compared letter by letter.

    Source: the longest-matching-block method of :mod:`difflib`.
    """
    import difflib

    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    pieces: list[Difference] = []
    for tag, i, j, k, m in matcher.get_opcodes():
        left, right = "".join(a[i:j]), "".join(b[k:m])
        pieces += [Difference(_KINDS[tag], left, right)] if tag != "replace" else _by_graphemes(left, right)
    joined = ((kind, list(run)) for kind, run in groupby(pieces, key=lambda piece: piece.kind))
    return tuple(Difference(kind, "".join(p.a for p in run), "".join(p.b for p in run)) for kind, run in joined)


def _by_graphemes(a: str, b: str) -> Iterator[Difference]:
    import difflib

    import regex

    left, right = regex.findall(r"\X", a), regex.findall(r"\X", b)
    pairs = zip(left, right, strict=False)
    head = next((index for index, (first, second) in enumerate(pairs) if first != second), min(len(left), len(right)))
    rest = min(len(left), len(right)) - head
    tail = next((index for index in range(rest) if left[-1 - index] != right[-1 - index]), rest)
    left_rest, right_rest = left[head : len(left) - tail], right[head : len(right) - tail]
    if head:
        yield Difference("same", "".join(left[:head]), "".join(left[:head]))
    if len(left_rest) * len(right_rest) > MOST:
        yield Difference("changed", "".join(left_rest), "".join(right_rest))
    else:
        for tag, i, j, k, m in difflib.SequenceMatcher(None, left_rest, right_rest, autojunk=False).get_opcodes():
            yield Difference(_KINDS[tag], "".join(left_rest[i:j]), "".join(right_rest[k:m]))
    if tail:
        yield Difference("same", "".join(left[len(left) - tail :]), "".join(left[len(left) - tail :]))
