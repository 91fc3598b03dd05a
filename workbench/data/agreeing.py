"""Whether two answers to one question say the same. Knows words of two languages; nothing of rows or conversations.

It errs on the side of silence: what agrees in part is taken to agree, unless one denies what the other says.
"""

from __future__ import annotations

import re

from workbench.data.claims import denies, makers, names
from workbench.data.similar import folded

LONG = 20  # characters from which an answer that stands in another says what that one says
# what may stand between a short Chinese answer and the rest of a longer one: 首都是|北京, 可以|的
_BEFORE, _AFTER = re.compile("[是为叫在有即等于选]"), re.compile("[是的了吧啊呢哦]")
_DIGITS_BEFORE, _DIGITS_AFTER = re.compile(r"(?:\d[.,/]|(?<!\S)[-.])$"), re.compile(r"[.,/]\d")
_SENTENCE, _CLAUSE = re.compile(r"[.!?;。！？；\n]"), re.compile(r"[,.!?;，。！？；\n]")


def contradict(answers: list[str]) -> bool:
    """Tell whether they are not all one answer; one that another contains, or that gives the same name, agrees with
    it."""
    distinct = list({folded(answer): answer for answer in answers}.values())
    return any(not _agree(distinct[0], variant) for variant in distinct[1:])


def _agree(first: str, second: str) -> bool:
    return _same_name(first, second) or _within(first, second) or _within(second, first)


def _same_name(first: str, second: str) -> bool:
    """Whether one answer says the name that the other gives itself, and they know of no different makers."""
    spoken, heard = folded(first), folded(second)
    named = any(folded(name) in heard for name in names(first)) or any(folded(name) in spoken for name in names(second))
    return named and not (makers(first) and makers(second) and _differ(makers(first), makers(second)))


def _differ(first: list[str], second: list[str]) -> bool:
    pairs = [(folded(a), folded(b)) for a in first for b in second]
    return not any(a in b or b in a for a, b in pairs)


def _within(short: str, long: str) -> bool:
    """Whether ``short`` stands in ``long`` as words of its own, and nothing there denies it.

    A short one, such as ``yes`` or ``42``, must be its first or last words.
    """
    short, long = plainly(short), plainly(long)
    if not short:
        return False
    if len(short) >= LONG:
        return any(not _denied(long, match.start(), match.end()) for match in re.finditer(re.escape(short), long)) or (
            folded(short) in folded(long) and short not in long
        )
    places = [
        start for start, fits in ((0, long.startswith(short)), (len(long) - len(short), long.endswith(short))) if fits
    ]
    return any(
        _whole(long, start, start + len(short)) and not _denied(long, start, start + len(short)) for start in places
    )


def _whole(text: str, start: int, end: int) -> bool:
    """Whether no word, number or Chinese expression is cut at ``start`` and ``end``."""
    before, after = text[:start], text[end:]
    if before and _cut(before[-1], text[start]) and not _BEFORE.match(before[-1]):
        return False
    if after and _cut(text[end - 1], after[0]) and not _AFTER.match(after[0]):
        return False
    return not (_DIGITS_BEFORE.search(before) and text[start].isdigit()) and not _DIGITS_AFTER.match(after)


def _cut(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and _is_han(left) == _is_han(right)


def _is_han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff"


def _denied(text: str, start: int, end: int) -> bool:
    """Whether a no stands before it in its sentence, or after it in its clause."""
    before = _SENTENCE.split(text[:start])[-1]
    after = _CLAUSE.split(text[end:], maxsplit=1)[0]
    return denies(before) or denies(after)


def plainly(text: str) -> str:
    """Return ``text`` without case, needless spaces and a final mark: less is dropped than usual: ``3-4`` is not
    ``34``."""
    return " ".join(text.casefold().split()).rstrip("?!.。？！… ")
