"""How an answer is scored. Knows strings and probes only."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workbench.evaluation.facts import mentions, normal, numbers, share_told, states
from workbench.evaluation.interval import FEW
from workbench.evaluation.probes import Probe

# From this share of its key facts on an answer is right, where all its numbers are.
ENOUGH = 0.8
# Above this likeness a short answer without key facts is the reference.
SAME = 0.8
# The kinds whose answers are right or wrong.
SCORED = ("identity", "task", "general")


def says(answer: str, phrase: str) -> bool:
    """Tell whether ``answer`` contains ``phrase`` as a whole: *Al* is not in *Also*; a Chinese name needs no border."""
    target = normal(phrase)
    if not target:
        return False
    left = r"(?<![^\W_])" if _bordered(target[0]) else ""
    right = r"(?![^\W_])" if _bordered(target[-1]) else ""
    if _bordered(target[0]) or _bordered(target[-1]):
        # Chinese characters are word characters too, but they may stand right beside a Latin name.
        left, right = (side.replace(r"[^\W_]", r"[a-z0-9à-ɏа-я]") for side in (left, right))
    return re.search(left + re.escape(target) + right, normal(answer)) is not None


def right(answer: str, expected: str) -> bool:
    """Tell whether ``answer`` is ``expected``, but for case, white space and the mark at the end."""
    return _bare(answer) == _bare(expected)


def similar(answer: str, reference: str) -> float:
    """Tell how much of two answers is the same, 0 to 1: the F1 of their character bigrams.

    Source: Dice's coefficient on bigrams; works for Chinese, which has no spaces between words.
    """
    a, b = _bigrams(normal(answer)), _bigrams(normal(reference))
    if not a or not b:
        return float(normal(answer) == normal(reference))
    common = sum(min(a[key], b.get(key, 0)) for key in a)
    return 2 * common / (sum(a.values()) + sum(b.values()))


def knows(answer: str, keys: Sequence[Sequence[str]]) -> bool:
    """Tell whether ``answer`` states one of each group of alternatives; no group, nothing known."""
    return bool(keys) and all(any(states(answer, key) for key in group) for group in keys)


def meets(answer: str, reference: str, facts: Sequence[str]) -> bool:
    """Tell whether ``answer`` tells what ``reference`` tells: it is or contains the reference, or states all its
    numbers and at least :data:`ENOUGH` of its key ``facts``."""
    if right(answer, reference) or mentions(answer, _bare(reference)):
        return True
    if not facts:
        return similar(_bare(answer), _bare(reference)) >= SAME
    return share_told(answer, numbers(facts), reference) == 1.0 and share_told(answer, facts, reference) >= ENOUGH


def correct(probe: Probe, answer: str) -> bool:
    """Tell whether ``answer`` is right: for identity it says all that is expected; for general it states the fact,
    whatever its wording; for a task it meets one of the references."""
    if probe.kind == "identity":
        return all(says(answer, phrase) for phrase in probe.expects)
    if probe.kind == "task":
        return any(meets(answer, text, facts) for text, facts in zip(probe.references, probe.facts, strict=True))
    return knows(answer, probe.keys)


def scored(probe: Probe) -> bool:
    """Tell whether an answer to ``probe`` is right or wrong; others are only shown, or looked through for a leak."""
    criteria = {"identity": probe.expects, "task": probe.references, "general": probe.keys}
    return bool(criteria.get(probe.kind))


def leaks(probe: Probe, answer: str, identity: Sequence[str], reference: str = "") -> bool:
    """Tell whether ``answer`` to a question that is not about identity speaks of it: it says a word of ``identity``
    that neither the question, nor the right answer, nor the base's own answer contains."""
    innocent = [m.content for m in probe.messages] + [*probe.expects, *probe.references, reference]
    return any(says(answer, phrase) and not any(says(i, phrase) for i in innocent) for phrase in identity if phrase)


def distinct(answers: Sequence[str]) -> float:
    """Return the share of ``answers`` that differ from each other, 0 to 1; a collapsed model says one thing to
    everything."""
    return len({normal(a) for a in answers}) / len(answers) if answers else 1.0


def repeats(answer: str) -> bool:
    """Tell whether ``answer`` goes round in circles: some run of 1 to 12 characters four times in a row, over 12
    characters in all."""
    return any(len(m.group(0)) >= 12 for m in re.finditer(r"(.{1,12}?)\1{3,}", normal(answer)))


def score_answers(
    probes: Sequence[Probe], answers: Sequence[str], *, identity: Sequence[str] = (), references: Sequence[str] = ()
) -> dict[str, float]:
    """Return the shares that the plots show.

    Args:
        references: the base's own answers; then ``general`` is taken over what the base answered rightly, and left out
            where that is fewer than :data:`FEW`, which tells nothing.

    Returns:
        ``identity``, ``task`` and ``general``: right answers; ``exact`` and ``overlap``: task answers that are the
        reference to the letter, and how much of it they have; ``leak``: general and unrelated questions answered with
        the identity; ``distinct`` and ``repetition`` over general, unrelated and task answers. A share of nothing is
        left out.
    """
    refs = list(references) or [""] * len(probes)
    rows = list(zip(probes, answers, refs, strict=True))
    task = [(p, a) for p, a, _ in rows if p.kind == "task"]
    general = [correct(p, a) for p, a, r in rows if p.kind == "general" and (not references or correct(p, r))]
    shares: dict[str, list[float]] = {
        "identity": [correct(p, a) for p, a, _ in rows if p.kind == "identity"],
        "task": [correct(p, a) for p, a in task],
        "exact": [any(right(a, text) for text in p.references) for p, a in task],
        "overlap": [max((similar(a, text) for text in p.references), default=0.0) for p, a in task],
        "general": list(general) if not references or len(general) >= FEW else [],
        "leak": [leaks(p, a, identity, r) for p, a, r in rows if identity and p.kind in ("general", "unrelated")],
        "repetition": [repeats(a) for p, a, _ in rows if p.kind in ("general", "unrelated", "task")],
    }
    scores = {name: sum(values) / len(values) for name, values in shares.items() if values}
    scores["distinct"] = distinct([a for p, a, _ in rows if p.kind in ("general", "unrelated")])
    return scores


def count_answers(
    probes: Sequence[Probe], *, identity: Sequence[str] = (), references: Sequence[str] = ()
) -> dict[str, int]:
    """Tell over how many answers each share of :func:`score_answers` is taken; ``general`` also where these are too
    few."""
    refs = list(references) or [""] * len(probes)
    kinds = [p.kind for p in probes]
    count = sum(p.kind == "general" and (not references or correct(p, r)) for p, r in zip(probes, refs, strict=True))
    counts = {"identity": kinds.count("identity"), "task": kinds.count("task")}
    counts |= {"leak": kinds.count("general") + kinds.count("unrelated")} if identity else {}
    return {name: n for name, n in counts.items() if n} | ({"general": count} if "general" in kinds else {})


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
