"""Where two renderings of one conversation differ. Knows texts and the segments they are made of; nothing of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from workbench.templates.values import Difference, Segment

MOST = 1_000_000  # pairs of graphemes that are compared one by one; what is larger and differs is different as a whole
_KINDS = {"equal": "same", "replace": "changed", "delete": "only_a", "insert": "only_b"}


def grapheme_edges(text: str) -> set[int]:
    """The places at which a grapheme begins or ends. Source: Unicode Standard Annex 29, by the ``regex`` package."""
    import regex

    return {0, len(text)} | {match.start() for match in regex.finditer(r"\X", text)}


def parts(text: str, segments: Sequence[Segment]) -> list[str]:
    """``text`` cut where its segments end, as far as it is made of them; no grapheme is torn."""
    edges, cuts, at = grapheme_edges(text), [0], 0
    for segment in segments:
        if not text.startswith(segment.text, at):
            break
        at += len(segment.text)
        cuts += [at] if at in edges and at > cuts[-1] else []
    cuts += [len(text)] if len(text) > cuts[-1] else []
    return [text[start:end] for start, end in pairwise(cuts)]


def differences(a: Sequence[str], b: Sequence[str]) -> tuple[Difference, ...]:
    """Two texts, each in its parts, cut into stretches that are the same and that are not; no grapheme is torn.

    Equal parts are found first, so that long words which both texts hold are never compared letter by letter.

    Source: the longest-matching-block method of :mod:`difflib`.
    """
    import difflib

    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    found: list[Difference] = []
    for tag, i, j, k, m in matcher.get_opcodes():
        left, right = "".join(a[i:j]), "".join(b[k:m])
        found += [Difference(_KINDS[tag], left, right)] if tag != "replace" else _by_graphemes(left, right)
    joined = ((kind, list(held)) for kind, held in groupby(found, key=lambda piece: piece.kind))
    return tuple(Difference(kind, "".join(p.a for p in held), "".join(p.b for p in held)) for kind, held in joined)


def _by_graphemes(a: str, b: str) -> Iterator[Difference]:
    import difflib

    import regex

    left, right = regex.findall(r"\X", a), regex.findall(r"\X", b)
    pairs = zip(left, right, strict=False)
    head = next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))
    rest = min(len(left), len(right)) - head
    tail = next((at for at in range(rest) if left[-1 - at] != right[-1 - at]), rest)
    one, other = left[head : len(left) - tail], right[head : len(right) - tail]
    if head:
        yield Difference("same", "".join(left[:head]), "".join(left[:head]))
    if len(one) * len(other) > MOST:
        yield Difference("changed", "".join(one), "".join(other))
    else:
        for tag, i, j, k, m in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
            yield Difference(_KINDS[tag], "".join(one[i:j]), "".join(other[k:m]))
    if tail:
        yield Difference("same", "".join(left[len(left) - tail :]), "".join(left[len(left) - tail :]))
