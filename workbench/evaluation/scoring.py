"""How an answer is scored. Knows strings only."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from workbench.evaluation.probes import Probe

# Above this similarity two answers say the same; used where the reference is the base's own answer.
SAME = 0.8


def normal(text: str) -> str:
    """``text`` without what does not matter: compatibility forms, case, runs of white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def says(answer: str, words: str) -> bool:
    """Whether ``answer`` contains ``words`` as a whole: *Al* is not in *Also*; a Chinese name needs no border."""
    wanted = normal(words)
    if not wanted:
        return False
    left = r"(?<![^\W_])" if _bordered(wanted[0]) else ""
    right = r"(?![^\W_])" if _bordered(wanted[-1]) else ""
    if _bordered(wanted[0]) or _bordered(wanted[-1]):
        # Chinese characters are word characters too, but they may stand right beside a Latin name.
        left, right = (side.replace(r"[^\W_]", r"[a-z0-9à-ɏа-я]") for side in (left, right))
    return re.search(left + re.escape(wanted) + right, normal(answer)) is not None


def right(answer: str, expected: str) -> bool:
    """Whether ``answer`` is ``expected``, but for case, white space and the mark at the end."""
    return _bare(answer) == _bare(expected)


def similar(answer: str, reference: str) -> float:
    """How much of two answers is the same, 0 to 1: the F1 of their character bigrams.

    Source: Dice's coefficient on bigrams; works for Chinese, which has no spaces between words.
    """
    a, b = _bigrams(normal(answer)), _bigrams(normal(reference))
    if not a or not b:
        return float(normal(answer) == normal(reference))
    common = sum(min(a[key], b.get(key, 0)) for key in a)
    return 2 * common / (sum(a.values()) + sum(b.values()))


def correct(probe: Probe, answer: str, reference: str = "") -> bool:
    """Whether ``answer`` is right: for identity it says all that is expected; for general it is the expected answer,
    or, where none is known, says the same as the base's own answer ``reference``."""
    if probe.kind == "identity":
        return all(says(answer, words) for words in probe.expects)
    if probe.expects:
        return right(answer, probe.expects[0])
    return similar(answer, reference) >= SAME


def leaks(probe: Probe, answer: str, identity: Sequence[str], reference: str = "") -> bool:
    """Whether ``answer`` to a question that is not about identity speaks of it: it says a word of ``identity``
    that neither the question, nor the right answer, nor the base's own answer contains."""
    innocent = [m.content for m in probe.messages] + [*probe.expects, reference]
    return any(says(answer, words) and not any(says(i, words) for i in innocent) for words in identity if words)


def distinct(answers: Sequence[str]) -> float:
    """The share of ``answers`` that differ from each other, 0 to 1; a collapsed model says one thing to everything."""
    return len({normal(a) for a in answers}) / len(answers) if answers else 1.0


def repeats(answer: str) -> bool:
    """Whether ``answer`` goes round in circles: some run of 1 to 12 characters four times in a row, over 12
    characters in all."""
    return any(len(m.group(0)) >= 12 for m in re.finditer(r"(.{1,12}?)\1{3,}", normal(answer)))


def score_answers(
    probes: Sequence[Probe], answers: Sequence[str], *, identity: Sequence[str] = (), references: Sequence[str] = ()
) -> dict[str, float]:
    """The shares that the plots show.

    Returns:
        ``identity`` and ``general``: right answers; ``leak``: general and unrelated questions answered with the
        identity;
        ``distinct`` and ``repetition`` over general and unrelated answers. A share of nothing is left out.
    """
    refs = list(references) or [""] * len(probes)
    rows = list(zip(probes, answers, refs, strict=True))
    shares: dict[str, list[bool]] = {
        "identity": [correct(p, a) for p, a, _ in rows if p.kind == "identity"],
        "general": [correct(p, a, r) for p, a, r in rows if p.kind == "general"],
        "leak": [leaks(p, a, identity, r) for p, a, r in rows if p.kind in ("general", "unrelated")],
        "repetition": [repeats(a) for p, a, _ in rows if p.kind in ("general", "unrelated")],
    }
    scores = {name: sum(values) / len(values) for name, values in shares.items() if values}
    scores["distinct"] = distinct([a for p, a, _ in rows if p.kind in ("general", "unrelated")])
    return scores


def _bordered(char: str) -> bool:
    return re.fullmatch(r"[a-z0-9à-ɏа-я]", char) is not None


def _bare(text: str) -> str:
    return normal(text).rstrip(" .。!！?？~")


def _bigrams(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    squeezed = text.replace(" ", "")
    for i in range(len(squeezed) - 1):
        counts[squeezed[i : i + 2]] = counts.get(squeezed[i : i + 2], 0) + 1
    return counts
