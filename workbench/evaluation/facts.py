"""What an answer states, and which facts a reference answer tells. Knows strings only."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

# Characters of a Chinese number: 四 is not in 十四.
NUMERALS = "零〇一二三四五六七八九十百千万亿两"
# What takes a fact back, right before it.
_DENIED = re.compile(r"(?:\bnot|n't|\bnever|不是|并非|不在|不叫|不用|没有)\s*(?:(?:a|an|the|in|by|at)\s+)?[“\"「']?$")
# What turns a statement round, a few words before what it is about.
_DENYING = re.compile(r"(?:\b(?:not|never|no|without|cannot|avoid)\b|n't|[不没别勿未禁])[^\n]{0,24}$")
# What a single letter or character must stand behind, else it is a part of something else.
_PREDICATE = re.compile(r"(?:^|[是为叫有用在作说指成：:=“\"「'‘]|\b(?:is|are|has|be|means|answer)\s)\s*[“\"「'‘]?$")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*%?")
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_HAN = re.compile(r"[㐀-䶿一-鿿]+")
# Words that tell nothing of what an answer is about.
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """a an the and or but of in on at to for from by with as is are was were be been being it its this that these
        those you your i my we our they their he she his her not no yes can could may might must should would will do
        does did has have had if when then than so such also very more most some any all each one use used using make
        made about into over under out up down there here what which who how why where""",
    )
)
# Characters that bind words together; a pair that holds one is no fact.
_BINDING = frozenset(
    "的了是在和与及或也都就而且但并很可以能会要用把被对于从到由为这那它他她们我你您个一种其上下中里等将让使吗呢吧啊"
)


def normal(text: str) -> str:
    """Return ``text`` without what does not matter: compatibility forms, case, runs of white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def states(answer: str, key: str) -> bool:
    """Tell whether ``answer`` states ``key``, and does not deny it: *not Paris* does not state *Paris*.

    Latin words and numbers count whole, with or without an s; Chinese needs no border. A single letter or character
    must stand as the sentence's predicate or alone. With ``^`` in front the answer must begin with it.
    """
    if key.startswith("^"):
        begin = normal(key[1:])
        return re.match(r"\W*" + re.escape(begin) + _right(begin), normal(answer)) is not None
    return mentions(answer, key)


def mentions(answer: str, text: str) -> bool:
    """Tell as :func:`states` does, for a text that is taken to the letter, whatever it begins with."""
    answer_text, target = normal(answer), normal(text)
    if not target:
        return False
    alone = len(target) == 1 and not target.isdigit()
    for match in re.finditer(_left(target) + re.escape(target) + _right(target), answer_text):
        before = answer_text[: match.start()]
        if not _DENIED.search(before) and (not alone or _PREDICATE.search(before)):
            return True
    return False


def _left(target: str) -> str:
    if target[0] in NUMERALS:
        return f"(?<![{NUMERALS}])"
    if target[0].isdigit():
        return r"(?<![a-z0-9])(?<!\d[.,])"
    return r"(?<![a-z0-9à-ɏа-я])(?<![a-z]['’])" if _bordered(target[0]) else ""


def _right(target: str) -> str:
    if target[-1] in NUMERALS:
        return f"(?![{NUMERALS}])"
    if target[-1].isdigit():
        return r"(?![a-z0-9])(?![.,]\d)"
    plural = "s?" if len(target) > 2 and target[-1].isalpha() else ""
    return plural + r"(?![a-z0-9à-ɏа-я])(?!['’][a-z])" if _bordered(target[-1]) else ""


def _bordered(char: str) -> bool:
    return re.fullmatch(r"[a-z0-9à-ɏа-я]", char) is not None


def key_facts(reference: str, question: str, everyday: Iterable[str] = ()) -> tuple[str, ...]:
    """Return what ``reference`` tells beyond ``question``: its numbers, its names and rare words, and of Chinese, which
    has no spaces, the pairs of characters.

    Args:
        everyday: facts that stand in many answers of the same set, and so tell nothing of this one.
    """
    reference_text, question_text = normal(reference), normal(question)
    candidates = [w for w in _WORD.findall(_HAN.sub(" ", reference_text)) if len(w) > 2 and w not in _COMMON]
    pairs = [run[i : i + 2] for run in _HAN.findall(reference_text) for i in range(len(run) - 1)]
    pairs = [pair for pair in pairs if not set(pair) & _BINDING]
    new = [fact for fact in (*_NUMBER.findall(reference_text), *candidates, *pairs) if not _in(fact, question_text)]
    common = set(everyday)
    return tuple(dict.fromkeys(fact for fact in new if fact not in common))


def everyday_facts(references: Sequence[str]) -> frozenset[str]:
    """Return the key facts that more than a third of different ``references`` tell; none where these are few."""
    different = list(dict.fromkeys(map(normal, references)))
    if len(different) < 6:
        return frozenset()
    counts = Counter(fact for reference in different for fact in key_facts(reference, ""))
    return frozenset(fact for fact, count in counts.items() if count > len(different) / 3)


def share_told(answer: str, facts: Sequence[str], reference: str) -> float:
    """Return the share of the ``facts`` of ``reference`` that ``answer`` tells, 0 to 1; 1 where there are none.

    What the one denies and the other affirms is not told: *do not water it* is not *water it*.
    """
    if not facts:
        return 1.0
    answer_text, meant = normal(answer), normal(reference)
    return sum(
        _in(fact, answer_text) and bool(_denials(answer_text, fact) & _denials(meant, fact)) for fact in facts
    ) / len(facts)


def numbers(facts: Iterable[str]) -> list[str]:
    """Return those of ``facts`` that are numbers."""
    return [fact for fact in facts if _NUMBER.fullmatch(fact)]


def _denials(text: str, fact: str) -> set[bool]:
    """Whether the places of ``text`` that hold ``fact`` deny it: by a word shortly before, in the same clause."""
    starts = [match.start() for match in re.finditer(_left(fact) + re.escape(fact), text)]
    clauses = (re.split(r"[,.;:!?，。；：！？、]", text[:start])[-1] for start in starts)
    return {_DENYING.search(clause) is not None for clause in clauses}


def _in(fact: str, text: str) -> bool:
    if _HAN.fullmatch(fact):
        return fact in text
    return re.search(_left(fact) + re.escape(fact) + _right(fact), text) is not None
